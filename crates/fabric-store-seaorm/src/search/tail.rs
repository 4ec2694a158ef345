//! The tail: messages that are stored, and whose words are not in the index yet (docs/adr/0007).
//!
//! The transaction that stores a message only notes it ([`note`]). The words follow in transactions of their own
//! ([`upcoming`], [`index`]); until then a search looks at the texts of the tail (`scan.rs`). A message gets its number
//! when it is noted, and keeps it in the index. So the order of what is found does not depend on when it is indexed.

use std::collections::HashMap;
use std::sync::Arc;

use migration::{SearchDocument, SearchSource};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use tokio::task::spawn_blocking;

use super::full_text::{FullText, padded, placeholders};
use super::sql::Sql;
use crate::error::DatabaseError;

/// The most messages of one batch, and the most bytes of their texts, unless one alone has more: a transaction of
/// `SQLite` holds up all writers.
const BATCH: usize = 256;
const BATCH_BYTES: u64 = 256 << 10;

/// Messages of the tail, the oldest first, and their words.
pub(crate) type Batch = Arc<[Prepared]>;

/// A message of the tail as it was read, and the words of it. They are taken before the transaction that writes them:
/// that takes longer than writing, and on `SQLite` nobody else could write meanwhile.
pub(crate) struct Prepared {
    number: i64,
    id: String,
    /// None where there is no such message.
    words: Option<(SearchSource, SearchDocument)>,
}

/// On `SQLite`, the number of the next message. When the tail is empty, `SQLite` itself would begin anew with 1.
pub(crate) const NEXT_NUMBER: &str = "1 + MAX(IFNULL((SELECT MAX(number) FROM search_tail), 0), \
                                      IFNULL((SELECT MAX(number) FROM search_documents), 0))";

/// Notes messages that are stored in the same transaction, of which each [can be found], in the order of storing. They
/// are found from its commit on. Not for `SQLite`, where they are rows of the batch's one statement.
///
/// [can be found]: fabric_domain::rules::search::is_findable
pub(crate) fn note<'a>(
    backend: DbBackend,
    messages: impl IntoIterator<Item = &'a str, IntoIter: ExactSizeIterator>,
) -> Option<Statement> {
    let messages = messages.into_iter();
    let more = messages.len().checked_sub(1)?;
    let text = format!("INSERT INTO search_tail (message_id) VALUES (?){}", ", (?)".repeat(more));
    Some(Sql::new(text, messages.map(Into::into)).into_statement(backend))
}

/// How many messages are in the tail.
pub(crate) async fn len(db: &impl ConnectionTrait) -> Result<usize, DatabaseError> {
    let count =
        Statement::from_string(db.get_database_backend(), "SELECT COUNT(*) AS count FROM search_tail");
    let count = db.query_one_raw(count).await?.map(|row| row.try_get::<i64>("", "count")).transpose()?;
    Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
}

/// All messages of the tail by their numbers, the oldest first.
pub(crate) async fn tail(db: &impl ConnectionTrait) -> Result<Vec<(i64, String)>, DatabaseError> {
    numbered(db, Sql::new("SELECT number, message_id FROM search_tail ORDER BY number", [])).await
}

/// The next messages to be indexed, at most so many; none when the tail is empty.
///
/// Batches have few different lengths, since each length is a statement to prepare.
pub(crate) async fn upcoming(db: &impl ConnectionTrait, most: usize) -> Result<Batch, DatabaseError> {
    let limit = i64::try_from(most.min(BATCH)).unwrap_or_default();
    let oldest =
        Sql::new("SELECT number, message_id FROM search_tail ORDER BY number LIMIT ?", [limit.into()]);
    let mut numbered = numbered(db, oldest).await?;
    if numbered.is_empty() {
        return Ok(Batch::default());
    }
    let bytes = migration::length_of_content(db.get_database_backend());
    let ids = padded(numbered.iter().map(|(_, id)| id.as_str()));
    let text = format!("SELECT id, {bytes} AS bytes FROM messages WHERE id IN ({})", placeholders(ids.len()));
    let lengths = lengths(db, Sql::new(text, ids.into_iter().map(Into::into))).await?;
    let lengths = numbered.iter().map(|(_, id)| lengths.get(id).copied().unwrap_or_default());
    let fits = fitting(lengths, BATCH_BYTES);
    numbered.truncate(fits.checked_ilog2().map_or(0, |log| 1 << log));
    let sources = sources(db, &numbered, "").await?;
    // Not among the tasks of a server's worker.
    let prepared = spawn_blocking(move || prepare(numbered, sources)).await;
    prepared.map_err(|_| DatabaseError::Inconsistent("taking words has panicked".to_owned()))
}

fn prepare(numbered: Vec<(i64, String)>, mut sources: HashMap<String, SearchSource>) -> Batch {
    let prepared = numbered.into_iter().map(|(number, id)| {
        let words = sources.remove(&id).map(|source| {
            let document = source.document(number);
            (source, document)
        });
        Prepared { number, id, words }
    });
    prepared.collect()
}

