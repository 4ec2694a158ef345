//! Opening a database.

use std::io::ErrorKind;
use std::str::FromStr;
use std::time::{Duration, Instant};

use fabric_domain::ports::StoreError;
use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection, Executor};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tokio::time::sleep;

use crate::error::DatabaseError;

/// How long to wait for a connection of the pool.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long the first connection may take: a server may start together with its database.
const FIRST: Duration = Duration::from_secs(15);
/// The pause before connecting is tried again.
const AGAIN: Duration = Duration::from_millis(25);
/// How long the health check of a connection that is given back may take. Without a limit, a connection whose server
/// has silently gone would never be replaced.
const RELEASE: Duration = Duration::from_secs(3);

/// The kinds of databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    MySql,
    Postgres,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Reading,
    Writing,
    /// May have to wait for another process that migrates.
    Migrating,
    /// Writes much, and to a database that nobody else uses.
    Loading,
    /// Reads everything, of a database that is there.
    Copying,
}

impl Purpose {
    /// Whether its transactions are over in seconds.
    fn is_brief(self) -> bool {
        matches!(self, Self::Reading | Self::Writing)
    }

    /// How long a statement may take in the server, in seconds; 0 is for ever. Callers do not
    /// wait longer for a read, and one that gives up does not end the statement.
    fn statement_seconds(self) -> u32 {
        match self {
            Self::Reading => 15,
            Self::Writing | Self::Migrating | Self::Loading | Self::Copying => 0,
        }
    }

    /// How long a statement may wait for a lock, in seconds.
    fn lock_seconds(self) -> u32 {
        match self {
            Self::Reading | Self::Writing => 3,
            Self::Migrating | Self::Loading | Self::Copying => 300,
        }
    }
}

impl Kind {
    /// What the scheme of a URL says.
    pub(crate) fn of(url: &str) -> Result<Self, StoreError> {
        // Never the URL itself in an error: it may hold a password.
        match url.split(':').next() {
            Some("sqlite") => Ok(Self::Sqlite),
            Some("mysql" | "mariadb") => Ok(Self::MySql),
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            _ => Err(StoreError::Unavailable(
                "the database's URL must begin with sqlite:, mysql: or postgres:".to_owned(),
            )),
        }
    }
}

/// Opens a database with at most `connections` connections.
pub(crate) async fn open(
    url: &str,
    purpose: Purpose,
    connections: u32,
) -> Result<DatabaseConnection, StoreError> {
    let kind = Kind::of(url)?;
    check(kind, url)?;
    let mut options = match url.strip_prefix("mariadb:") {
        Some(rest) => ConnectOptions::new(format!("mysql:{rest}")),
        None => ConnectOptions::new(url),
    };
    options.max_connections(connections).acquire_timeout(ACQUIRE).sqlx_logging(false);
    if !purpose.is_brief() {
        // What belongs to the connection, such as a lock, is needed to the end.
        options.max_lifetime(None).idle_timeout(None);
    }
    match kind {
        Kind::Sqlite => {
            if purpose != Purpose::Copying {
                create_private(url)?;
            }
            sqlite(&mut options, purpose);
        }
        Kind::MySql => mysql(&mut options, purpose),
        Kind::Postgres => postgres(&mut options, purpose),
    }
    let began = Instant::now();
    loop {
        // Boxed, as it holds the futures of all three drivers: whoever opens a database would hold them by value, nested
        // more deeply than the compiler computes a layout of when it optimises.
        let error = match Box::pin(Database::connect(options.clone())).await {
            Ok(connection) => return Ok(connection),
            Err(error) => DatabaseError::from(error),
        };
        // Switching a new file to WAL takes a lock that `SQLite` does not wait for.
        let may_pass = error.is_busy() || error.is_timeout();
        if !may_pass || began.elapsed() + ACQUIRE > FIRST {
            return Err(error.into());
        }
        sleep(AGAIN).await;
    }
}

