//! Writes about owed wakes (spec/2 section 8): a row for each message that woke somebody, and for each member up to
//! which message they have received theirs.

use fabric_domain::model::{ChannelId, PendingWake, Seq, Timestamp};
use fabric_domain::ports::SettledWakes;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::error::DatabaseError;
use crate::schema::convert::{self, to_column};
use crate::schema::entity::{member, owed_wake};

/// Inserts to whom a message's wake is owed.
pub(crate) async fn owe(
    db: &impl ConnectionTrait,
    channel: &ChannelId,
    seq: Seq,
    pending: &PendingWake,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let row = convert::owed_wake_row(channel, seq, pending, now)?;
    owed_wake::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// Moves forward up to which message members have received their wakes.
pub(crate) async fn settle(db: &impl ConnectionTrait, settled: &[SettledWakes]) -> Result<(), DatabaseError> {
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

/// Deletes pending wakes from before this moment.
pub(crate) async fn sweep(db: &impl ConnectionTrait, before: Timestamp) -> Result<(), DatabaseError> {
    owed_wake::Entity::delete_many().filter(owed_wake::Column::CreatedAt.lt(before.0)).exec(db).await?;
    Ok(())
}
