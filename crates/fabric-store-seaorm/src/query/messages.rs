//! Messages with their attachments, and their former texts.

use std::collections::HashMap;

use fabric_domain::model::{Attachment, ChannelId, Message, MessageId, Revision};
use fabric_domain::ports::{SeqRange, fitting};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, Order, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::error::DatabaseError;
use crate::schema::convert::{self, to_attachment, to_column};
use crate::schema::entity::{attachment, message, revision};

/// One message of a channel.
pub(crate) async fn one(
    db: &impl ConnectionTrait,
    channel: &ChannelId,
    id: &MessageId,
) -> Result<Option<Message>, DatabaseError> {
    let row = message::Entity::find_by_id(id.as_str())
        .filter(message::Column::ChannelId.eq(channel.as_str()))
        .one(db)
        .await?;
    Ok(with_attachments(db, row.into_iter().collect()).await?.pop())
}

/// A page, ascending by seq. It ends early when its texts are long ([`fitting`]).
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    channel: &ChannelId,
    range: SeqRange,
    limit: u32,
) -> Result<Vec<Message>, DatabaseError> {
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
    // Their lengths first: a page of long texts would not fit into memory.
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
    with_attachments(db, rows).await
}

/// Former texts of a message, oldest first.
pub(crate) async fn revisions(
    db: &impl ConnectionTrait,
    id: &MessageId,
) -> Result<Vec<Revision>, DatabaseError> {
    let rows = revision::Entity::find()
        .filter(revision::Column::MessageId.eq(id.as_str()))
        .order_by_asc(revision::Column::Number)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(convert::revision).collect())
}

/// The number of a message's next former text. Some may have been erased, so it is not their count.
pub(crate) async fn next_revision(db: &impl ConnectionTrait, id: &MessageId) -> Result<u64, DatabaseError> {
    let last: Option<Option<i64>> = revision::Entity::find()
        .select_only()
        .column_as(revision::Column::Number.max(), "last")
        .filter(revision::Column::MessageId.eq(id.as_str()))
        .into_tuple()
        .one(db)
        .await?;
    last.flatten().map_or(Ok(0), |last| Ok(convert::from_column("number", last)? + 1))
}

/// The messages of these rows, each with its attachments.
pub(crate) async fn with_attachments(
    db: &impl ConnectionTrait,
    rows: Vec<message::Model>,
) -> Result<Vec<Message>, DatabaseError> {
    let ids = rows.iter().filter(|row| row.deleted_at.is_none()).map(|row| row.id.as_str());
    let ids: Vec<&str> = ids.collect();
    let mut kept: HashMap<String, Vec<Attachment>> = HashMap::new();
    if !ids.is_empty() {
        let attached = attachment::Entity::find()
            .filter(attachment::Column::MessageId.is_in(ids))
            .order_by_asc(attachment::Column::MessageId)
            .order_by_asc(attachment::Column::Position)
            .all(db)
            .await?;
        for row in attached {
            let (message, _, _, attachment) = to_attachment(row)?;
            kept.entry(message.into()).or_default().push(attachment);
        }
    }
    let message = |row: message::Model| {
        let attachments = kept.remove(&row.id).unwrap_or_default();
        Ok(Message { attachments, ..convert::message(row)? })
    };
    rows.into_iter().map(message).collect()
}
