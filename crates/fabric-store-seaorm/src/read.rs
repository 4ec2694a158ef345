//! Queries, usable on a pool and inside a transaction alike.

use std::collections::HashMap;

use fabric_domain::decisions::{ChannelAggregate, ChannelSummary, IdempotencySlot, PriorAnswer};
use fabric_domain::model::{ChannelId, Member, Message, MessageId, Presence, Revision, Timestamp, UserId};
use fabric_domain::ports::{Scope, SeqRange, fitting};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    AccessMode, ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend,
    EntityTrait, IsolationLevel, Order, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};

use crate::convert::{self, from_json, to_column};
use crate::entity::{channel, idempotency_key, member, message, presence, read_marker, revision};
use crate::fault::Fault;
use crate::files;

/// What a look at a channel does to those who want to change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Nothing.
    Free,
    /// They wait until the transaction ends. `SQLite` has one writer and needs no such word.
    ForUpdate,
}

/// One snapshot: everything that is read in it is of the same moment. Dropping it ends it.
pub(crate) async fn snapshot(connection: &DatabaseConnection) -> Result<DatabaseTransaction, Fault> {
    if connection.get_database_backend() == DbBackend::Sqlite {
        // Every transaction is one.
        return Ok(connection.begin().await?);
    }
    let (level, mode) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
    Ok(connection.begin_with_config(Some(level), Some(mode)).await?)
}

/// The channel as a decision sees it.
pub(crate) async fn aggregate(
    db: &impl ConnectionTrait,
    scope: &Scope,
    lock: Lock,
) -> Result<Option<ChannelAggregate>, Fault> {
    let mut query = channel::Entity::find_by_id(scope.channel.as_str());
    if lock == Lock::ForUpdate {
        // First of all: whatever is read after it is what the one before us committed.
        query = query.lock_exclusive();
    }
    let Some(row) = query.one(db).await? else { return Ok(None) };
    let (channel, turn) = convert::channel(row)?;
    Ok(Some(ChannelAggregate {
        members: members(db, &scope.channel).await?,
        message: match &scope.message {
            Some(id) => one_message(db, &scope.channel, id).await?,
            None => None,
        },
        files: files::wanted(db, &scope.files, lock).await?,
        prior: match &scope.idempotency {
            Some(slot) => prior_answer(db, slot).await?,
            None => None,
        },
        channel,
        turn,
    }))
}

async fn members(db: &impl ConnectionTrait, id: &ChannelId) -> Result<Vec<Member>, Fault> {
    let rows = member::Entity::find()
        .filter(member::Column::ChannelId.eq(id.as_str()))
        .order_by_asc(member::Column::Position)
        .all(db)
        .await?;
    let users = Query::select()
        .column(member::Column::UserId)
        .from(member::Entity)
        .and_where(member::Column::ChannelId.eq(id.as_str()))
        .take();
    let presences =
        presence::Entity::find().filter(presence::Column::UserId.in_subquery(users)).all(db).await?;
    let mut presences: HashMap<String, presence::Model> =
        presences.into_iter().map(|row| (row.user_id.clone(), row)).collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let presence = presences.remove(&row.user_id);
            convert::member(row, presence)
        })
        .collect())
}

async fn prior_answer(
    db: &impl ConnectionTrait,
    slot: &IdempotencySlot,
) -> Result<Option<PriorAnswer>, Fault> {
    let key = (slot.caller.as_str().to_owned(), slot.route.clone(), slot.key.clone());
    let row = idempotency_key::Entity::find_by_id(key).one(db).await?;
    row.map(|row| {
        Ok(PriorAnswer {
            outcome: from_json("idempotent answer", &row.outcome)?,
            fingerprint: row.fingerprint,
        })
    })
    .transpose()
}

