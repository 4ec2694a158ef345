//! What a write does inside its transaction. The same on every database; how transactions are locked and
//! batched is the affair of `writer.rs` and `lanes.rs`.

use std::sync::Arc;

use fabric_domain::decisions::{Change, ChannelAggregate, Commit, NewChannel};
use fabric_domain::model::{
    Channel, ChannelId, IdempotencySlot, Member, MessageId, PostOutcome, Presence, Revision, Seq, Timestamp,
    UserId,
};
use fabric_domain::ports::{Decide, Scope};
use fabric_domain::rules::search::is_findable;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, Statement,
};

use super::write::{Publication, Write, Written};
use super::{files, retention, wakes};
use crate::error::{DatabaseError, WriteError};
use crate::query::{self, Lock};
use crate::schema::convert::{self, to_column};
use crate::schema::entity::{channel, idempotency_key, member, message, presence, read_marker, revision};
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
        Write::Update { scope, decide, now } => update(db, scope, decide, *now).await,
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
        Write::Fence(_) => Ok(Written::default()),
    }
}

async fn create(db: &impl ConnectionTrait, new: &NewChannel) -> Result<(), DatabaseError> {
    lock_creation(db, &new.channel.id).await?;
    let row = convert::channel_row(&new.channel, new.turn.as_ref())?;
    channel::Entity::insert(row).exec_without_returning(db).await?;
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

/// The one write path: load, decide, write.
async fn update(
    db: &impl ConnectionTrait,
    scope: &Scope,
    decide: &Decide,
    now: Timestamp,
) -> Result<Written, WriteError> {
    let before =
        query::channels::aggregate(db, scope, Lock::ForUpdate).await?.ok_or(WriteError::NoSuchChannel)?;
    let mut change = decide(&before).map_err(WriteError::Refused)?;
    if let (Some(slot), Some(outcome), None) = (&scope.idempotency, &change.outcome, &before.prior) {
        keep_answer(db, slot, outcome, now).await?;
    }
    if change.is_silent() {
        return Ok(Written { change: Some(Box::new(change)), publication: None });
    }
    let version = before.channel.version + 1;
    write(db, &before, &change, version).await?;
    let commit =
        Commit { channel_id: scope.channel.clone(), version, events: std::mem::take(&mut change.events) };
    Ok(Written { change: Some(Box::new(change)), publication: Some(Publication::Commit(commit)) })
}

async fn write(
    db: &impl ConnectionTrait,
    before: &ChannelAggregate,
    change: &Change,
    version: u64,
) -> Result<(), DatabaseError> {
    let mut channel = change.channel.clone().unwrap_or_else(|| before.channel.clone());
    channel.version = version;
    let turn = change.turn.as_ref().or(before.turn.as_ref());
    let row = convert::channel_row(&channel, turn)?;
    channel::Entity::update(row).exec_without_returning(db).await?;

    write_members(db, before, change).await?;
    if let Some(message) = &change.new_message {
        let row = convert::message_row(message)?;
        message::Entity::insert(row).exec_without_returning(db).await?;
        files::attach(db, message).await?;
        if is_findable(message)
            && let Some(noted) = search::note(db.get_database_backend(), [message.id.as_str()])
        {
            db.execute_raw(noted).await?;
        }
        if let Some(pending) = &change.pending_wake {
            wakes::owe(db, &channel.id, message.seq, pending, message.created_at).await?;
        }
    }
    if let Some(message) = &change.updated_message {
        if let Some(revision) = &change.revision {
            keep_revision(db, &message.id, revision).await?;
        }
        if let Some(at) = message.deleted_at {
            retention::note_deletion(db, &message.id, at).await?;
            if let Some(before) = &before.message {
                files::detach(db, before, at).await?;
            }
        }
        let row = convert::message_row(message)?;
        message::Entity::update(row).exec_without_returning(db).await?;
        search::replace(db, message).await?;
    }
    Ok(())
}

async fn write_members(
    db: &impl ConnectionTrait,
    before: &ChannelAggregate,
    change: &Change,
) -> Result<(), DatabaseError> {
    let channel = &before.channel.id;
    for user in &change.removed_members {
        let key = (channel.as_str().to_owned(), user.as_str().to_owned());
        member::Entity::delete_by_id(key).exec(db).await?;
    }
    for upserted in &change.upserted_members {
        let mut row = member::ActiveModel {
            channel_id: Set(channel.as_str().to_owned()),
            user_id: Set(upserted.user_id.as_str().to_owned()),
            wake_mapped: Set(upserted.wake_mapped),
            ..Default::default()
        };
        let user = &upserted.user_id;
        let stayed = before.is_member(user) && !change.removed_members.contains(user);
        if stayed {
            member::Entity::update(row).exec_without_returning(db).await?;
        } else {
            row.position = Set(query::channels::next_position(db, channel).await?);
            // Nobody is owed what was before them.
            row.settled_seq = Set(to_column(before.channel.last_seq.0));
            member::Entity::insert(row).exec_without_returning(db).await?;
        }
    }
    Ok(())
}

async fn keep_revision(
    db: &impl ConnectionTrait,
    message: &MessageId,
    revision: &Revision,
) -> Result<(), DatabaseError> {
    let number = query::messages::next_revision(db, message).await?;
    let row = convert::revision_row(message, number, revision, None);
    revision::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

async fn keep_answer(
    db: &impl ConnectionTrait,
    slot: &IdempotencySlot,
    outcome: &PostOutcome,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let row = convert::idempotency_row(slot, outcome, now)?;
    idempotency_key::Entity::insert(row).exec_without_returning(db).await?;
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
