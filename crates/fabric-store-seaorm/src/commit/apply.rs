//! What a write does inside its transaction, but for updates (`batch.rs`). The same on every database; how transactions are locked and
//! batched is the affair of `writer.rs` and `lanes.rs`.

use std::sync::Arc;

use fabric_domain::decisions::{Commit, NewChannel};
use fabric_domain::model::{Channel, ChannelId, Member, Presence, Seq, Timestamp, UserId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, Statement};

use super::write::{Publication, Write, Written};
use super::{files, retention, wakes};
use crate::error::{DatabaseError, WriteError};
use crate::schema::convert;
use crate::schema::entity::{channel, idempotency_key, member, presence, read_marker, turn_seats};
use crate::search;

/// Carries out one write; nothing counts until the transaction commits.
pub(crate) async fn apply(db: &impl ConnectionTrait, write: &Write) -> Result<Written, WriteError> {
    match write {
        Write::Create(new) => {
            create(db, new).await?;
            let Channel { id, version, .. } = &new.channel;
            let commit = Commit { channel_id: id.clone(), version: *version, events: new.events.clone() };
            Ok(Written { publication: Some(Publication::Commit(commit)), change: None })
        }
        Write::MarkRead { channel, user, seq } => {
            mark_read(db, channel, user, *seq).await?;
            Ok(Written::default())
        }
        Write::Presence(presence) => {
            set_presence(db, presence).await?;
            Ok(Written { publication: Some(Publication::Presence(Arc::clone(presence))), change: None })
        }
        Write::SettleWakes(settled) => {
            wakes::settle(db, settled).await?;
            Ok(Written::default())
        }
        Write::Sweep { keys_before, wakes_before } => {
            sweep_keys(db, *keys_before).await?;
            wakes::sweep(db, *wakes_before).await?;
            Ok(Written::default())
        }
        Write::Erase(texts) => {
            retention::erase(db, texts).await?;
            Ok(Written::default())
        }
        Write::AddFile { file, quota } => {
            files::add(db, file, *quota).await?;
            Ok(Written::default())
        }
        Write::RemoveFile(file) => {
            files::remove(db, file).await?;
            Ok(Written::default())
        }
        Write::Index(batch) => {
            search::index(db, batch).await?;
            Ok(Written::default())
        }
        // The batch itself has to do with these.
        Write::Update { .. } | Write::Fence(_) => Ok(Written::default()),
    }
}

async fn create(db: &impl ConnectionTrait, new: &NewChannel) -> Result<(), DatabaseError> {
    lock_creation(db, &new.channel.id).await?;
    let row = convert::channel_row(&new.channel, new.turn.as_ref())?;
    channel::Entity::insert(row).exec_without_returning(db).await?;
    if let Some(turn) = &new.turn {
        let seats = convert::turn_seats_row(&new.channel.id, turn)?;
        turn_seats::Entity::insert(seats).exec_without_returning(db).await?;
    }
    let rows = new.members.iter().zip(0..).map(|(new_member, position)| {
        let Member { user_id, wake_mapped } = new_member;
        convert::member_row(&new.channel.id, user_id, *wake_mapped, position, Seq::ZERO)
    });
    member::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}

/// Waits until nobody is about to commit a channel with this id, and keeps it so until the transaction ends. A
/// locking read does that by itself, except on `PostgreSQL`, where it does not see rows that are not committed.
pub(crate) async fn lock_creation(db: &impl ConnectionTrait, id: &ChannelId) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let lock = Statement::from_sql_and_values(DbBackend::Postgres, lock, [id.as_str().into()]);
        db.execute_raw(lock).await?;
    }
    Ok(())
}

async fn mark_read(
    db: &impl ConnectionTrait,
    channel: &ChannelId,
    user: &UserId,
    seq: Seq,
) -> Result<(), DatabaseError> {
    let row = convert::read_marker_row(channel, user, seq);
    // One statement, so that of two at once none can move the marker back.
    let later = match db.get_database_backend() {
        DbBackend::MySql => "GREATEST(`seq`, VALUES(`seq`))",
        DbBackend::Postgres => r#"GREATEST("read_markers"."seq", "excluded"."seq")"#,
        _ => r#"MAX("seq", "excluded"."seq")"#,
    };
    read_marker::Entity::insert(row)
        .on_conflict(
            OnConflict::columns([read_marker::Column::ChannelId, read_marker::Column::UserId])
                .value(read_marker::Column::Seq, Expr::cust(later))
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(())
}

async fn set_presence(db: &impl ConnectionTrait, presence: &Presence) -> Result<(), DatabaseError> {
    presence::Entity::insert(convert::presence_row(presence))
        .on_conflict(
            OnConflict::column(presence::Column::UserId)
                .update_columns([
                    presence::Column::Status,
                    presence::Column::Source,
                    presence::Column::UpdatedAt,
                ])
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(())
}

async fn sweep_keys(db: &impl ConnectionTrait, before: Timestamp) -> Result<(), DatabaseError> {
    idempotency_key::Entity::delete_many()
        .filter(idempotency_key::Column::CreatedAt.lt(before.0))
        .exec(db)
        .await?;
    Ok(())
}