/// Puts a batch into the index, within a transaction that writes. What another process has indexed meanwhile is left
/// out, and what was edited or deleted since its words were taken stays in the tail. Fails with a conflict when another
/// transaction edits one of the messages, or indexes them.
///
/// Their rows are locked before they are read. Whoever edits a message changes its row first, and after that takes it
/// out of the index (`rewritten`). So either the editor waits for this transaction and finds the message in the index,
/// or this one reads the text as edited.
pub(crate) async fn index(db: &impl ConnectionTrait, batch: &[Prepared]) -> Result<(), DatabaseError> {
    let backend = db.get_database_backend();
    // Without waiting, so that nobody ever waits in a circle for an indexer: the batch is tried again.
    let lock = if backend == DbBackend::Sqlite { "" } else { " FOR UPDATE NOWAIT" };
    let words: HashMap<&str, Option<&(SearchSource, SearchDocument)>> =
        batch.iter().map(|prepared| (prepared.id.as_str(), prepared.words.as_ref())).collect();
    let numbers = batch.iter().map(|prepared| prepared.number.into());
    let these = placeholders(batch.len());
    let text =
        format!("SELECT number, message_id FROM search_tail WHERE number IN ({these}) ORDER BY number{lock}");
    let mut numbered = numbered(db, Sql::new(text, numbers)).await?;
    if numbered.is_empty() {
        return Ok(());
    }
    let sources = sources(db, &numbered, lock).await?;
    let words_of = |id: &str| words.get(id).copied().flatten();
    numbered.retain(|(_, id)| sources.get(id) == words_of(id).map(|(source, _)| source));
    if numbered.is_empty() {
        return Ok(());
    }
    let done = format!("DELETE FROM search_tail WHERE number IN ({})", placeholders(numbered.len()));
    let done = Sql::new(done, numbered.iter().map(|(number, _)| (*number).into()));
    migration::free_numbers(db, &mut numbered).await?;
    let documents = numbered.iter().filter_map(|(number, id)| {
        let (_, document) = words_of(id)?;
        Some(SearchDocument { number: *number, ..document.clone() })
    });
    let mut documents: Vec<SearchDocument> = documents.collect();
    // An index of words is written faster in the order of its rows.
    documents.sort_unstable_by_key(|document| document.number);
    migration::insert_search_documents(db, &documents).await?;
    db.execute_raw(done.into_statement(backend)).await?;
    Ok(())
}

/// What the words of these messages are taken from, by their ids.
async fn sources(
    db: &impl ConnectionTrait,
    numbered: &[(i64, String)],
    lock: &str,
) -> Result<HashMap<String, SearchSource>, DatabaseError> {
    let text = format!(
        "SELECT id, channel_id, author, content, deleted_at FROM messages WHERE id IN ({}){lock}",
        placeholders(numbered.len())
    );
    let texts = Sql::new(text, numbered.iter().map(|(_, id)| id.as_str().into()));
    let rows = db.query_all_raw(texts.into_statement(db.get_database_backend())).await?;
    let sources = rows.iter().map(SearchSource::of);
    Ok(sources
        .map(|source| source.map(|source| (source.message_id().to_owned(), source)))
        .collect::<Result<_, DbErr>>()?)
}

/// Moves a message out of the index into the tail, where it keeps its number: its text has changed, and whoever writes
/// takes no words. Does nothing when it is in the tail.
pub(super) fn put_back(full_text: &dyn FullText, message: &Value) -> Vec<Sql> {
    // Only an earlier version, which knows no tail, gives its messages numbers of it. Then this one gets another.
    let taken = "SELECT 1 FROM search_tail WHERE search_tail.number = search_documents.number";
    let same = format!(
        "INSERT INTO search_tail (number, message_id) SELECT number, message_id FROM search_documents \
         WHERE message_id = ? AND NOT EXISTS ({taken})"
    );
    let another = format!(
        "INSERT INTO search_tail (message_id) SELECT message_id FROM search_documents \
         WHERE message_id = ? AND EXISTS ({taken} AND search_tail.message_id <> search_documents.message_id)"
    );
    let mut moved = vec![Sql::new(same, [message.clone()]), Sql::new(another, [message.clone()])];
    moved.extend(full_text.remove(message.clone()));
    moved
}

/// Numbers and ids of messages, in the order of the statement.
pub(super) async fn numbered(
    db: &impl ConnectionTrait,
    sql: Sql,
) -> Result<Vec<(i64, String)>, DatabaseError> {
    let rows = db.query_all_raw(sql.into_statement(db.get_database_backend())).await?;
    let found = rows.iter().map(|row| Ok((row.try_get("", "number")?, row.try_get("", "message_id")?)));
    Ok(found.collect::<Result<_, DbErr>>()?)
}

/// The lengths of texts by the ids of their messages, which the statement selects as `bytes` and `id`.
pub(super) async fn lengths(
    db: &impl ConnectionTrait,
    sql: Sql,
) -> Result<HashMap<String, u64>, DatabaseError> {
    let rows = db.query_all_raw(sql.into_statement(db.get_database_backend())).await?;
    let length = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
    let lengths = rows.iter().map(|row| Ok((row.try_get("", "id")?, length(row.try_get("", "bytes")?))));
    Ok(lengths.collect::<Result<_, DbErr>>()?)
}

/// How many texts of these lengths are no longer than `most` together: at least one, if there is any.
pub(super) fn fitting(lengths: impl IntoIterator<Item = u64>, most: u64) -> usize {
    let mut sum = 0_u64;
    let fits = lengths.into_iter().enumerate().take_while(|(place, length)| {
        sum = sum.saturating_add(*length);
        *place == 0 || sum <= most
    });
    fits.count()
}
