//! [`Center`]: opening it, and what all its use cases share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fabric_domain::model::Timestamp;
use fabric_domain::ports::Clock;
use fabric_serverkit::private;
use fabric_serverkit::system::SystemClock;
use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ActiveValue::Set, ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait as _, RuntimeErr, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};
use sea_orm_migration::MigratorTrait as _;

use crate::entity::setting;
use crate::error::{Error, OpenError};
use crate::limits::LoginLimits;
use crate::migration::Migrator;
use crate::passwords::Passwords;
use crate::secret::new_token;
use crate::settings::Settings;
use crate::tokens::Signer;

/// HS256 is as strong as its key: nothing below its own 32 bytes.
const MIN_JWT_SECRET_BYTES: usize = 32;

/// The identity hub. Cheap to clone; all clones are the same Center.
#[derive(Clone)]
pub struct Center(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) db: DatabaseConnection,
    pub(crate) signer: Signer,
    pub(crate) passwords: Passwords,
    pub(crate) logins: LoginLimits,
    /// When expired sessions were last deleted.
    pub(crate) swept_at: Mutex<Timestamp>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Center {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Center").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl Center {
    /// Opens the database, creates or migrates its tables, and makes the signing secret on the first start.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::open_with(settings, Arc::new(SystemClock)).await
    }

    /// As [`Center::open`], with another clock.
    pub async fn open_with(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let db = connect(&settings.db_url).await?;
        // In one transaction that has the write lock: another command may start for the first time at the same moment.
        let tx = begin_writing(&db).await?;
        Migrator::up(&tx, None).await?;
        tx.commit().await?;
        let secret = match &settings.jwt_secret {
            Some(secret) if secret.expose().len() >= MIN_JWT_SECRET_BYTES => secret.expose().to_owned(),
            Some(_) => {
                let problem = format!("is shorter than {MIN_JWT_SECRET_BYTES} bytes");
                return Err(OpenError::Setting { name: "jwt_secret", problem });
            }
            None => stored_secret(&db).await?,
        };
        let logins =
            LoginLimits::new(settings.logins_per_minute_per_address, settings.logins_per_minute_per_account);
        Ok(Self(Arc::new(Inner {
            signer: Signer::new(&settings.issuer, secret.as_bytes()),
            passwords: Passwords::new().await?,
            logins,
            swept_at: Mutex::default(),
            settings,
            db,
            clock,
        })))
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Starts a transaction that will write.
    pub(crate) async fn write(&self) -> Result<DatabaseTransaction, Error> {
        Ok(begin_writing(&self.0.db).await?)
    }
}

/// On `SQLite` the transaction takes the write lock at once: one that reads first and then finds that another process
/// (the command line) has written in between could only fail.
async fn begin_writing(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    db.begin_with_options(options).await
}

async fn connect(url: &str) -> Result<DatabaseConnection, OpenError> {
    if !url.starts_with("sqlite:") {
        let problem = "only sqlite: is supported".to_owned();
        return Err(OpenError::Setting { name: "db_url", problem });
    }
    let mut options = ConnectOptions::new(url);
    match sqlite_file(url) {
        // Every connection to memory is a database of its own.
        None => options.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None),
        Some(path) => {
            // It holds password hashes and the signing secret. SQLite gives its companion files the same permissions.
            private::options()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(|source| OpenError::File { path: path.display().to_string(), source })?;
            options.max_connections(4)
        }
    };
    // A log line for every statement helps nobody; failures are logged where they are answered.
    options.sqlx_logging(false);
    // After an I/O error SQLite ends a transaction by itself, so that ending it fails; the driver then counts one
    // that is not there, and would make the next transactions mere savepoints, whose "commit" commits nothing.
    options.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
    });
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            // An answer means that the change survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(15))
            .foreign_keys(true)
    });
    // Making a new file one with a log takes a lock that SQLite does not wait for: of programs that start at once
    // on no database yet, all but one are refused.
    let mut tries = 0;
    loop {
        match Database::connect(options.clone()).await {
            Err(error) if is_busy(&error) && tries < 200 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
            connected => return Ok(connected?),
        }
    }
}

/// Whether somebody else has locked the database (`SQLITE_BUSY`, in any of its kinds).
fn is_busy(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

/// The file of a database address, unless the database is in memory.
fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let in_memory = path.is_empty() || path == ":memory:" || query.contains("mode=memory");
    (!in_memory).then(|| PathBuf::from(path))
}

/// The secret of the first start. Two programs may start at once: the first to write it wins.
async fn stored_secret(db: &DatabaseConnection) -> Result<String, OpenError> {
    let row = setting::ActiveModel { name: Set(setting::JWT_SECRET.to_owned()), value: Set(new_token("")) };
    setting::Entity::insert(row)
        .on_conflict_do_nothing_on([setting::Column::Name])
        .exec_without_returning(db)
        .await?;
    let row = setting::Entity::find_by_id(setting::JWT_SECRET).one(db).await?;
    Ok(row.ok_or_else(|| Error::Internal("the signing secret is gone".to_owned()))?.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_database_address() {
        assert_eq!(sqlite_file("sqlite://fabric-center.db"), Some("fabric-center.db".into()));
        assert_eq!(sqlite_file("sqlite:///data/c.db?mode=rwc"), Some("/data/c.db".into()));
        assert_eq!(sqlite_file("sqlite:c.db"), Some("c.db".into()));
        assert_eq!(sqlite_file("sqlite::memory:"), None);
    }
}
