//! The mark of an import in a database that is incomplete.

use fabric_domain::model::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait, QueryFilter, QuerySelect, SqlErr, Statement,
};

use super::TABLES;
use super::error::{BeginError, LoadError};
use super::transaction::begin;
use crate::schema::convert::to_column;
use crate::schema::entity::unfinished_import;
use crate::search;

/// Resets the sums of files; the row for everybody stays (`commit/files.rs`).
const RESET_FILE_USAGE: [&str; 2] =
    ["DELETE FROM file_usage WHERE owner <> ''", "UPDATE file_usage SET bytes = 0 WHERE owner = ''"];

/// Marks an empty database, or takes over the one of an import that broke off.
pub(super) async fn claim(
    connection: &DatabaseConnection,
    token: i64,
    now: Timestamp,
) -> Result<(), BeginError> {
    let transaction = begin(connection).await?;
    let mark = unfinished_import::Entity::find_by_id(unfinished_import::ID)
        .lock_exclusive()
        .one(&transaction)
        .await?;
    if mark.is_some() {
        clear(&transaction).await?;
        remove(&transaction).await?;
    } else if let Some(table) = occupied(&transaction).await? {
        return Err(BeginError::NotEmpty(table));
    } else {
        // Entries of messages that are not there any more.
        search::clear(&transaction).await?;
    }
    let mark = unfinished_import::ActiveModel {
        id: Set(unfinished_import::ID),
        token: Set(token),
        started_at: Set(now.0),
        rows: Set(0),
    };
    let marked = unfinished_import::Entity::insert(mark).exec_without_returning(&transaction).await;
    marked.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => BeginError::TakenOver,
        _ => error.into(),
    })?;
    transaction.commit().await?;
    Ok(())
}

/// Whether the mark is still ours; it is locked until the transaction ends.
pub(super) async fn check(
    transaction: &DatabaseTransaction,
    token: i64,
    rows: usize,
) -> Result<(), LoadError> {
    let rows = to_column(u64::try_from(rows).unwrap_or(u64::MAX));
    let column = unfinished_import::Column::Rows;
    let ours = unfinished_import::Entity::update_many()
        .col_expr(column, Expr::col(column).add(rows))
        .filter(unfinished_import::Column::Id.eq(unfinished_import::ID))
        .filter(unfinished_import::Column::Token.eq(token))
        .exec(transaction)
        .await?;
    if ours.rows_affected == 1 { Ok(()) } else { Err(LoadError::taken_over()) }
}

/// Deletes every row.
pub(super) async fn clear(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    for table in TABLES {
        let statement = format!("DELETE FROM {table}");
        transaction.execute_unprepared(&statement).await?;
    }
    for statement in RESET_FILE_USAGE {
        transaction.execute_unprepared(statement).await?;
    }
    search::clear(transaction).await
}

/// A table that has rows.
async fn occupied(transaction: &DatabaseTransaction) -> Result<Option<&'static str>, DbErr> {
    for table in TABLES {
        let any = format!("SELECT 1 FROM {table} LIMIT 1");
        let any = Statement::from_string(transaction.get_database_backend(), any);
        if transaction.query_one_raw(any).await?.is_some() {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// Removes the mark: the database is complete, or as empty as before.
pub(super) async fn remove(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    unfinished_import::Entity::delete_by_id(unfinished_import::ID).exec(transaction).await.map(drop)
}
