//! Rows of the index for searching, many at once: what a migration finds there, and what is copied from elsewhere.

use std::collections::{HashMap, HashSet};

use fabric_domain::rules::search::tokens;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};

#[derive(DeriveIden)]
pub(crate) enum SearchDocuments {
    Table,
    Number,
    MessageId,
    ChannelId,
    Author,
    Words,
}

/// Messages that are not in the index yet.
#[derive(DeriveIden)]
pub(crate) enum SearchTail {
    Table,
    Number,
    MessageId,
}

/// The index over the words, where they are a column.
pub(crate) const WORDS_INDEX: &str = "search_documents_words";

/// What a message is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchDocument {
    /// Where the message stands among all, in the order of storing; from 1.
    pub number: i64,
    /// Whose words they are.
    pub message_id: String,
    /// Where that message is.
    pub channel_id: String,
    /// Who wrote it.
    pub author: String,
    /// As `fabric_domain::rules::search` takes them from the message; none of a deleted one.
    pub words: String,
}

impl SearchDocument {
    /// Of a row of `messages`, as [`SearchSource`] wants it.
    pub(crate) fn of(row: &QueryResult, number: i64) -> Result<Self, DbErr> {
        Ok(SearchSource::of(row)?.document(number))
    }
}

/// What the words of a message are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchSource {
    message_id: String,
    channel_id: String,
    author: String,
    /// None of a deleted one.
    content: Option<String>,
}

impl SearchSource {
    /// Of a row of `messages` with its `id`, `channel_id`, `author`, `content` and `deleted_at`.
    pub fn of(row: &QueryResult) -> Result<Self, DbErr> {
        let text = |column| row.try_get::<String>("", column);
        let deleted: Option<i64> = row.try_get("", "deleted_at")?;
        Ok(Self {
            message_id: text("id")?,
            channel_id: text("channel_id")?,
            author: text("author")?,
            content: if deleted.is_none() { Some(text("content")?) } else { None },
        })
    }

    /// Whose they are.
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// Takes the words, which takes up to half a second for a megabyte.
    pub fn document(&self, number: i64) -> SearchDocument {
        let Self { message_id, channel_id, author, content } = self.clone();
        let words =
            content.map(|content| tokens(&channel_id.as_str().into(), &author.as_str().into(), &content));
        SearchDocument { number, message_id, channel_id, author, words: words.unwrap_or_default() }
    }
}

/// The contents of messages whose words are taken at once have together no more bytes, or are one.
pub const CONTENT_AT_ONCE: usize = 4 << 20;

/// How long the content of a message is, in bytes, as a number of 64 bits.
pub fn length_of_content(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::MySql => "CAST(OCTET_LENGTH(content) AS SIGNED)",
        _ => "CAST(OCTET_LENGTH(content) AS BIGINT)",
    }
}

/// How many messages to take at a time, if their contents have these lengths.
pub(crate) fn shares(lengths: impl IntoIterator<Item = i64>) -> Vec<usize> {
    let (mut shares, mut bytes) = (Vec::<usize>::new(), 0);
    for length in lengths {
        let length = usize::try_from(length).unwrap_or_default();
        bytes += length;
        match shares.last_mut() {
            Some(share) if bytes <= CONTENT_AT_ONCE => *share += 1,
            _ => {
                shares.push(1);
                bytes = length;
            }
        }
    }
    shares
}

/// How many of these messages to ask [`search_documents`] for at a time.
pub async fn search_shares(
    db: &impl ConnectionTrait,
    numbered: &[(i64, String)],
) -> Result<Vec<usize>, DbErr> {
    let query = Query::select()
        .column("id")
        .expr_as(Expr::cust(length_of_content(db.get_database_backend())), "bytes")
        .from("messages")
        .and_where(Expr::col("id").is_in(numbered.iter().map(|(_, id)| id)))
        .take();
    let mut lengths = HashMap::with_capacity(numbered.len());
    for row in db.query_all(&query).await? {
        lengths.insert(row.try_get::<String>("", "id")?, row.try_get::<i64>("", "bytes")?);
    }
    Ok(shares(numbered.iter().map(|(_, id)| lengths.get(id).copied().unwrap_or_default())))
}

/// What messages are found by that have these numbers and ids, in the same order; or the first id of which there is no
/// message that can be found.
pub async fn search_documents(
    db: &impl ConnectionTrait,
    numbered: &[(i64, String)],
) -> Result<Result<Vec<SearchDocument>, String>, DbErr> {
    let query = Query::select()
        .columns(["id", "channel_id", "author", "content", "deleted_at"])
        .from("messages")
        .and_where(Expr::col("id").is_in(numbered.iter().map(|(_, id)| id)))
        .and_where(Expr::col("ack").is_null())
        .take();
    let rows = db.query_all(&query).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        found.insert(row.try_get::<String>("", "id")?, row);
    }
    let mut documents = Vec::with_capacity(numbered.len());
    for (number, id) in numbered {
        match found.get(id) {
            Some(row) => documents.push(SearchDocument::of(row, *number)?),
            None => return Ok(Err(id.clone())),
        }
    }
    Ok(Ok(documents))
}

#[derive(DeriveIden)]
enum SearchWords {
    Table,
    Rowid,
    Words,
}

