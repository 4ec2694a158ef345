//! Wakes that are owed to those who were away (spec/2 section 8).

use sea_orm_migration::prelude::*;

use crate::columns::{Dialect, number};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261120_000002_wakes"
    }
}

#[derive(DeriveIden)]
enum OwedWakes {
    Table,
    ChannelId,
    Seq,
    Owed,
    CreatedAt,
}

#[derive(DeriveIden)]
enum ChannelMembers {
    Table,
    SettledSeq,
}

const BY_AGE: &str = "owed_wakes_created";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager).await?;
        let table = dialect
            .table(OwedWakes::Table)
            .col(dialect.id(OwedWakes::ChannelId))
            .col(number(OwedWakes::Seq))
            .col(dialect.long(OwedWakes::Owed))
            .col(number(OwedWakes::CreatedAt))
            .primary_key(Index::create().col(OwedWakes::ChannelId).col(OwedWakes::Seq))
            .take();
        manager.create_table(table).await?;
        if !manager.has_index("owed_wakes", BY_AGE).await? {
            let by_age =
                Index::create().name(BY_AGE).table(OwedWakes::Table).col(OwedWakes::CreatedAt).take();
            manager.create_index(by_age).await?;
        }
        if !manager.has_column("channel_members", "settled_seq").await? {
            // Who is a member already is owed nothing of what was before.
            let settled = number(ChannelMembers::SettledSeq).default(i64::MAX).take();
            manager
                .alter_table(Table::alter().table(ChannelMembers::Table).add_column(settled).take())
                .await?;
        }
        // Those who still have the default: it may have broken off before this, or within it.
        let settle = format!(
            "UPDATE channel_members SET settled_seq = COALESCE((SELECT last_seq FROM channels \
             WHERE channels.id = channel_members.channel_id), 0) WHERE settled_seq = {}",
            i64::MAX
        );
        manager.get_connection().execute_unprepared(&settle).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_column("channel_members", "settled_seq").await? {
            let alter =
                Table::alter().table(ChannelMembers::Table).drop_column(ChannelMembers::SettledSeq).take();
            manager.alter_table(alter).await?;
        }
        manager.drop_table(Table::drop().table(OwedWakes::Table).if_exists().take()).await
    }
}
