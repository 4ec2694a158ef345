//! The tail of the search index: messages whose words are not in it yet (docs/adr/0007).
//!
//! A message gets its number when it is stored, as before; its row in `search_documents` and its words follow later,
//! with the same number. Backwards the tail is put into the index, so nothing is lost.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};

use crate::columns::{Dialect, number};
use crate::search_index::{
    SearchTail, free_numbers, insert_search_documents, number_search_tail, search_documents, search_shares,
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261128_000008_search_tail"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager).await?;
        manager.create_table(tail(dialect)).await?;
        number_search_tail(manager.get_connection()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_table("search_tail").await? {
            index(manager.get_connection()).await?;
        }
        manager.drop_table(Table::drop().table(SearchTail::Table).if_exists().take()).await
    }
}

/// A row for each message that is to be put into the index, by its number.
///
/// Nothing but its key has an index, so that a row costs writers as little as it can.
fn tail(dialect: Dialect) -> TableCreateStatement {
    let mut key = number(SearchTail::Number);
    key.primary_key();
    match dialect {
        // The row's own number.
        Dialect::Sqlite => key.integer(),
        // The numbers of the index itself, so that none is there twice.
        Dialect::Postgres => key.default(Expr::cust("nextval('search_documents_number_seq')")),
        Dialect::MySql(_) => key.auto_increment(),
    };
    dialect.table(SearchTail::Table).col(key).col(dialect.id(SearchTail::MessageId)).take()
}

/// Puts the tail into the index. Its rows stay until their table goes, so this may break off and be done again.
async fn index(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let next = "SELECT number, message_id FROM search_tail WHERE NOT EXISTS (SELECT 1 FROM search_documents \
                WHERE search_documents.message_id = search_tail.message_id) ORDER BY number LIMIT 256";
    loop {
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), next)).await?;
        let numbered =
            rows.iter().map(|row| Ok((row.try_get("", "number")?, row.try_get("", "message_id")?)));
        let mut numbered = numbered.collect::<Result<Vec<(i64, String)>, DbErr>>()?;
        if numbered.is_empty() {
            return Ok(());
        }
        free_numbers(db, &mut numbered).await?;
        let mut rest = numbered.as_slice();
        for share in search_shares(db, &numbered).await? {
            let (now, later) = rest.split_at(share);
            let documents = search_documents(db, now).await?;
            let documents = documents
                .map_err(|id| DbErr::Custom(format!("message {id} is to be indexed, and is not there")))?;
            for document in &documents {
                insert_search_documents(db, std::slice::from_ref(document)).await?;
            }
            rest = later;
        }
    }
}