/// Refuses an address that its driver cannot read, without showing it: what refuses it later would.
fn check(kind: Kind, url: &str) -> Result<(), StoreError> {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    let is_readable = match kind {
        Kind::Sqlite => SqliteConnectOptions::from_str(url).is_ok(),
        Kind::MySql => MySqlConnectOptions::from_str(&format!("mysql:{rest}")).is_ok(),
        Kind::Postgres => PgConnectOptions::from_str(url).is_ok(),
    };
    if is_readable {
        return Ok(());
    }
    Err(StoreError::Unavailable(
        "the database's URL cannot be read: special characters of user and password must be percent-encoded (%2F \
         for /, %23 for #), or the URL given in its parts"
            .to_owned(),
    ))
}

/// Creates the file for its owner only, when it is not there: it holds private conversations.
/// `SQLite` gives its companion files the same permissions.
fn create_private(url: &str) -> Result<(), StoreError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Ok(());
    }
    let parsed = SqliteConnectOptions::from_str(url);
    let parsed = parsed.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(parsed.get_filename()) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StoreError::Unavailable(format!("{}: {error}", parsed.get_filename().display())))
        }
        _ => Ok(()),
    }
}

/// The journal, and what else makes commits durable.
fn sqlite(options: &mut ConnectOptions, purpose: Purpose) {
    options.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| Box::pin(is_healthy(connection)))
    });
    // It is a thread of this process: there is nothing to test it for.
    options
        .min_connections(1)
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(move |options| sqlite_options(options, purpose));
}

fn sqlite_options(options: SqliteConnectOptions, purpose: Purpose) -> SqliteConnectOptions {
    // Rows are not inserted in the order of their indexes, so most pages of an index are in use: 128 MiB.
    let cache = if purpose == Purpose::Loading { "-131072" } else { "-2000" };
    options
        // In case the file was removed since it was created above.
        .create_if_missing(purpose != Purpose::Copying)
        .pragma("cache_size", cache)
        .journal_mode(SqliteJournalMode::Wal)
        // Acknowledged means durable: the log is synced at every commit.
        .synchronous(SqliteSynchronous::Full)
        // What is erased is overwritten in the file, too.
        .pragma("secure_delete", "ON")
        .busy_timeout(Duration::from_secs(5))
        .statement_cache_capacity(256)
}

/// How the one writing connection of a `SQLite` database is opened, the file being there already.
pub(crate) fn sqlite_writer(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    let options = SqliteConnectOptions::from_str(url);
    let options = options.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    // What a statement remembers while it runs is no reason to write another file.
    let options = sqlite_options(options, Purpose::Writing).pragma("temp_store", "MEMORY");
    Ok(options.disable_statement_logging())
}

/// How long a transaction may be idle, in seconds, before the server ends it: a connection that was lost without a
/// notice leaves its locks behind until the server notices by itself, after hours. Longer than any transaction of a
/// running guild takes; transactions that load or copy have no limit.
const IDLE_IN_TRANSACTION: u32 = 20;

fn mysql(options: &mut ConnectOptions, purpose: Purpose) {
    // Strict, whatever the server's default is: a value that does not fit is refused, never truncated.
    // MySQL has no other limit for idle transactions; a connection that was closed for it is replaced.
    let idle = if purpose.is_brief() { IDLE_IN_TRANSACTION } else { 28_800 };
    let session = format!(
        "SET SESSION wait_timeout = {idle}, SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
         SESSION transaction_isolation = 'READ-COMMITTED', \
         SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds}",
        seconds = purpose.lock_seconds()
    );
    // Before MySQL 8 and MariaDB 11.1 the isolation level had another name.
    let old_session = session.replace("transaction_isolation", "tx_isolation");
    // Whatever the URL says: with another character set, text would come back changed.
    options.map_sqlx_mysql_opts(|options| options.charset("utf8mb4"));
    options.test_before_acquire_if_idle_for(Duration::from_secs(1)).map_sqlx_mysql_pool_opts(move |pool| {
        let sessions = [session.clone(), old_session.clone()];
        pool.after_connect(move |connection, _| {
            let [session, old_session] = sessions.clone();
            Box::pin(async move {
                if connection.execute(sqlx::AssertSqlSafe(session)).await.is_err() {
                    connection.execute(sqlx::AssertSqlSafe(old_session)).await?;
                }
                // Each is known to MySQL or to MariaDB, and refused by the other.
                for setting in settings_of_one(purpose) {
                    let _ = connection.execute(sqlx::AssertSqlSafe(setting)).await;
                }
                Ok(())
            })
        })
        .after_release(|connection, _| Box::pin(is_healthy(connection)))
    });
}

