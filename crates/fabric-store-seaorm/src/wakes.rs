//! Wakes that are owed (spec/2 section 8): a row for each message that woke somebody, and for each member up to
//! which message they have got theirs.

use fabric_domain::model::{ChannelId, Seq, Timestamp, UserId, WakeDebt};
use fabric_domain::ports::{OwedWake, SettledWakes};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::convert::{self, from_json, to_column};
use crate::entity::{member, message, owed_wake};
use crate::fault::Fault;

/// So many debts of a channel are looked at, the newest ones: whoever was away from a very busy one for days need not
/// be woken by each of a million messages.
const DEBTS: u64 = 10_000;

/// Notes to whom a message's wake is owed.
pub(crate) async fn owe(
    db: &impl ConnectionTrait,
    channel: &ChannelId,
    seq: Seq,
    debt: &WakeDebt,
    now: Timestamp,
) -> Result<(), Fault> {
    let row = convert::owed_wake_row(channel, seq, debt, now)?;
    owed_wake::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// What a member is owed, ascending by seq.
pub(crate) async fn owed(
    db: &impl ConnectionTrait,
    channel: &ChannelId,
    user: &UserId,
) -> Result<Vec<OwedWake>, Fault> {
    let key = (channel.as_str().to_owned(), user.as_str().to_owned());
    let Some(member) = member::Entity::find_by_id(key).one(db).await? else { return Ok(Vec::new()) };
    let rows = owed_wake::Entity::find()
        .filter(owed_wake::Column::ChannelId.eq(channel.as_str()))
        .filter(owed_wake::Column::Seq.gt(member.settled_seq))
        .order_by_desc(owed_wake::Column::Seq)
        .limit(DEBTS)
        .all(db)
        .await?;
    let mut wakes = Vec::new();
    for row in rows.into_iter().rev() {
        let debt: WakeDebt = from_json("owed wakes", &row.owed)?;
        if let Some(reason) = debt.to(user) {
            wakes.push(OwedWake { seq: convert::seq(row.seq)?, reason, hop: debt.hop });
        }
    }
    // Whoever has written since needs no reminder of what was before.
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

/// Notes up to which message members have got their wakes; never back.
pub(crate) async fn settle(db: &impl ConnectionTrait, settled: &[SettledWakes]) -> Result<(), Fault> {
    for SettledWakes { channel, user, seq } in settled {
        let seq = to_column(seq.0);
        member::Entity::update_many()
            .col_expr(member::Column::SettledSeq, Expr::value(seq))
            .filter(member::Column::ChannelId.eq(channel.as_str()))
            .filter(member::Column::UserId.eq(user.as_str()))
            .filter(member::Column::SettledSeq.lt(seq))
            .exec(db)
            .await?;
    }
    Ok(())
}

/// Forgets debts that are too old to be worth a wake.
pub(crate) async fn sweep(db: &impl ConnectionTrait, before: Timestamp) -> Result<(), Fault> {
    owed_wake::Entity::delete_many().filter(owed_wake::Column::CreatedAt.lt(before.0)).exec(db).await?;
    Ok(())
}
