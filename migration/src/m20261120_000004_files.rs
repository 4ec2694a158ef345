//! Uploaded files, how many bytes they are, and what messages keep of them (spec/3 section 7).

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::Statement;

use crate::columns::{Dialect, flag, number};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261120_000004_files"
    }
}

#[derive(DeriveIden)]
enum Files {
    Table,
    Id,
    Name,
    Mime,
    Size,
    Sha256,
    Uploader,
    CreatedAt,
    Attached,
    ShelvedAt,
}

#[derive(DeriveIden)]
enum FileUsage {
    Table,
    /// A user; empty for everybody together.
    Owner,
    Bytes,
}

#[derive(DeriveIden)]
enum MessageAttachments {
    Table,
    MessageId,
    Position,
    ChannelId,
    FileId,
    Name,
    Mime,
    Size,
}

const BY_AGE: &str = "files_shelf";
const BY_FILE: &str = "message_attachments_file";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables(Dialect::of(manager).await?) {
            manager.create_table(table).await?;
        }
        if !manager.has_index("files", BY_AGE).await? {
            let mut index = Index::create().name(BY_AGE).table(Files::Table).take();
            index.col(Files::Attached).col(Files::ShelvedAt).col(Files::Id);
            manager.create_index(index).await?;
        }
        if !manager.has_index("message_attachments", BY_FILE).await? {
            let (table, file) = (MessageAttachments::Table, MessageAttachments::FileId);
            let index = Index::create().name(BY_FILE).table(table).col(file).take();
            manager.create_index(index).await?;
        }
        // The row of everybody together is there from the beginning: whoever adds a file locks it first.
        let connection = manager.get_connection();
        let query = Statement::from_string(
            manager.get_database_backend(),
            "SELECT bytes FROM file_usage WHERE owner = ''",
        );
        if connection.query_one_raw(query).await?.is_none() {
            connection.execute_unprepared("INSERT INTO file_usage (owner, bytes) VALUES ('', 0)").await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables: [DynIden; 3] =
            [MessageAttachments::Table.into_iden(), FileUsage::Table.into_iden(), Files::Table.into_iden()];
        for table in tables {
            manager.drop_table(Table::drop().table(table).if_exists().take()).await?;
        }
        Ok(())
    }
}

fn tables(sql: Dialect) -> [TableCreateStatement; 3] {
    [
        sql.table(Files::Table)
            .col(sql.id(Files::Id).primary_key())
            .col(sql.short(Files::Name, 255))
            .col(sql.short(Files::Mime, 127))
            .col(number(Files::Size))
            .col(sql.short(Files::Sha256, 64))
            .col(sql.id(Files::Uploader))
            .col(number(Files::CreatedAt))
            .col(flag(Files::Attached))
            .col(number(Files::ShelvedAt))
            .take(),
        sql.table(FileUsage::Table)
            .col(sql.id(FileUsage::Owner).primary_key())
            .col(number(FileUsage::Bytes))
            .take(),
        sql.table(MessageAttachments::Table)
            .col(sql.id(MessageAttachments::MessageId))
            .col(number(MessageAttachments::Position))
            .col(sql.id(MessageAttachments::ChannelId))
            .col(sql.id(MessageAttachments::FileId))
            .col(sql.short(MessageAttachments::Name, 255))
            .col(sql.short(MessageAttachments::Mime, 127))
            .col(number(MessageAttachments::Size))
            .primary_key(Index::create().col(MessageAttachments::MessageId).col(MessageAttachments::Position))
            .take(),
    ]
}
