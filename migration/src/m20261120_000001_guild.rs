//! Channels, members, messages, read markers, presence, idempotency keys.

use sea_orm_migration::prelude::*;

use crate::columns::{Dialect, flag, number, optional};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261120_000001_guild"
    }
}

#[derive(DeriveIden)]
enum Channels {
    Table,
    Id,
    GuildId,
    Name,
    XType,
    Purpose,
    IsPublic,
    Closed,
    LastSeq,
    CreatedBy,
    CreatedAt,
    Settings,
    Version,
    AgentRun,
    Turn,
    TurnDeadline,
}

#[derive(DeriveIden)]
enum ChannelMembers {
    Table,
    ChannelId,
    UserId,
    WakeMapped,
    Position,
}

#[derive(DeriveIden)]
enum Messages {
    Table,
    Id,
    ChannelId,
    GuildId,
    Seq,
    Author,
    Content,
    Mentions,
    ReplyTo,
    CreatedAt,
    EditedAt,
    DeletedAt,
    Ack,
}

#[derive(DeriveIden)]
enum MessageRevisions {
    Table,
    MessageId,
    Number,
    Content,
    ReplacedAt,
}

#[derive(DeriveIden)]
enum ReadMarkers {
    Table,
    ChannelId,
    UserId,
    Seq,
}

#[derive(DeriveIden)]
enum Presences {
    Table,
    UserId,
    Status,
    Source,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum IdempotencyKeys {
    Table,
    Caller,
    Route,
    Key,
    Fingerprint,
    Outcome,
    CreatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables(Dialect::of(manager).await?) {
            manager.create_table(table).await?;
        }
        for (name, table, index) in indexes() {
            // As the tables, so that a migration that broke off can be run again.
            if !manager.has_index(table.to_string(), name).await? {
                manager.create_index(index).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables: [DynIden; 7] = [
            IdempotencyKeys::Table.into_iden(),
            Presences::Table.into_iden(),
            ReadMarkers::Table.into_iden(),
            MessageRevisions::Table.into_iden(),
            Messages::Table.into_iden(),
            ChannelMembers::Table.into_iden(),
            Channels::Table.into_iden(),
        ];
        for table in tables {
            manager.drop_table(Table::drop().table(table).if_exists().take()).await?;
        }
        Ok(())
    }
}

fn tables(sql: Dialect) -> Vec<TableCreateStatement> {
    vec![
        sql.table(Channels::Table)
            .col(sql.id(Channels::Id).primary_key())
            .col(sql.id(Channels::GuildId))
            .col(sql.short(Channels::Name, 100))
            .col(sql.short(Channels::XType, 16))
            .col(optional(sql.long(Channels::Purpose)))
            .col(flag(Channels::IsPublic))
            .col(flag(Channels::Closed))
            .col(number(Channels::LastSeq))
            .col(sql.id(Channels::CreatedBy))
            .col(number(Channels::CreatedAt))
            .col(sql.long(Channels::Settings))
            .col(number(Channels::Version))
            .col(number(Channels::AgentRun))
            .col(optional(sql.long(Channels::Turn)))
            .col(optional(number(Channels::TurnDeadline)))
            .take(),
        sql.table(ChannelMembers::Table)
            .col(sql.id(ChannelMembers::ChannelId))
            .col(sql.id(ChannelMembers::UserId))
            .col(flag(ChannelMembers::WakeMapped))
            .col(number(ChannelMembers::Position))
            .primary_key(Index::create().col(ChannelMembers::ChannelId).col(ChannelMembers::UserId))
            .take(),
        sql.table(Messages::Table)
            .col(sql.id(Messages::Id).primary_key())
            .col(sql.id(Messages::ChannelId))
            .col(sql.id(Messages::GuildId))
            .col(number(Messages::Seq))
            .col(sql.id(Messages::Author))
            .col(sql.long(Messages::Content))
            .col(sql.long(Messages::Mentions))
            .col(optional(sql.id(Messages::ReplyTo)))
            .col(number(Messages::CreatedAt))
            .col(optional(number(Messages::EditedAt)))
            .col(optional(number(Messages::DeletedAt)))
            .col(optional(sql.long(Messages::Ack)))
            .take(),
        sql.table(MessageRevisions::Table)
            .col(sql.id(MessageRevisions::MessageId))
            .col(number(MessageRevisions::Number))
            .col(sql.long(MessageRevisions::Content))
            .col(number(MessageRevisions::ReplacedAt))
            .primary_key(Index::create().col(MessageRevisions::MessageId).col(MessageRevisions::Number))
            .take(),
        sql.table(ReadMarkers::Table)
            .col(sql.id(ReadMarkers::ChannelId))
            .col(sql.id(ReadMarkers::UserId))
            .col(number(ReadMarkers::Seq))
            .primary_key(Index::create().col(ReadMarkers::ChannelId).col(ReadMarkers::UserId))
            .take(),
        sql.table(Presences::Table)
            .col(sql.id(Presences::UserId).primary_key())
            .col(sql.short(Presences::Status, 16))
            .col(optional(sql.short(Presences::Source, 80)))
            .col(number(Presences::UpdatedAt))
            .take(),
        sql.table(IdempotencyKeys::Table)
            .col(sql.id(IdempotencyKeys::Caller))
            .col(sql.short(IdempotencyKeys::Route, 160))
            .col(sql.short(IdempotencyKeys::Key, 255))
            .col(sql.short(IdempotencyKeys::Fingerprint, 64))
            .col(sql.long(IdempotencyKeys::Outcome))
            .col(number(IdempotencyKeys::CreatedAt))
            .primary_key(
                Index::create()
                    .col(IdempotencyKeys::Caller)
                    .col(IdempotencyKeys::Route)
                    .col(IdempotencyKeys::Key),
            )
            .take(),
    ]
}

/// Name, table and statement of each.
fn indexes() -> Vec<(&'static str, DynIden, IndexCreateStatement)> {
    let index = |name: &'static str, table: DynIden, columns: &[DynIden]| {
        let mut index = Index::create();
        index.name(name).table(table.clone());
        for column in columns {
            index.col(column.clone());
        }
        (name, table, index)
    };
    let mut indexes = vec![
        // Seq is unique in its channel, and every page is a range of it.
        index(
            "messages_channel_seq",
            Messages::Table.into_iden(),
            &[Messages::ChannelId.into_iden(), Messages::Seq.into_iden()],
        ),
        // "My channels".
        index(
            "channel_members_user",
            ChannelMembers::Table.into_iden(),
            &[ChannelMembers::UserId.into_iden()],
        ),
        // "Public channels".
        index("channels_public", Channels::Table.into_iden(), &[Channels::IsPublic.into_iden()]),
        // "Turns that are over".
        index("channels_turn_deadline", Channels::Table.into_iden(), &[Channels::TurnDeadline.into_iden()]),
        // Sweeping old keys.
        index(
            "idempotency_keys_created",
            IdempotencyKeys::Table.into_iden(),
            &[IdempotencyKeys::CreatedAt.into_iden()],
        ),
    ];
    indexes[0].2.unique();
    indexes
}
