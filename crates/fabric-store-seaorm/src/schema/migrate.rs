//! Bringing a database's schema up to date.
//!
//! Migrations run under a lock of the database, so that two starts at once do not collide: on `SQLite` in one
//! `BEGIN IMMEDIATE` transaction, on `PostgreSQL` in one transaction under an advisory lock, on `MySQL`, whose
//! schema changes are no transactions, under a named lock (`GET_LOCK`).

use fabric_domain::ports::StoreError;
use migration::Migrator;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityName, EntityTrait, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{
    IntoSchemaManagerConnection, MigrationStatus, MigratorTrait, SchemaManager, seaql_migrations,
};
use thiserror::Error;

use super::connect::{self, Purpose};
use super::entity::unfinished_import;
use crate::error::DatabaseError;

/// The key of our advisory lock: the first bytes of "fabric migrations".
const ADVISORY_LOCK: i64 = 0x6661_6272_6963_206d;

/// The schema is not the one that this binary works on.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// Migrations are missing, and running them was not asked for.
    #[error("the database schema is older than this binary: {0} migrations are pending (run `migrate up`)")]
    Old(usize),
    /// A newer binary has migrated the database.
    #[error(
        "the database schema is newer than this binary, which does not know {}: run the newer binary, or its \
         `migrate down` first",
        .0.join(", ")
    )]
    New(Vec<String>),
    /// An import into the database has broken off, or is still at work: what is there is half of a guild.
    #[error(
        "an import into this database has not ended, so the guild in it is not complete: run the import again, \
         which begins anew"
    )]
    Incomplete,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SchemaError {
    /// A stable code, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Old(_) => "schema_too_old",
            Self::New(_) => "schema_too_new",
            Self::Incomplete => "import_incomplete",
            Self::Store(_) => "storage_unavailable",
        }
    }
}

impl From<DbErr> for SchemaError {
    fn from(error: DbErr) -> Self {
        Self::Store(DatabaseError::from(error).into())
    }
}

/// What to do with the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Up,
    Down,
}

/// Runs pending migrations, or refuses when there are some and `sync` is off. A newer schema is refused
/// either way.
pub(crate) async fn prepare(url: &str, sync: bool) -> Result<(), SchemaError> {
    let connection = connect::open(url, Purpose::Migrating, 1).await?;
    let done = match pending(&connection).await {
        Ok(0) => Ok(()),
        Ok(_) if sync => locked(&connection, Step::Up).await,
        Ok(pending) => Err(SchemaError::Old(pending)),
        Err(error) => Err(error),
    };
    // Nothing depends on it: an unclosed connection is closed by the end of its pool.
    let _ = connection.close().await;
    done
}

/// Refuses a database that is not complete.
pub(crate) async fn refuse_incomplete(connection: &impl ConnectionTrait) -> Result<(), SchemaError> {
    match unfinished_import::Entity::find_by_id(unfinished_import::ID).one(connection).await? {
        Some(_) => Err(SchemaError::Incomplete),
        None => Ok(()),
    }
}

/// Runs pending migrations; returns the list of migrations, a line each.
pub async fn up(url: &str) -> Result<Vec<String>, SchemaError> {
    step(url, Step::Up).await
}

/// Reverts the latest migration; returns the list of migrations, a line each. A database that is not complete is
/// refused.
pub async fn down(url: &str) -> Result<Vec<String>, SchemaError> {
    step(url, Step::Down).await
}

/// The list of migrations, a line each.
pub async fn status(url: &str) -> Result<Vec<String>, SchemaError> {
    list(&connect::open(url, Purpose::Migrating, 1).await?).await
}

async fn step(url: &str, step: Step) -> Result<Vec<String>, SchemaError> {
    let connection = connect::open(url, Purpose::Migrating, 1).await?;
    locked(&connection, step).await?;
    list(&connection).await
}

