//! Writes about owed wakes (spec/2 section 8): a row for each message that woke somebody, and for each member up to
//! which message they have received theirs.

use fabric_domain::model::Timestamp;
use fabric_domain::ports::SettledWakes;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::error::DatabaseError;
use crate::schema::convert::to_column;
use crate::schema::entity::{member, owed_wake};

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
