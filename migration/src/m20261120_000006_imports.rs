//! The mark of an import that has not ended: while it is there, what is in the database is half of something.

use sea_orm_migration::prelude::*;

use crate::columns::{Dialect, number};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261120_000006_imports"
    }
}

#[derive(DeriveIden)]
enum UnfinishedImports {
    Table,
    Id,
    Token,
    StartedAt,
    Rows,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Dialect::of(manager)
            .await?
            .table(UnfinishedImports::Table)
            .col(number(UnfinishedImports::Id).primary_key())
            .col(number(UnfinishedImports::Token))
            .col(number(UnfinishedImports::StartedAt))
            .col(number(UnfinishedImports::Rows))
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(UnfinishedImports::Table).if_exists().take()).await
    }
}
