//! What is read from the database. Every function works on the pool, in a snapshot and inside a write's transaction
//! alike, and writes nothing.

pub(crate) mod channels;
pub(crate) mod files;
pub(crate) mod messages;
pub(crate) mod presence;
pub(crate) mod retention;
pub(crate) mod wakes;

use fabric_domain::model::Timestamp;
use sea_orm::{
    AccessMode, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend,
    EntityTrait, IsolationLevel, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};

use crate::error::DatabaseError;

/// Whether a read locks what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// It does not.
    Free,
    /// Others that want to change it wait until the transaction ends. `SQLite` has one writer and needs no locks.
    ForUpdate,
}

/// A transaction in which everything that is read is of the same moment. Dropping it ends it.
pub(crate) async fn snapshot(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DatabaseError> {
    if connection.get_database_backend() == DbBackend::Sqlite {
        // Every transaction is a snapshot.
        return Ok(connection.begin().await?);
    }
    let (level, mode) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
    Ok(connection.begin_with_config(Some(level), Some(mode)).await?)
}

/// The moment before which a table has about `count` of the rows that were created before `end`; `None` when it
/// has no more than those.
pub(crate) async fn oldest<E: EntityTrait>(
    db: &impl ConnectionTrait,
    created_at: E::Column,
    end: Timestamp,
    count: u64,
) -> Result<Option<Timestamp>, DatabaseError> {
    let created: Option<i64> = E::find()
        .select_only()
        .column(created_at)
        .filter(created_at.lt(end.0))
        .order_by_asc(created_at)
        .offset(count)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    // Just after it, so that at least one row is before it.
    Ok(created.map(|created_at| Timestamp(created_at + 1)))
}
