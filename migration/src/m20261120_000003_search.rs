//! The words of messages, to search for (spec/3 section 8).
//!
//! What a message is found by is decided in `fabric_domain::rules::search`; the databases only keep it, in their
//! own full-text index. Messages that are there already are put into it, oldest first.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::columns::{Dialect, number};
use crate::search_index::{
    SearchDocument, SearchDocuments, WORDS_INDEX, complete_search_index, insert_search_documents,
    length_of_content, shares,
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261120_000003_search"
    }
}

const BY_CHANNEL: &str = "search_documents_channel";
/// The most messages that are read at once.
const BATCH: usize = 500;
/// A statement takes rows until their words are so long, in bytes; `MySQL` refuses too long ones.
const STATEMENT: usize = 1_000_000;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager).await?;
        manager.create_table(documents(dialect)).await?;
        let db = manager.get_connection();
        if dialect == Dialect::Sqlite {
            // Without a copy of the words, of their places and of anything else that nobody asks for.
            db.execute_unprepared(
                "CREATE VIRTUAL TABLE IF NOT EXISTS search_words USING fts5(words, content='', \
                 contentless_delete=1, detail=none, tokenize='ascii')",
            )
            .await?;
        }
        if dialect != Dialect::Sqlite && !manager.has_index("search_documents", BY_CHANNEL).await? {
            // To look through the newest of one channel; the index of SQLite needs no help with that.
            let index = Index::create()
                .name(BY_CHANNEL)
                .table(SearchDocuments::Table)
                .col(SearchDocuments::ChannelId)
                .col(SearchDocuments::Number)
                .take();
            manager.create_index(index).await?;
        }
        fill(db).await?;
        complete_search_index(db).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE IF EXISTS search_words").await?;
        manager.drop_table(Table::drop().table(SearchDocuments::Table).if_exists().take()).await
    }
}

/// A row for each message that can be found, numbered in the order of storing.
fn documents(dialect: Dialect) -> TableCreateStatement {
    let mut key = number(SearchDocuments::Number);
    key.primary_key();
    if dialect == Dialect::Sqlite {
        // The row's own number.
        key.integer();
    } else {
        key.auto_increment();
    }
    let mut table = dialect
        .table(SearchDocuments::Table)
        .col(key)
        .col(dialect.id(SearchDocuments::MessageId).unique_key())
        .col(dialect.id(SearchDocuments::ChannelId))
        .col(dialect.id(SearchDocuments::Author))
        .take();
    match dialect {
        // They are in a table of their own.
        Dialect::Sqlite => {}
        Dialect::Postgres => {
            table.col(ColumnDef::new(SearchDocuments::Words).custom("tsvector").not_null());
        }
        Dialect::MySql(_) => {
            let words = ColumnDef::new(SearchDocuments::Words)
                .custom("longtext CHARACTER SET ascii COLLATE ascii_bin")
                .not_null()
                .take();
            // From the beginning: MariaDB 10.11 may find nothing by one that is made over rows.
            let mut index = Index::create().full_text().name(WORDS_INDEX).col(SearchDocuments::Words).take();
            table.col(words).index(&mut index);
        }
    }
    table
}

/// Puts the messages from before there was searching into the index. They go in by id, which is the order of
/// time, so a fill that broke off goes on where it was.
async fn fill(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let newest = "SELECT MAX(number) AS number, MAX(message_id) AS id FROM search_documents";
    let newest = db.query_one_raw(Statement::from_string(db.get_database_backend(), newest)).await?;
    let (mut number, mut after) = match newest {
        Some(row) => (row.try_get::<Option<i64>>("", "number")?, row.try_get::<Option<String>>("", "id")?),
        None => (None, None),
    };
    loop {
        let documents = read(db, after.unwrap_or_default(), number.unwrap_or_default()).await?;
        let Some(last) = documents.last() else { return Ok(()) };
        (number, after) = (Some(last.number), Some(last.message_id.clone()));
        let mut documents = documents.as_slice();
        while !documents.is_empty() {
            let mut bytes = 0;
            let fits = documents.iter().take_while(|document| {
                bytes += document.words.len();
                bytes <= STATEMENT
            });
            let (now, later) = documents.split_at(fits.count().max(1));
            insert_search_documents(db, now).await?;
            documents = later;
        }
    }
}

/// The next messages that can be found, by id: as many as fit into memory.
async fn read(db: &impl ConnectionTrait, after: String, number: i64) -> Result<Vec<SearchDocument>, DbErr> {
    let backend = db.get_database_backend();
    let placeholder = if backend == DbBackend::Postgres { "$1" } else { "?" };
    let select = |columns: &str, limit: usize| {
        let sql = format!(
            "SELECT {columns} FROM messages WHERE id > {placeholder} AND ack IS NULL ORDER BY id LIMIT {limit}"
        );
        Statement::from_sql_and_values(backend, sql, [after.as_str().into()])
    };
    let bytes = format!("{} AS bytes", length_of_content(backend));
    let lengths = db.query_all_raw(select(&bytes, BATCH)).await?;
    let lengths = lengths.iter().map(|row| row.try_get::<i64>("", "bytes"));
    let Some(share) = shares(lengths.collect::<Result<Vec<_>, _>>()?).first().copied() else {
        return Ok(Vec::new());
    };
    let rows = db.query_all_raw(select("id, channel_id, author, content, deleted_at", share)).await?;
    let documents = rows.iter().zip(number + 1..).map(|(row, number)| SearchDocument::of(row, number));
    documents.collect()
}