/// One message of a channel.
pub(crate) async fn one_message(
    db: &impl ConnectionTrait,
    channel: &ChannelId,
    id: &MessageId,
) -> Result<Option<Message>, Fault> {
    let row = message::Entity::find_by_id(id.as_str())
        .filter(message::Column::ChannelId.eq(channel.as_str()))
        .one(db)
        .await?;
    Ok(files::messages(db, row.into_iter().collect()).await?.pop())
}

/// A page, ascending by seq.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    channel: &ChannelId,
    range: SeqRange,
    limit: u32,
) -> Result<Vec<Message>, Fault> {
    let mut bounds = Condition::all().add(message::Column::ChannelId.eq(channel.as_str()));
    if let Some(from) = range.from {
        bounds = bounds.add(message::Column::Seq.gte(to_column(from.0)));
    }
    if let Some(to) = range.to {
        bounds = bounds.add(message::Column::Seq.lte(to_column(to.0)));
    }
    let forward = range.from.is_some();
    let order = if forward { Order::Asc } else { Order::Desc };
    let query = message::Entity::find().filter(bounds).order_by(message::Column::Seq, order);
    // Their lengths first: two hundred texts of a megabyte are not for memory.
    let integer = if db.get_database_backend() == DbBackend::MySql { "SIGNED" } else { "BIGINT" };
    let lengths: Vec<i64> = query
        .clone()
        .select_only()
        .expr_as(Expr::cust("OCTET_LENGTH(content)").cast_as(integer), "length")
        .limit(u64::from(limit))
        .into_tuple()
        .all(db)
        .await?;
    let fits = fitting(lengths.into_iter().map(i64::unsigned_abs));
    let mut rows = query.limit(fits as u64).all(db).await?;
    if !forward {
        rows.reverse();
    }
    files::messages(db, rows).await
}

/// Public channels and the user's own, by creation.
pub(crate) async fn list(db: &impl ConnectionTrait, user: &UserId) -> Result<Vec<ChannelSummary>, Fault> {
    let own = Query::select()
        .column(member::Column::ChannelId)
        .from(member::Entity)
        .and_where(member::Column::UserId.eq(user.as_str()))
        .take();
    let rows = channel::Entity::find()
        .filter(
            Condition::any()
                .add(channel::Column::IsPublic.eq(true))
                .add(channel::Column::Id.in_subquery(own)),
        )
        .order_by_asc(channel::Column::CreatedAt)
        .order_by_asc(channel::Column::Id)
        .all(db)
        .await?;
    summaries(db, rows, user).await
}

/// One channel as a list would show it.
pub(crate) async fn summary(
    db: &impl ConnectionTrait,
    id: &ChannelId,
    user: &UserId,
) -> Result<Option<ChannelSummary>, Fault> {
    let row = channel::Entity::find_by_id(id.as_str()).one(db).await?;
    Ok(summaries(db, row.into_iter().collect(), user).await?.pop())
}

/// How many values one statement may list: databases have limits, the lowest is 32,766.
const LISTED: usize = 1_000;

/// Three queries for however many channels, or a few more for thousands.
async fn summaries(
    db: &impl ConnectionTrait,
    rows: Vec<channel::Model>,
    user: &UserId,
) -> Result<Vec<ChannelSummary>, Fault> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let (mut counts, mut markers) = (HashMap::<String, i64>::new(), HashMap::<String, i64>::new());
    for ids in ids.chunks(LISTED) {
        let counted: Vec<(String, i64)> = member::Entity::find()
            .select_only()
            .column(member::Column::ChannelId)
            .column_as(member::Column::UserId.count(), "members")
            .filter(member::Column::ChannelId.is_in(ids))
            .group_by(member::Column::ChannelId)
            .into_tuple()
            .all(db)
            .await?;
        counts.extend(counted);
        let marked = read_marker::Entity::find()
            .filter(read_marker::Column::UserId.eq(user.as_str()))
            .filter(read_marker::Column::ChannelId.is_in(ids))
            .all(db)
            .await?;
        markers.extend(marked.into_iter().map(|row| (row.channel_id, row.seq)));
    }
    let own: Vec<String> = member::Entity::find()
        .select_only()
        .column(member::Column::ChannelId)
        .filter(member::Column::UserId.eq(user.as_str()))
        .into_tuple()
        .all(db)
        .await?;
    let own: std::collections::HashSet<String> = own.into_iter().collect();
    rows.into_iter()
        .map(|row| {
            let members = counts.get(&row.id).copied().unwrap_or_default();
            let marker = convert::seq(markers.get(&row.id).copied().unwrap_or_default())?;
            let is_member = own.contains(&row.id);
            let (channel, turn) = convert::channel(row)?;
            Ok(ChannelSummary {
                member_count: u64::try_from(members).unwrap_or_default(),
                is_member,
                unread_count: channel.last_seq.0.saturating_sub(marker.0),
                channel,
                turn,
            })
        })
        .collect()
}

