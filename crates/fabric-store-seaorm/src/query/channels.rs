//! Channels: as a decision sees one, as lists show them, and those whose turn is over.

use std::collections::{BTreeSet, HashMap, HashSet};

use fabric_domain::decisions::{ChannelAggregate, ChannelSummary, ChannelView, TurnRecord};
use fabric_domain::model::{
    Channel, ChannelId, ChannelType, IdempotencySlot, Members, PresenceStatus, PriorAnswer, Timestamp, UserId,
};
use fabric_domain::ports::Scope;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Select, SelectModel, Selector,
};

use super::{Lock, files, messages};
use crate::error::DatabaseError;
use crate::schema::convert::{self, from_json};
use crate::schema::entity::{channel, idempotency_key, member, presence, read_marker, turn_seats};

/// The row of a channel, and who sits where in its turn.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Seated {
    #[sea_orm(nested)]
    row: channel::Model,
    seats: Option<String>,
}

impl Seated {
    pub(crate) fn read(self) -> Result<(Channel, Option<TurnRecord>), DatabaseError> {
        convert::channel(self.row, self.seats.as_deref())
    }
}

/// Asks for the seats of channels besides: in one statement, so that they are of the same moment.
pub(crate) fn seated(channels: Select<channel::Entity>) -> Selector<SelectModel<Seated>> {
    channels.expr_as(seats(), "seats").into_model()
}

/// The seats of the channel that is selected.
fn seats() -> SimpleExpr {
    let seats = Query::select()
        .column(turn_seats::Column::Seats)
        .from(turn_seats::Entity)
        .and_where(
            Expr::col((turn_seats::Entity, turn_seats::Column::ChannelId))
                .equals((channel::Entity, channel::Column::Id)),
        )
        .take();
    SimpleExpr::from(seats)
}

