//! What goes wrong with loading.

use fabric_archive::{BulkError, Part};
use fabric_domain::model::MessageId;
use fabric_domain::ports::StoreError;
use sea_orm::{DbErr, SqlErr};
use thiserror::Error;

use super::queue::ROWS;
use crate::error::DatabaseError;
use crate::schema::migrate::SchemaError;

/// Why loading into a database did not begin.
#[derive(Debug, Error)]
pub enum BeginError {
    /// There is something in it already.
    #[error("the database is not empty: there are rows in its table `{0}`; an import needs an empty one")]
    NotEmpty(&'static str),
    /// Another import has begun at the same time.
    #[error("another import into this database has begun meanwhile")]
    TakenOver,
    /// The schema is not ours, or the database failed.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl BeginError {
    /// A stable code, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEmpty(_) => "database_not_empty",
            Self::TakenOver => "import_taken_over",
            Self::Schema(error) => error.code(),
        }
    }
}

impl From<DatabaseError> for BeginError {
    fn from(error: DatabaseError) -> Self {
        Self::Schema(SchemaError::Store(error.into()))
    }
}

impl From<DbErr> for BeginError {
    fn from(error: DbErr) -> Self {
        DatabaseError::from(error).into()
    }
}

/// Why loading has failed: the port's error, which failures of the database turn into.
#[derive(Debug)]
pub(super) struct LoadError(BulkError);

impl LoadError {
    pub(super) fn taken_over() -> Self {
        Self(BulkError::TakenOver)
    }

    pub(super) fn no_such_message(id: MessageId) -> Self {
        Self(BulkError::NoSuchMessage(id))
    }

    /// Of a statement that inserts records of this part.
    pub(super) fn of_insert(part: Part, error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => {
                Self(BulkError::Duplicate { part, among: ROWS as u64 })
            }
            _ => error.into(),
        }
    }
}

impl From<DatabaseError> for LoadError {
    fn from(error: DatabaseError) -> Self {
        Self(BulkError::Store(StoreError::from(error)))
    }
}

impl From<DbErr> for LoadError {
    fn from(error: DbErr) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<LoadError> for BulkError {
    fn from(LoadError(error): LoadError) -> Self {
        error
    }
}