/// Open channels whose turn is over, the earliest first.
pub(crate) async fn due_turns(db: &impl ConnectionTrait, now: Timestamp) -> Result<Vec<ChannelId>, Fault> {
    let ids: Vec<String> = channel::Entity::find()
        .select_only()
        .column(channel::Column::Id)
        .filter(channel::Column::TurnDeadline.lte(now.0))
        .filter(channel::Column::Closed.eq(false))
        .order_by_asc(channel::Column::TurnDeadline)
        .order_by_asc(channel::Column::Id)
        .limit(100)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(ChannelId::from).collect())
}

/// The number of a message's next former text. Some may have been erased, so it is not their count.
pub(crate) async fn next_revision(db: &impl ConnectionTrait, id: &MessageId) -> Result<u64, Fault> {
    let last: Option<Option<i64>> = revision::Entity::find()
        .select_only()
        .column_as(revision::Column::Number.max(), "last")
        .filter(revision::Column::MessageId.eq(id.as_str()))
        .into_tuple()
        .one(db)
        .await?;
    last.flatten().map_or(Ok(0), |last| Ok(convert::from_column("number", last)? + 1))
}

/// The next free position among a channel's members.
pub(crate) async fn next_position(db: &impl ConnectionTrait, id: &ChannelId) -> Result<i64, Fault> {
    let last: Option<Option<i64>> = member::Entity::find()
        .select_only()
        .column_as(member::Column::Position.max(), "last")
        .filter(member::Column::ChannelId.eq(id.as_str()))
        .into_tuple()
        .one(db)
        .await?;
    Ok(last.flatten().map_or(0, |last| last + 1))
}

/// Former texts of a message, oldest first.
pub(crate) async fn revisions(db: &impl ConnectionTrait, id: &MessageId) -> Result<Vec<Revision>, Fault> {
    let rows = revision::Entity::find()
        .filter(revision::Column::MessageId.eq(id.as_str()))
        .order_by_asc(revision::Column::Number)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(convert::revision).collect())
}

/// One user's presence.
pub(crate) async fn presence(db: &impl ConnectionTrait, user: &UserId) -> Result<Option<Presence>, Fault> {
    let row = presence::Entity::find_by_id(user.as_str()).one(db).await?;
    Ok(row.map(convert::presence))
}

/// Everybody's presence.
pub(crate) async fn presences(db: &impl ConnectionTrait) -> Result<Vec<Presence>, Fault> {
    let rows = presence::Entity::find().all(db).await?;
    Ok(rows.into_iter().map(convert::presence).collect())
}

/// The moment before which a table has about `count` of the rows that were created before `end`; `None` when it
/// has no more than those.
pub(crate) async fn oldest<E: EntityTrait>(
    db: &impl ConnectionTrait,
    created_at: E::Column,
    end: Timestamp,
    count: u64,
) -> Result<Option<Timestamp>, Fault> {
    let created: Option<i64> = E::find()
        .select_only()
        .column(created_at)
        .filter(created_at.lt(end.0))
        .order_by_asc(created_at)
        .offset(count)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    // Just after: whatever is deleted before it is something.
    Ok(created.map(|created_at| Timestamp(created_at + 1)))
}
