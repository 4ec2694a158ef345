//! The words of messages (`fabric_domain::rules::search`) in each database's own full-text index.
//!
//! Every message that can be found has a row in `search_documents`, whose number says where it stands among all.
//! On `MySQL` and `PostgreSQL` its words are a column of it; on `SQLite` they are in the table `search_words`, by
//! that number. A message that is new or edited has a row in `search_tail` instead, until its words are there: `tail.rs`
//! says how they get there, and `scan.rs` finds it meanwhile.
//!
//! What differs between the databases is a [`FullText`] each: `sqlite.rs`, `postgres.rs`, `innodb.rs`. What does not
//! is here.

mod full_text;
mod innodb;
mod postgres;
mod scan;
mod sql;
mod sqlite;
mod tail;

use std::collections::{BTreeMap, HashMap};

use fabric_domain::model::{ChannelId, Message, MessageId};
use fabric_domain::ports::{Reader, Search};
use fabric_domain::rules::search::{Token, channel_token, is_findable};
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QuerySelect, Value,
};

use self::full_text::{Find, FullText};
use self::innodb::InnodbText;
use self::postgres::PostgresText;
use self::scan::find_in_tail;
use self::sql::Sql;
use self::sqlite::SqliteFts;
pub(crate) use self::tail::{Batch, NEXT_NUMBER, index, len, note, tail, upcoming};
use self::tail::{numbered, put_back};
use crate::error::DatabaseError;
use crate::query::messages::with_attachments;
use crate::schema::entity::{channel, member, message};

/// Channels that are named to the index, so that it finds a common word in a few of many channels quickly.
/// Whoever reads more is told apart only when the rows are there.
const NAMED_CHANNELS: u64 = 256;

/// The index of this database.
fn full_text(db: &impl ConnectionTrait) -> &'static dyn FullText {
    index_of(db.get_database_backend())
}

fn index_of(backend: DbBackend) -> &'static dyn FullText {
    match backend {
        DbBackend::Sqlite => &SqliteFts,
        DbBackend::Postgres => &PostgresText,
        _ => &InnodbText,
    }
}

async fn run(db: &impl ConnectionTrait, sql: Sql) -> Result<(), DatabaseError> {
    db.execute_raw(sql.into_statement(db.get_database_backend())).await?;
    Ok(())
}

/// After the row of an edited or deleted message was changed in the same transaction: has it found by no former text.
/// An edited one is in the tail from then on; a deleted one is not found at all, and keeps its number.
pub(crate) async fn rewritten(db: &impl ConnectionTrait, message: &Message) -> Result<(), DatabaseError> {
    if !is_findable(message) {
        return Ok(());
    }
    let (full_text, id) = (full_text(db), Value::from(message.id.as_str()));
    let is_deleted = message.deleted_at.is_some();
    for sql in if is_deleted { full_text.empty(id) } else { put_back(full_text, &id) } {
        run(db, sql).await?;
    }
    Ok(())
}

/// Empties the index and its tail.
pub(crate) async fn clear(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    for statement in full_text(db).clear().iter().chain(&["DELETE FROM search_tail"]) {
        db.execute_unprepared(statement).await?;
    }
    Ok(())
}

