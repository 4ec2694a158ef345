//! Wakes that a member has missed (spec/2 section 8).

use fabric_domain::model::{ChannelId, MissedWake, PendingWake, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::error::DatabaseError;
use crate::schema::convert::{self, from_json, to_column};
use crate::schema::entity::{member, message, owed_wake};

/// The most wakes of a channel that are sent again, the newest ones: a member who was away from a very busy channel
/// for days need not be woken by each of a million messages.
const MOST: u64 = 10_000;

/// What a member has missed, ascending by seq.
pub(crate) async fn missed(
    db: &impl ConnectionTrait,
    channel: &ChannelId,
    user: &UserId,
) -> Result<Vec<MissedWake>, DatabaseError> {
    let key = (channel.as_str().to_owned(), user.as_str().to_owned());
    let Some(member) = member::Entity::find_by_id(key).one(db).await? else { return Ok(Vec::new()) };
    let rows = owed_wake::Entity::find()
        .filter(owed_wake::Column::ChannelId.eq(channel.as_str()))
        .filter(owed_wake::Column::Seq.gt(member.settled_seq))
        .order_by_desc(owed_wake::Column::Seq)
        .limit(MOST)
        .all(db)
        .await?;
    let mut wakes = Vec::new();
    for row in rows.into_iter().rev() {
        let pending: PendingWake = from_json("owed wakes", &row.owed)?;
        if let Some(reason) = pending.reason_for(user) {
            wakes.push(MissedWake { seq: convert::seq(row.seq)?, reason, hop: pending.hop });
        }
    }
    // A member who has written since has seen what was before.
    if let Some(first) = wakes.first() {
        let own: Option<Option<i64>> = message::Entity::find()
            .select_only()
            .column_as(message::Column::Seq.max(), "newest")
            .filter(message::Column::ChannelId.eq(channel.as_str()))
            .filter(message::Column::Seq.gt(to_column(first.seq.0)))
            .filter(message::Column::Author.eq(user.as_str()))
            .into_tuple()
            .one(db)
            .await?;
        if let Some(newest) = own.flatten() {
            let newest = convert::seq(newest)?;
            wakes.retain(|wake| wake.seq > newest);
        }
    }
    Ok(wakes)
}