/// Puts messages into the index in one statement, or two on `SQLite`; servers limit the length of one. Ends with
/// the error of the database where a number or message is there already.
pub async fn insert_search_documents(
    db: &impl ConnectionTrait,
    documents: &[SearchDocument],
) -> Result<(), DbErr> {
    if documents.is_empty() {
        return Ok(());
    }
    let backend = db.get_database_backend();
    let mut rows = Query::insert();
    let mut columns = vec![
        SearchDocuments::Number,
        SearchDocuments::MessageId,
        SearchDocuments::ChannelId,
        SearchDocuments::Author,
    ];
    if backend != DbBackend::Sqlite {
        columns.push(SearchDocuments::Words);
    }
    rows.into_table(SearchDocuments::Table).columns(columns);
    for document in documents {
        let SearchDocument { number, message_id, channel_id, author, words } = document;
        let words = match backend {
            DbBackend::Sqlite => None,
            DbBackend::Postgres => Some(Expr::value(words).cast_as("tsvector")),
            _ => Some(Expr::value(words)),
        };
        let ids = [message_id, channel_id, author].map(Expr::value);
        rows.values_panic([Expr::value(*number)].into_iter().chain(ids).chain(words));
    }
    db.execute(&rows).await?;
    if backend != DbBackend::Sqlite {
        return Ok(());
    }
    let mut words = Query::insert();
    words.into_table(SearchWords::Table).columns([SearchWords::Rowid, SearchWords::Words]);
    let with_words = documents.iter().filter(|document| !document.words.is_empty());
    for SearchDocument { number, words: text, .. } in with_words.clone() {
        words.values_panic([Expr::value(*number), Expr::value(text)]);
    }
    if with_words.count() > 0 {
        db.execute(&words).await?;
    }
    Ok(())
}

/// Replaces numbers that are in the index already by the next free ones. Only an earlier version takes numbers of the
/// tail, while this one replaces it: it knows of no tail, and numbers its messages after those in the index.
pub async fn free_numbers(db: &impl ConnectionTrait, numbered: &mut [(i64, String)]) -> Result<(), DbErr> {
    let taken = Query::select()
        .column(SearchDocuments::Number)
        .from(SearchDocuments::Table)
        .and_where(Expr::col(SearchDocuments::Number).is_in(numbered.iter().map(|(number, _)| *number)))
        .take();
    let taken = db.query_all(&taken).await?;
    if taken.is_empty() {
        return Ok(());
    }
    let taken = taken.iter().map(|row| row.try_get("", "number"));
    let taken = taken.collect::<Result<HashSet<i64>, DbErr>>()?;
    let highest = numbered.iter().map(|(number, _)| *number).max().unwrap_or_default();
    let free = Ord::max(highest, last_number(db).await?) + 1..;
    for ((number, _), free) in numbered.iter_mut().filter(|(number, _)| taken.contains(number)).zip(free) {
        *number = free;
    }
    Ok(())
}

/// The last number in the index; 0 when it is empty.
async fn last_number(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let last = Statement::from_string(
        db.get_database_backend(),
        "SELECT MAX(number) AS number FROM search_documents",
    );
    let last =
        db.query_one_raw(last).await?.map(|row| row.try_get::<Option<i64>>("", "number")).transpose()?;
    Ok(last.flatten().unwrap_or_default())
}

/// After rows with numbers of their own: has the next message of the tail numbered after the last one in the index,
/// as far as the database does not see to it itself.
pub async fn number_search_tail(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::MySql {
        let next = last_number(db).await? + 1;
        db.execute_unprepared(&format!("ALTER TABLE search_tail AUTO_INCREMENT = {next}")).await?;
    }
    Ok(())
}

/// Takes away what makes inserting many rows slow, until [`complete_search_index`]: keeping `PostgreSQL`'s index
/// up to date at each row takes several times as long as making it at the end.
pub async fn suspend_search_index(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_unprepared(&format!("DROP INDEX IF EXISTS {WORDS_INDEX}")).await?;
    }
    Ok(())
}

/// After many rows with numbers of their own: has the index over the words whole and in one piece, and the next message
/// numbered after the last one, as far as the database does not see to it itself.
pub async fn complete_search_index(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    match db.get_database_backend() {
        // Otherwise every message that is written later would have to merge a little of the many pieces.
        DbBackend::Sqlite => {
            db.execute_unprepared("INSERT INTO search_words (search_words) VALUES ('optimize')").await?;
        }
        DbBackend::Postgres => {
            db.execute_unprepared(&format!(
                "CREATE INDEX IF NOT EXISTS {WORDS_INDEX} ON search_documents USING gin (words)"
            ))
            .await?;
            db.execute_unprepared(
                "SELECT setval(pg_get_serial_sequence('search_documents', 'number'), \
                 COALESCE(MAX(number), 1), MAX(number) IS NOT NULL) FROM search_documents",
            )
            .await?;
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_content_is_taken_at_once_than_fits() {
        let most = <i64 as TryFrom<usize>>::try_from(CONTENT_AT_ONCE).unwrap();
        assert!(shares([]).is_empty());
        assert_eq!(shares([0; 512]), [512]);
        assert_eq!(shares([most / 512; 512]), [512]);
        assert_eq!(shares([1, most - 1, 1, most, 1, 2 * most, 3 * most, 0, 1]), [2, 1, 1, 1, 1, 1, 2]);
        assert_eq!(shares([1 << 20; 11]), [4, 4, 3]);
    }
}
