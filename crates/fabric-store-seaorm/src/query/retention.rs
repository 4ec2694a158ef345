//! Which texts of deleted messages are to be erased.
//!
//! Each text carries the time of its message's deletion, so that an index finds those that are due, however many
//! messages were ever deleted.

use fabric_domain::model::Timestamp;
use fabric_domain::ports::ERASED_AT_ONCE;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::error::DatabaseError;
use crate::schema::entity::revision;

/// Which text: its message, and its number among that message's texts.
pub(crate) type Text = (String, i64);

/// The texts of the earliest deletions no later than `until`, [`ERASED_AT_ONCE`] at most.
pub(crate) async fn due(db: &impl ConnectionTrait, until: Timestamp) -> Result<Vec<Text>, DatabaseError> {
    let texts = revision::Entity::find()
        .select_only()
        .column(revision::Column::MessageId)
        .column(revision::Column::Number)
        .filter(revision::Column::DeletedAt.lte(until.0))
        .order_by_asc(revision::Column::DeletedAt)
        .limit(ERASED_AT_ONCE as u64)
        .into_tuple()
        .all(db)
        .await?;
    Ok(texts)
}
