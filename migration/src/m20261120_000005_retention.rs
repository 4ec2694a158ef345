//! Texts of deleted messages know when their message was deleted, so that they can be erased in time.

use sea_orm_migration::prelude::*;

use crate::columns::{number, optional};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261120_000005_retention"
    }
}

#[derive(DeriveIden)]
enum MessageRevisions {
    Table,
    DeletedAt,
}

const BY_DELETION: &str = "message_revisions_deleted";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_column("message_revisions", "deleted_at").await? {
            let deleted_at = optional(number(MessageRevisions::DeletedAt));
            let table = Table::alter().table(MessageRevisions::Table).add_column(deleted_at).take();
            manager.alter_table(table).await?;
        }
        // Again where it broke off: the same values once more do no harm.
        manager
            .get_connection()
            .execute_unprepared(
                "UPDATE message_revisions SET deleted_at = (SELECT messages.deleted_at FROM messages \
                 WHERE messages.id = message_revisions.message_id) \
                 WHERE message_id IN (SELECT id FROM messages WHERE messages.deleted_at IS NOT NULL)",
            )
            .await?;
        if !manager.has_index("message_revisions", BY_DELETION).await? {
            let index = Index::create()
                .name(BY_DELETION)
                .table(MessageRevisions::Table)
                .col(MessageRevisions::DeletedAt)
                .take();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_index("message_revisions", BY_DELETION).await? {
            let index = Index::drop().name(BY_DELETION).table(MessageRevisions::Table).to_owned();
            manager.drop_index(index).await?;
        }
        if manager.has_column("message_revisions", "deleted_at").await? {
            let table =
                Table::alter().table(MessageRevisions::Table).drop_column(MessageRevisions::DeletedAt).take();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
