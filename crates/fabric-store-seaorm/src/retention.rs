//! Texts of deleted messages: kept out of sight, and then erased.
//!
//! Each text carries the time of its message's deletion, so that those whose time has come are found by an
//! index, however many messages were ever deleted.

use fabric_domain::model::{MessageId, Timestamp};
use fabric_domain::ports::ERASED_AT_ONCE;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::entity::revision;
use crate::fault::Fault;

/// Which text: its message, and its number among that message's texts.
pub(crate) type Text = (String, i64);

/// Notes on a message's texts that it was deleted.
pub(crate) async fn note_deletion(
    db: &impl ConnectionTrait,
    message: &MessageId,
    at: Timestamp,
) -> Result<(), Fault> {
    revision::Entity::update_many()
        .col_expr(revision::Column::DeletedAt, Expr::value(at.0))
        .filter(revision::Column::MessageId.eq(message.as_str()))
        .exec(db)
        .await?;
    Ok(())
}

/// The texts of the earliest deletions no later than `until`, [`ERASED_AT_ONCE`] at most.
pub(crate) async fn due(db: &impl ConnectionTrait, until: Timestamp) -> Result<Vec<Text>, Fault> {
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

/// Erases texts. A deletion is never taken back, so what was due stays due.
pub(crate) async fn erase(db: &impl ConnectionTrait, texts: &[Text]) -> Result<(), Fault> {
    for text in texts {
        revision::Entity::delete_by_id(text.clone()).exec(db).await?;
    }
    Ok(())
}
