//! Searching in the tail: its texts are looked at one by one, by the same rules by which they will be indexed.

use std::collections::{BTreeMap, HashSet};

use fabric_domain::rules::search::document;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::full_text::{Find, joined, padded, placeholders};
use super::sql::Sql;
use super::tail::{fitting, lengths, numbered};
use crate::error::DatabaseError;
use crate::schema::convert;
use crate::schema::entity::message;

/// The most messages that are asked for at once, and the most bytes of texts that are in memory, unless one alone has
/// more.
const PAGE: usize = 512;
const TEXTS: u64 = 1 << 20;

/// The newest messages of the tail that are to be found, by their numbers; perhaps more than were asked for.
pub(super) async fn find_in_tail(
    db: &impl ConnectionTrait,
    find: &Find<'_>,
) -> Result<BTreeMap<i64, String>, DatabaseError> {
    let limit = usize::try_from(find.search.limit).unwrap_or(usize::MAX);
    let (mut found, mut before) = (BTreeMap::new(), find.before);
    loop {
        let text = format!(
            "SELECT number, message_id FROM search_tail WHERE number < ? ORDER BY number DESC LIMIT {PAGE}"
        );
        let page = numbered(db, Sql::new(text, [before.into()])).await?;
        let Some((oldest, _)) = page.last() else { return Ok(found) };
        before = *oldest;
        let lengths = lengths(db, readable(db, find, &page)).await?;
        let readable: Vec<(&(i64, String), u64)> =
            page.iter().filter_map(|one| Some((one, *lengths.get(&one.1)?))).collect();
        let mut rest = readable.as_slice();
        while !rest.is_empty() && found.len() < limit {
            let (now, older) = rest.split_at(fitting(rest.iter().map(|(_, bytes)| *bytes), TEXTS));
            found.extend(matching(db, find, now.iter().map(|(one, _)| *one)).await?);
            rest = older;
        }
        if found.len() >= limit || page.len() < PAGE {
            return Ok(found);
        }
    }
}

/// Asks which of these messages who searches may read and asked for, and how long their texts are.
fn readable(db: &impl ConnectionTrait, find: &Find<'_>, page: &[(i64, String)]) -> Sql {
    let ids = padded(page.iter().map(|(_, id)| id.as_str()));
    let text = format!(
        "SELECT messages.id AS id, {} AS bytes FROM messages {} WHERE messages.deleted_at IS NULL \
         AND messages.id IN ({})",
        migration::length_of_content(db.get_database_backend()),
        joined("messages"),
        placeholders(ids.len()),
    );
    let mut sql = Sql::new(text, [find.user()]);
    sql.push("", ids.into_iter().map(Into::into));
    find.restrict(&mut sql);
    sql
}

/// Those of these messages that the query finds.
async fn matching(
    db: &impl ConnectionTrait,
    find: &Find<'_>,
    messages: impl ExactSizeIterator<Item = &(i64, String)> + Clone,
) -> Result<BTreeMap<i64, String>, DatabaseError> {
    let ids = padded(messages.clone().map(|(_, id)| id.as_str()));
    let rows = message::Entity::find().filter(message::Column::Id.is_in(ids)).all(db).await?;
    let mut found = HashSet::new();
    for row in rows {
        let message = convert::message(row)?;
        if document(&message).is_some_and(|document| find.search.query.finds(&document)) {
            found.insert(String::from(message.id));
        }
    }
    // Words of many texts take their time, and this is a task among others.
    tokio::task::yield_now().await;
    Ok(messages.filter(|(_, id)| found.contains(id)).cloned().collect())
}
