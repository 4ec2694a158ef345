//! Rows of the index for searching, many at once: what a migration finds there, and what is copied from elsewhere.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::m20261120_000003_search::{SearchDocuments, WORDS_INDEX};

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

/// Takes away what makes inserting many rows slow, until [`complete_search_index`]: keeping `PostgreSQL`'s index
/// up to date at each row takes several times as long as making it at the end.
pub async fn suspend_search_index(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_unprepared(&format!("DROP INDEX IF EXISTS {WORDS_INDEX}")).await?;
    }
    Ok(())
}

/// After rows with numbers of their own: makes the index over the words where it is not there, and has the next
/// message numbered after the last one. The other databases see to both themselves.
pub async fn complete_search_index(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let index = format!("CREATE INDEX IF NOT EXISTS {WORDS_INDEX} ON search_documents USING gin (words)");
    db.execute_unprepared(&index).await?;
    db.execute_unprepared(
        "SELECT setval(pg_get_serial_sequence('search_documents', 'number'), COALESCE(MAX(number), 1), \
         MAX(number) IS NOT NULL) FROM search_documents",
    )
    .await?;
    Ok(())
}
