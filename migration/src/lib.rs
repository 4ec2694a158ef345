//! Database schema of a guild node, as migrations that run forward and back.
//!
//! One file a migration, named by date and purpose; a published one is never edited. Types are chosen so
//! that `SQLite`, `MySQL` and `PostgreSQL` hold the same values: ids and names are strings, instants and
//! numbers are 64-bit integers (milliseconds since 1970), documents are JSON in long text.

use sea_orm_migration::prelude::*;

mod columns;
mod m20261120_000001_guild;
mod m20261120_000002_wakes;
mod m20261120_000003_search;
mod m20261120_000004_files;
mod m20261120_000005_retention;
mod m20261120_000006_imports;
mod m20261128_000007_turns;
mod m20261128_000008_search_tail;
mod m20261128_000009_turn_seats;
mod search_index;

pub use search_index::{
    CONTENT_AT_ONCE, SearchDocument, SearchSource, complete_search_index, free_numbers,
    insert_search_documents, length_of_content, number_search_tail, search_documents, search_shares,
    suspend_search_index,
};

/// All migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_guild::Migration),
            Box::new(m20261120_000002_wakes::Migration),
            Box::new(m20261120_000003_search::Migration),
            Box::new(m20261120_000004_files::Migration),
            Box::new(m20261120_000005_retention::Migration),
            Box::new(m20261120_000006_imports::Migration),
            Box::new(m20261128_000007_turns::Migration),
            Box::new(m20261128_000008_search_tail::Migration),
            Box::new(m20261128_000009_turn_seats::Migration),
        ]
    }
}
