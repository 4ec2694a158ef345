//! Errors of the database, classified by whether trying again helps.

use fabric_domain::model::Refusal;
use fabric_domain::ports::{StoreError, UpdateError};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr};

/// A failure of the database or of what it holds.
#[derive(Debug)]
pub(crate) enum DatabaseError {
    /// A statement failed.
    Driver(DbErr),
    /// The database did not answer in time.
    Timeout(&'static str),
    /// What is stored cannot be understood.
    Inconsistent(String),
    /// Another process has written to a channel after it was read.
    Stale,
}

impl From<DbErr> for DatabaseError {
    fn from(error: DbErr) -> Self {
        Self::Driver(error)
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Driver(error @ (DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. })) => {
                Self::Inconsistent(error.to_string())
            }
            DatabaseError::Driver(error) => Self::Unavailable(error.to_string()),
            DatabaseError::Timeout(what) => Self::Unavailable(what.to_owned()),
            DatabaseError::Inconsistent(what) => Self::Inconsistent(what),
            DatabaseError::Stale => {
                Self::Unavailable("another process writes to the same channel".to_owned())
            }
        }
    }
}

impl DatabaseError {
    /// Whether the transaction lost against another one (deadlock, lock time-out, serialization failure, a channel that
    /// was written to in between) and was rolled back: the same transaction may succeed when it is tried again.
    pub(crate) fn is_conflict(&self) -> bool {
        if matches!(self, Self::Stale) {
            return true;
        }
        let Some(SqlxError::Database(error)) = self.sqlx() else { return false };
        if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
            // Deadlock, lock wait time-out, a lock that was not to be waited for.
            return matches!(error.number(), 1213 | 1205 | 3572);
        }
        // Serialization failure, deadlock, lock not available; a trigger of ours that found another version of a channel
        // (`commit/one_statement.rs`). SQLite's "busy" has waited long enough.
        matches!(error.code().as_deref(), Some("40001" | "40P01" | "55P03" | "1811"))
    }

    /// Whether the connection failed rather than the statement: another connection may succeed.
    pub(crate) fn is_connection(&self) -> bool {
        if matches!(self, Self::Driver(DbErr::ConnectionAcquire(_) | DbErr::Conn(_))) {
            return true;
        }
        match self.sqlx() {
            Some(SqlxError::Io(_) | SqlxError::Tls(_) | SqlxError::Protocol(_)) => true,
            // The server is shutting down, or an administrator has ended this connection.
            Some(SqlxError::Database(error)) => match error.try_downcast_ref::<MySqlDatabaseError>() {
                Some(error) => matches!(error.number(), 1053 | 1152 | 1927 | 4031),
                None => error
                    .code()
                    .is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code == "25P03"),
            },
            _ => false,
        }
    }

    /// Whether the database, or a connection of the pool, was not available in time.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Driver(DbErr::ConnectionAcquire(_)))
            || matches!(self.sqlx(), Some(SqlxError::PoolTimedOut))
    }

    /// Whether somebody else has locked the `SQLite` file (`SQLITE_BUSY`, in any of its kinds).
    pub(crate) fn is_busy(&self) -> bool {
        let Some(SqlxError::Database(error)) = self.sqlx() else { return false };
        error.try_downcast_ref::<SqliteError>().is_some()
            && error.code().and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
    }

    /// Whether it is about a statement rather than about the moment: a transaction without that statement may succeed.
    pub(crate) fn is_of_a_statement(&self) -> bool {
        !self.is_connection() && !self.is_conflict() && !matches!(self, Self::Timeout(_))
    }

    /// Whether the server itself refused the statement, and so certainly did not carry it out.
    pub(crate) fn is_refusal_of_the_server(&self) -> bool {
        matches!(self.sqlx(), Some(SqlxError::Database(_))) && !self.is_connection()
    }

    fn sqlx(&self) -> Option<&SqlxError> {
        match self {
            Self::Driver(
                DbErr::Exec(RuntimeErr::SqlxError(error))
                | DbErr::Query(RuntimeErr::SqlxError(error))
                | DbErr::Conn(RuntimeErr::SqlxError(error)),
            ) => Some(error),
            _ => None,
        }
    }
}

/// Why a write was not carried out.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// There is no such channel.
    NoSuchChannel,
    /// The decision refused.
    Refused(Refusal),
    /// The database failed, and with it the whole transaction.
    Database(DatabaseError),
}

impl From<DatabaseError> for WriteError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<WriteError> for UpdateError {
    fn from(failed: WriteError) -> Self {
        match failed {
            WriteError::NoSuchChannel => Self::NoSuchChannel,
            WriteError::Refused(refusal) => Self::Refused(refusal),
            WriteError::Database(error) => Self::Store(error.into()),
        }
    }
}
