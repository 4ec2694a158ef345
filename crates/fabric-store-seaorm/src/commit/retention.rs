//! Texts of deleted messages: hidden at once, erased later.

use fabric_domain::model::{MessageId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::error::DatabaseError;
use crate::query::retention::Text;
use crate::schema::entity::revision;

/// Marks a message's former texts as those of a deleted message.
pub(crate) async fn note_deletion(
    db: &impl ConnectionTrait,
    message: &MessageId,
    at: Timestamp,
) -> Result<(), DatabaseError> {
    revision::Entity::update_many()
        .col_expr(revision::Column::DeletedAt, Expr::value(at.0))
        .filter(revision::Column::MessageId.eq(message.as_str()))
        .exec(db)
        .await?;
    Ok(())
}

/// Erases texts. A deletion is never taken back, so what was due stays due.
pub(crate) async fn erase(db: &impl ConnectionTrait, texts: &[Text]) -> Result<(), DatabaseError> {
    for text in texts {
        revision::Entity::delete_by_id(text.clone()).exec(db).await?;
    }
    Ok(())
}
