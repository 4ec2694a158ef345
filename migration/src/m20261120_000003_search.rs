//! The words of messages, to search for (spec/3, `GET /search`).
//!
//! What a message is found by is decided in `fabric_domain::rules::search`; the databases only keep it, in their
//! own full-text index. Messages that are there already are put into it, oldest first.

use fabric_domain::rules::search::tokens;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::columns::{Dialect, number};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261120_000003_search"
    }
}

#[derive(DeriveIden)]
enum SearchDocuments {
    Table,
    Number,
    MessageId,
    ChannelId,
    Author,
    Words,
}

/// Messages that are read at once.
const BATCH: u32 = 100;
/// A statement takes rows until their words are so long, in bytes; `MySQL` refuses too long ones.
const STATEMENT: usize = 1_000_000;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager).await?;
        manager.create_table(documents(dialect)).await?;
        let db = manager.get_connection();
        match dialect {
            Dialect::Sqlite => {
                // Without a copy of the words, of their places and of anything else that nobody asks for.
                db.execute_unprepared(
                    "CREATE VIRTUAL TABLE IF NOT EXISTS search_words USING fts5(words, content='', \
                     contentless_delete=1, detail=none, tokenize='ascii')",
                )
                .await?;
            }
            Dialect::Postgres => {
                db.execute_unprepared(
                    "CREATE INDEX IF NOT EXISTS search_documents_words ON search_documents USING gin (words)",
                )
                .await?;
            }
            // Its index is created with the table.
            Dialect::MySql(_) => {}
        }
        fill_search_index(db).await
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
            table
                .col(
                    ColumnDef::new(SearchDocuments::Words)
                        .custom("longtext CHARACTER SET ascii COLLATE ascii_bin")
                        .not_null(),
                )
                .index(
                    Index::create().full_text().name("search_documents_words").col(SearchDocuments::Words),
                );
        }
    }
    table
}

/// A message, as far as it matters here.
struct Row {
    id: String,
    channel: String,
    author: String,
    words: String,
}

/// Puts messages into the index for searching that were not written by the store: from before there was searching,
/// or copied from elsewhere. They go in by id, which is the order of time, so a fill that broke off goes on where it
/// was; messages with an id before the last one that is in are taken to be in.
pub async fn fill_search_index(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let newest = Statement::from_string(backend, "SELECT MAX(message_id) AS id FROM search_documents");
    let newest: Option<String> = match db.query_one_raw(newest).await? {
        Some(row) => row.try_get("", "id")?,
        None => None,
    };
    let mut after = newest.unwrap_or_default();
    loop {
        let rows = read(db, &after).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.id);
        let mut rows = rows.as_slice();
        while !rows.is_empty() {
            let mut bytes = 0;
            let fits = rows.iter().take_while(|row| {
                bytes += row.words.len();
                bytes <= STATEMENT
            });
            let (now, later) = rows.split_at(fits.count().max(1));
            insert(db, now).await?;
            rows = later;
        }
    }
}

/// The next messages that can be found, by id.
async fn read(db: &impl ConnectionTrait, after: &str) -> Result<Vec<Row>, DbErr> {
    let backend = db.get_database_backend();
    let placeholder = if backend == DbBackend::Postgres { "$1" } else { "?" };
    let sql = format!(
        "SELECT id, channel_id, author, content, deleted_at FROM messages \
         WHERE id > {placeholder} AND ack IS NULL ORDER BY id LIMIT {BATCH}"
    );
    let rows = db.query_all_raw(Statement::from_sql_and_values(backend, sql, [after.into()])).await?;
    rows.iter()
        .map(|row| {
            let text = |column| row.try_get::<String>("", column);
            let deleted: Option<i64> = row.try_get("", "deleted_at")?;
            let (id, channel, author) = (text("id")?, text("channel_id")?, text("author")?);
            let words = match deleted {
                Some(_) => String::new(),
                None => tokens(&channel.as_str().into(), &author.as_str().into(), &text("content")?),
            };
            Ok(Row { id, channel, author, words })
        })
        .collect()
}

async fn insert(db: &impl ConnectionTrait, rows: &[Row]) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    if backend == DbBackend::Sqlite {
        for row in rows {
            let values = [&row.id, &row.channel, &row.author].map(Value::from);
            let sql = "INSERT INTO search_documents (message_id, channel_id, author) VALUES (?, ?, ?)";
            db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
            if !row.words.is_empty() {
                let sql = "INSERT INTO search_words (rowid, words) VALUES (last_insert_rowid(), ?)";
                let values = [Value::from(&row.words)];
                db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
            }
        }
        return Ok(());
    }
    let words = |row: &Row| match backend {
        DbBackend::Postgres => Expr::value(&row.words).cast_as("tsvector"),
        _ => Expr::value(&row.words),
    };
    let mut insert = Query::insert();
    insert.into_table(SearchDocuments::Table).columns([
        SearchDocuments::MessageId,
        SearchDocuments::ChannelId,
        SearchDocuments::Author,
        SearchDocuments::Words,
    ]);
    for row in rows {
        let ids = [&row.id, &row.channel, &row.author].map(Expr::value);
        insert.values_panic(ids.into_iter().chain([words(row)]));
    }
    db.execute(&insert).await?;
    Ok(())
}