/// The newest messages that the query finds; `None` when there is no message `before`, or none that can be found.
pub(crate) async fn search(
    db: &impl ConnectionTrait,
    search: &Search,
) -> Result<Option<Vec<Message>>, DatabaseError> {
    let before = match &search.before {
        Some(id) => match number(db, id).await? {
            Some(number) => Some(number),
            None => return Ok(None),
        },
        None => None,
    };
    let full_text = full_text(db);
    let channels = match &search.channel {
        Some(channel) => Some(vec![channel_token(channel)]),
        None => named_channels(db, full_text, &search.reader).await?,
    };
    if channels.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Some(Vec::new()));
    }
    let find = Find::new(full_text, search, channels.as_deref(), before);
    let oldest = match full_text.oldest_of_newest(&find) {
        Some(sql) => first_number(db, sql).await?.flatten(),
        None => None,
    };
    let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
    // By their numbers, of which the greatest are wanted.
    let mut found = BTreeMap::new();
    if let Some(sql) = full_text.find_in_newest(&find, oldest) {
        found = ids(db, find.complete(full_text, sql)).await?;
    }
    if found.len() < limit {
        // Beside what is there already: while InnoDB writes its cache of new words down, which takes it a second or
        // two after some megabytes, nothing in there is found.
        found.extend(ids(db, find.complete(full_text, full_text.find_by_index(&find))).await?);
    }
    // By their numbers too: a message that was numbered first may have been committed, and so indexed, last.
    found.extend(find_in_tail(db, &find).await?);
    if found.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let ids: Vec<String> = found.into_values().rev().take(limit).collect();
    let rows = message::Entity::find().filter(message::Column::Id.is_in(&ids)).all(db).await?;
    let messages = with_attachments(db, rows).await?;
    let mut messages: HashMap<String, Message> =
        messages.into_iter().map(|message| (message.id.as_str().to_owned(), message)).collect();
    Ok(Some(ids.iter().filter_map(|id| messages.remove(id)).collect()))
}

/// The ids of messages by their numbers.
async fn ids(db: &impl ConnectionTrait, sql: Sql) -> Result<BTreeMap<i64, String>, DatabaseError> {
    Ok(numbered(db, sql).await?.into_iter().collect())
}

/// The number in the first row, where there is one.
async fn first_number(db: &impl ConnectionTrait, sql: Sql) -> Result<Option<Option<i64>>, DatabaseError> {
    let row = db.query_one_raw(sql.into_statement(db.get_database_backend())).await?;
    Ok(row.map(|row| row.try_get("", "number")).transpose()?)
}

/// Where a message stands among all, deleted or not.
async fn number(db: &impl ConnectionTrait, id: &MessageId) -> Result<Option<i64>, DatabaseError> {
    let indexed = Sql::new("SELECT number FROM search_documents WHERE message_id = ?", [id.as_str().into()]);
    if let Some(number) = first_number(db, indexed).await?.flatten() {
        return Ok(Some(number));
    }
    // The tail has no index by message, for which every writer would pay; and it is short.
    let in_tail = Sql::new("SELECT number FROM search_tail WHERE message_id = ?", [id.as_str().into()]);
    Ok(first_number(db, in_tail).await?.flatten())
}

/// The channels that somebody reads, where they are few enough to be named to the index; `None` where they are not.
async fn named_channels(
    db: &impl ConnectionTrait,
    full_text: &dyn FullText,
    reader: &Reader,
) -> Result<Option<Vec<Token>>, DatabaseError> {
    let own = Query::select()
        .column(member::Column::ChannelId)
        .from(member::Entity)
        .and_where(member::Column::UserId.eq(reader.user.as_str()))
        .take();
    let mut may_read =
        Condition::any().add(channel::Column::IsPublic.eq(true)).add(channel::Column::Id.in_subquery(own));
    if reader.reads_triage {
        may_read = may_read.add(channel::Column::XType.eq("triage"));
    }
    let channels: Vec<(String, i64)> = channel::Entity::find()
        .select_only()
        .columns([channel::Column::Id, channel::Column::LastSeq])
        .filter(may_read)
        .limit(NAMED_CHANNELS + 1)
        .into_tuple()
        .all(db)
        .await?;
    let messages = channels.iter().fold(0_i64, |sum, (_, last_seq)| sum.saturating_add(*last_seq));
    if channels.len() as u64 > NAMED_CHANNELS || messages > full_text.most_messages_named() {
        return Ok(None);
    }
    Ok(Some(channels.into_iter().map(|(id, _)| channel_token(&ChannelId::from(id))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_written_in_the_language_of_each_index() {
        let token = |text: &str, is_prefix| Token { text: text.to_owned(), is_prefix };
        let condition = |full_text: &dyn FullText| {
            let either = full_text.any(&[token("word", false), token("wo", true)]);
            full_text.every(&[either, full_text.any(&[token("other", false)])])
        };
        assert_eq!(condition(&SqliteFts), "(word OR wo*) AND other");
        assert_eq!(condition(&PostgresText), "(word | wo:*) & other");
        assert_eq!(condition(&InnodbText), "+(word wo*) +other ");
    }
}