/// The channel as a decision sees it.
pub(crate) async fn aggregate(
    db: &impl ConnectionTrait,
    scope: &Scope,
    lock: Lock,
) -> Result<Option<ChannelAggregate>, DatabaseError> {
    let mut query = channel::Entity::find_by_id(scope.channel.as_str());
    if lock == Lock::ForUpdate {
        // The lock comes first, so that everything that is read after it is what the previous transaction committed.
        query = query.lock_exclusive();
    }
    let Some(row) = query.one(db).await? else { return Ok(None) };
    // After the lock, and so by a statement of its own.
    let seats = turn_seats::Entity::find_by_id(scope.channel.as_str()).one(db).await?;
    let (channel, turn) = convert::channel(row, seats.as_ref().map(|row| row.seats.as_str()))?;
    Ok(Some(ChannelAggregate {
        members: members(db, &scope.channel).await?,
        busy: busy(db, channel.channel_type).await?,
        message: match &scope.message {
            Some(id) => messages::one(db, &scope.channel, id).await?,
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

async fn members(db: &impl ConnectionTrait, id: &ChannelId) -> Result<Members, DatabaseError> {
    let rows = member::Entity::find()
        .filter(member::Column::ChannelId.eq(id.as_str()))
        .order_by_asc(member::Column::Position)
        .all(db)
        .await?;
    let mut members = Members::default();
    for row in rows {
        let position = convert::position(row.position)?;
        members.insert_at(position, convert::member(row));
    }
    Ok(members)
}

/// Everybody who is busy, where the type of channel asks for it.
async fn busy(
    db: &impl ConnectionTrait,
    channel_type: ChannelType,
) -> Result<BTreeSet<UserId>, DatabaseError> {
    if channel_type != ChannelType::Announce {
        return Ok(BTreeSet::new());
    }
    let users: Vec<String> = presence::Entity::find()
        .select_only()
        .column(presence::Column::UserId)
        .filter(presence::Column::Status.eq(PresenceStatus::Busy.as_str()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(users.into_iter().map(UserId::from).collect())
}

async fn prior_answer(
    db: &impl ConnectionTrait,
    slot: &IdempotencySlot,
) -> Result<Option<PriorAnswer>, DatabaseError> {
    Ok(prior_answers(db, &[slot]).await?.remove(&Key::of(slot)))
}

/// By what an idempotency key is found: caller, route and key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(String, String, String);

impl Key {
    pub(crate) fn of(slot: &IdempotencySlot) -> Self {
        Self(slot.caller.as_str().to_owned(), slot.route.clone(), slot.key.clone())
    }
}

/// The answers that were given to these keys, where there are any.
pub(crate) async fn prior_answers(
    db: &impl ConnectionTrait,
    slots: &[&IdempotencySlot],
) -> Result<HashMap<Key, PriorAnswer>, DatabaseError> {
    let any = slots.iter().fold(Condition::any(), |any, slot| {
        let this = Condition::all()
            .add(idempotency_key::Column::Caller.eq(slot.caller.as_str()))
            .add(idempotency_key::Column::Route.eq(slot.route.as_str()))
            .add(idempotency_key::Column::Key.eq(slot.key.as_str()));
        any.add(this)
    });
    let rows = idempotency_key::Entity::find().filter(any).all(db).await?;
    let answers = rows.into_iter().map(|row| {
        let outcome = from_json("idempotent answer", &row.outcome)?;
        let key = Key(row.caller, row.route, row.key);
        Ok((key, PriorAnswer { outcome, fingerprint: row.fingerprint }))
    });
    answers.collect()
}

/// The version of a channel, whose row is locked until the transaction ends.
pub(crate) async fn locked_version(
    db: &impl ConnectionTrait,
    id: &ChannelId,
) -> Result<Option<u64>, DatabaseError> {
    let version: Option<i64> = channel::Entity::find_by_id(id.as_str())
        .select_only()
        .column(channel::Column::Version)
        .lock_exclusive()
        .into_tuple()
        .one(db)
        .await?;
    version.map(|version| convert::from_column("version", version)).transpose()
}

#[derive(Debug, FromQueryResult)]
struct Viewed {
    #[sea_orm(nested)]
    channel: channel::Model,
    seats: Option<String>,
    /// The user, where they are a member.
    member: Option<String>,
}

/// The channel as one user comes to it.
pub(crate) async fn view(
    db: &impl ConnectionTrait,
    id: &ChannelId,
    user: &UserId,
) -> Result<Option<ChannelView>, DatabaseError> {
    let own = Query::select()
        .column(member::Column::UserId)
        .from(member::Entity)
        .and_where(member::Column::ChannelId.eq(id.as_str()))
        .and_where(member::Column::UserId.eq(user.as_str()))
        .take();
    let viewed = channel::Entity::find_by_id(id.as_str())
        .expr_as(seats(), "seats")
        .expr_as(SimpleExpr::from(own), "member")
        .into_model::<Viewed>()
        .one(db)
        .await?;
    viewed
        .map(|Viewed { channel, seats, member }| {
            let (channel, turn) = convert::channel(channel, seats.as_deref())?;
            Ok(ChannelView { channel, turn, is_member: member.is_some() })
        })
        .transpose()
}

/// Public channels and the user's own, by creation.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    user: &UserId,
) -> Result<Vec<ChannelSummary>, DatabaseError> {
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
        .order_by_asc(channel::Column::Id);
    let rows = seated(rows).all(db).await?;
    summaries(db, rows, user).await
}

/// One channel as a list would show it.
pub(crate) async fn summary(
    db: &impl ConnectionTrait,
    id: &ChannelId,
    user: &UserId,
) -> Result<Option<ChannelSummary>, DatabaseError> {
    let row = seated(channel::Entity::find_by_id(id.as_str())).one(db).await?;
    Ok(summaries(db, row.into_iter().collect(), user).await?.pop())
}

/// How many values one statement may list: databases have limits, the lowest is 32,766.
const LISTED: usize = 1_000;

/// Three queries for however many channels, or a few more for thousands.
async fn summaries(
    db: &impl ConnectionTrait,
    rows: Vec<Seated>,
    user: &UserId,
) -> Result<Vec<ChannelSummary>, DatabaseError> {
    let ids: Vec<String> = rows.iter().map(|seated| seated.row.id.clone()).collect();
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
    let own: HashSet<String> = own.into_iter().collect();
    rows.into_iter()
        .map(|seated| {
            let id = &seated.row.id;
            let members = counts.get(id).copied().unwrap_or_default();
            let marker = convert::seq(markers.get(id).copied().unwrap_or_default())?;
            let is_member = own.contains(id);
            let (channel, turn) = seated.read()?;
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
pub(crate) async fn due_turns(
    db: &impl ConnectionTrait,
    now: Timestamp,
) -> Result<Vec<ChannelId>, DatabaseError> {
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