/// When the database's schema was first made, in seconds since 1970; a backup and its copies share it. What is kept
/// beside a database, such as the bytes of files, carries it, so that it is not used with another one.
pub async fn made_at(url: &str) -> Result<i64, SchemaError> {
    let connection = connect::open(url, Purpose::Migrating, 1).await?;
    refuse_newer(&connection).await?;
    let first = Migrator::migrations().first().map(|first| first.name().to_owned()).unwrap_or_default();
    let made = seaql_migrations::Entity::find_by_id(first).one(&connection).await;
    let _ = connection.close().await;
    made?.map(|made| made.applied_at).ok_or(SchemaError::Old(Migrator::migrations().len()))
}

/// How many migrations are missing.
pub(crate) async fn pending(connection: &DatabaseConnection) -> Result<usize, SchemaError> {
    refuse_newer(connection).await?;
    Ok(Migrator::get_pending_migrations_read_only(connection).await?.len())
}

/// Refuses a schema with migrations that this binary does not know. Only reads.
async fn refuse_newer<'c>(connection: impl IntoSchemaManagerConnection<'c>) -> Result<(), SchemaError> {
    let manager = SchemaManager::new(connection);
    if !manager.has_table(seaql_migrations::Entity.table_name()).await? {
        return Ok(());
    }
    let known = Migrator::migrations();
    let applied = seaql_migrations::Entity::find().all(manager.get_connection()).await?;
    let unknown: Vec<String> = applied
        .into_iter()
        .map(|applied| applied.version)
        .filter(|version| known.iter().all(|known| known.name() != version))
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(SchemaError::New(unknown)) }
}

/// Takes the step under the lock of the database.
async fn locked(connection: &DatabaseConnection, step: Step) -> Result<(), SchemaError> {
    match connection.get_database_backend() {
        DbBackend::MySql => {
            // The pool has one connection, so the connection that migrates holds the lock, which ends with it.
            lock_mysql(connection).await?;
            let done = run(connection, step).await;
            connection.execute_unprepared("DO RELEASE_LOCK(CONCAT('fabric ', MD5(DATABASE())))").await?;
            done
        }
        backend => {
            let options = TransactionOptions {
                sqlite_transaction_mode: (backend == DbBackend::Sqlite)
                    .then_some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            };
            let transaction = connection.begin_with_options(options).await?;
            if backend == DbBackend::Postgres {
                let lock = format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})");
                transaction.execute_unprepared(&lock).await?;
            }
            run(&transaction, step).await?;
            transaction.commit().await?;
            Ok(())
        }
    }
}

async fn run<'c, C>(connection: &'c C, step: Step) -> Result<(), SchemaError>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    refuse_newer(connection).await?;
    match step {
        Step::Up => Migrator::up(connection, None).await?,
        Step::Down => {
            // The mark would be dropped with its table, and a server would start on half a guild.
            let manager = SchemaManager::new(connection);
            if manager.has_table(unfinished_import::Entity.table_name()).await? {
                refuse_incomplete(connection).await?;
            }
            Migrator::down(connection, Some(1)).await?;
        }
    }
    Ok(())
}

async fn lock_mysql(connection: &DatabaseConnection) -> Result<(), SchemaError> {
    // Named locks are per server, not per database, hence the name.
    let query = "SELECT GET_LOCK(CONCAT('fabric ', MD5(DATABASE())), 300) AS got";
    let row = connection.query_one_raw(Statement::from_string(DbBackend::MySql, query)).await?;
    let got: Option<i64> = row.map_or(Ok(None), |row| row.try_get("", "got"))?;
    if got == Some(1) {
        return Ok(());
    }
    let busy = "another process has been migrating this database for five minutes";
    Err(StoreError::Unavailable(busy.to_owned()).into())
}

async fn list(connection: &DatabaseConnection) -> Result<Vec<String>, SchemaError> {
    refuse_newer(connection).await?;
    let migrations = Migrator::get_migration_with_status_read_only(connection).await?;
    let line = |migration: &sea_orm_migration::Migration| {
        let word = match migration.status() {
            MigrationStatus::Applied => "applied",
            MigrationStatus::Pending => "pending",
        };
        format!("{word}  {}", migration.name())
    };
    Ok(migrations.iter().map(line).collect())
}
