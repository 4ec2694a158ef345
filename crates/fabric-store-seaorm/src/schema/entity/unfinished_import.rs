//! Table `unfinished_imports`: at most one row, while a database is being filled.

use sea_orm::entity::prelude::*;

/// The key of the only row.
pub(crate) const ID: i64 = 1;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "unfinished_imports")]
pub(crate) struct Model {
    /// Always the same, so that there can be only one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Whose it is: who finds another one here has been replaced.
    pub token: i64,
    pub started_at: i64,
    /// How many rows are committed.
    pub rows: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