/// Settings of a session that either `MySQL` or `MariaDB` has.
fn settings_of_one(purpose: Purpose) -> Vec<String> {
    // 0 is no limit, whatever the server's own is.
    let statement = purpose.statement_seconds();
    let mut settings = vec![
        format!("SET SESSION max_statement_time = {statement}"),
        format!("SET SESSION max_execution_time = {}", statement * 1_000),
    ];
    if purpose.is_brief() {
        settings.push(format!("SET SESSION idle_transaction_timeout = {IDLE_IN_TRANSACTION}"));
    }
    settings
}

fn postgres(options: &mut ConnectOptions, purpose: Purpose) {
    // 0 is no limit.
    let idle = if purpose.is_brief() { IDLE_IN_TRANSACTION } else { 0 };
    let session = format!(
        "SET default_transaction_isolation = 'read committed'; SET lock_timeout = '{}s'; \
         SET idle_in_transaction_session_timeout = '{idle}s'; SET statement_timeout = '{}s'",
        purpose.lock_seconds(),
        purpose.statement_seconds()
    );
    options.test_before_acquire_if_idle_for(Duration::from_secs(1)).map_sqlx_postgres_pool_opts(
        move |pool| {
            let session = session.clone();
            pool.after_connect(move |connection, _| {
                let session = session.clone();
                Box::pin(async move {
                    connection.execute(sqlx::AssertSqlSafe(session)).await?;
                    Ok(())
                })
            })
            .after_release(|connection, _| Box::pin(is_healthy(connection)))
        },
    );
}

/// Whether the connection may be used again: its server answers, and no transaction is left on it.
///
/// The latter matters most. After an I/O error `SQLite` ends a transaction by itself, so that ending it fails;
/// the driver then counts one that is not there, and would make the next transactions mere savepoints, whose
/// "commit" commits nothing: they would be acknowledged and lost.
async fn is_healthy<C: Connection>(connection: &mut C) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(RELEASE, connection.ping()).await {
        // A rollback that was sent before the ping is over once the ping is answered.
        Ok(answer) => answer.map(|()| !connection.is_in_transaction()),
        Err(_) => Err(sqlx::Error::Io(ErrorKind::TimedOut.into())),
    }
}

#[cfg(test)]
mod tests {
    use fabric_testkit::servers;
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use super::*;

    #[tokio::test]
    async fn an_address_that_cannot_be_read_is_not_shown() {
        for url in [
            "mysql://fabric:hu/sh@db/guild",
            "mariadb://fabric:hu#sh@db/guild",
            "postgres://fabric:hu?sh@db/guild",
            "postgres://fabric:hush@db:port/guild",
        ] {
            let error = open(url, Purpose::Reading, 1).await.unwrap_err().to_string();
            assert!(error.contains("percent-encoded") && !error.contains("hu"), "{error}");
        }
    }

    async fn setting(url: &str, purpose: Purpose, backend: DbBackend, query: &str) -> String {
        let connection = open(url, purpose, 1).await.unwrap();
        let row = connection.query_one_raw(Statement::from_string(backend, query)).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// Otherwise a connection that was lost without a notice would keep a channel locked for hours.
    #[tokio::test]
    async fn the_server_ends_transactions_that_do_nothing_for_long() {
        let (mariadb, postgres) = (servers::mariadb().url, servers::postgres().url);
        for (purpose, on_mariadb, on_postgres) in
            [(Purpose::Writing, "20", "20s"), (Purpose::Reading, "20", "20s"), (Purpose::Copying, "0", "0")]
        {
            let query = "SELECT CAST(@@idle_transaction_timeout AS CHAR)";
            assert_eq!(setting(&mariadb, purpose, DbBackend::MySql, query).await, on_mariadb);
            let query = "SHOW idle_in_transaction_session_timeout";
            assert_eq!(setting(&postgres, purpose, DbBackend::Postgres, query).await, on_postgres);
        }
    }
}
