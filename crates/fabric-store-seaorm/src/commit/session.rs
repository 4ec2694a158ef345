//! The one connection on which a `SQLite` database is written.
//!
//! Every statement goes to the connection's thread and back, which costs more than most statements do. So the session
//! keeps its connection instead of borrowing it from a pool, which asks it each time whether it is well; it begins a
//! transaction together with the first statement of it; it takes all that is left to do, and the commit, in one go; and
//! where that is all of the transaction, it is one statement (`one_statement.rs`), which commits by itself.
//!
//! A transaction that failed is not rolled back: its connection is closed, which ends it however it failed, and the
//! next transaction opens another one. After an I/O error `SQLite` may or may not have ended a transaction by itself,
//! and a "commit" on a connection that is wrong about it would commit nothing.

use std::time::Instant;

use futures_util::TryStreamExt as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteQueryResult, SqliteRow};
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Executor as _};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

use super::one_statement;
use crate::store::Observer;

/// The lock comes first: a transaction that has read and then wants to write would fail at once should another process
/// (a second server by mistake, a tool) have written in between.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// The writing connection, and the transaction on it.
pub(crate) struct Session {
    options: SqliteConnectOptions,
    observer: Option<Observer>,
    state: Mutex<State>,
}

enum State {
    /// Nothing is open.
    Closed,
    Idle(SqliteConnection),
    InTransaction(SqliteConnection),
    /// Nothing is to be opened any more.
    Ended,
}

/// What statements answered.
#[derive(Default)]
struct Answers {
    rows: Vec<SqliteRow>,
    /// Of the last statement.
    done: SqliteQueryResult,
}

impl Session {
    /// Opens the connection.
    pub(crate) async fn open(
        options: SqliteConnectOptions,
        observer: Option<Observer>,
    ) -> Result<Self, DbErr> {
        let connection = connected(&options).await.map_err(failed)?;
        Ok(Self { options, observer, state: Mutex::new(State::Idle(connection)) })
    }

    /// Carries out what is left of the transaction and commits it. Where none was begun, these are all of it; where
    /// there are none either, there is nothing to commit.
    pub(crate) async fn commit(&self, last: Vec<Statement>) -> Result<(), DbErr> {
        let mut state = self.state.lock().await;
        if last.is_empty() && !matches!(*state, State::InTransaction(_)) {
            return Ok(());
        }
        self.run(&mut state, last, true).await?;
        Ok(())
    }

    /// Ends a transaction that failed, if there is one.
    pub(crate) async fn roll_back(&self) {
        let mut state = self.state.lock().await;
        match std::mem::replace(&mut *state, State::Closed) {
            State::InTransaction(connection) => {
                // What it says does not matter: it is gone.
                let _ = connection.close().await;
            }
            other => *state = other,
        }
    }

    /// Closes the connection for good, after the transaction that is under way.
    pub(crate) async fn close(&self) -> Result<(), DbErr> {
        let mut state = self.state.lock().await;
        match std::mem::replace(&mut *state, State::Ended) {
            State::Idle(connection) | State::InTransaction(connection) => {
                connection.close().await.map_err(failed)
            }
            State::Closed | State::Ended => Ok(()),
        }
    }

    /// Carries out statements within a transaction, which is begun when there is none.
    async fn run(&self, state: &mut State, statements: Vec<Statement>, ends: bool) -> Result<Answers, DbErr> {
        // Until it is known that all went well, the transaction is one that failed.
        let (mut connection, begins) = match std::mem::replace(state, State::Closed) {
            State::Idle(connection) => (connection, true),
            State::InTransaction(connection) => (connection, false),
            State::Closed => (connected(&self.options).await.map_err(failed)?, true),
            State::Ended => {
                *state = State::Ended;
                return Err(failed(sqlx::Error::PoolClosed));
            }
        };
        let began = Instant::now();
        let answers = answers(&mut connection, Script::of(&statements, begins, ends)).await;
        self.tell(&statements, began, answers.is_err());
        match answers {
            Ok(answers) => {
                *state = if ends { State::Idle(connection) } else { State::InTransaction(connection) };
                Ok(answers)
            }
            Err(error) => {
                *state = State::InTransaction(connection);
                Err(failed(error))
            }
        }
    }

    async fn one(&self, statement: Statement) -> Result<Answers, DbErr> {
        self.run(&mut *self.state.lock().await, vec![statement], false).await
    }

    fn tell(&self, statements: &[Statement], began: Instant, failed: bool) {
        let Some(observer) = &self.observer else { return };
        for statement in statements {
            observer(&sea_orm::metric::Info { elapsed: began.elapsed(), statement, failed });
        }
    }
}

async fn connected(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    connection.execute(AssertSqlSafe(one_statement::definition())).await?;
    Ok(connection)
}

/// Statements as one text, with all their values.
struct Script {
    text: String,
    values: SqlxValues,
    /// How many statements it has.
    len: usize,
}

impl Script {
    fn of(statements: &[Statement], begins: bool, ends: bool) -> Self {
        // One that is all of a transaction is begun and committed by itself.
        let is_all = begins && ends && statements.len() == 1;
        let texts = statements.iter().map(|statement| statement.sql.as_str());
        let begin = (begins && !is_all).then_some(BEGIN);
        let end = (ends && !is_all).then_some("COMMIT");
        let texts: Vec<_> = begin.into_iter().chain(texts).chain(end).collect();
        let values = statements.iter().filter_map(|statement| statement.values.as_ref());
        let values = values.flat_map(|values| values.iter().cloned()).collect();
        Self {
            text: texts.join("; "),
            values: SqlxValues(sea_orm::sea_query::Values(values)),
            len: texts.len(),
        }
    }
}

async fn answers(connection: &mut SqliteConnection, script: Script) -> Result<Answers, sqlx::Error> {
    let Script { text, values, len } = script;
    let (mut answers, mut done) = (Answers::default(), 0);
    let mut each = connection.fetch_many(sqlx::query_with(AssertSqlSafe(text), values));
    // Nothing comes after the last statement's result. To be told so would be to be woken once more.
    while done < len
        && let Some(answer) = each.try_next().await?
    {
        match answer {
            Either::Left(result) => (answers.done, done) = (result, done + 1),
            Either::Right(row) => answers.rows.push(row),
        }
    }
    Ok(answers)
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

/// What is done through this is done in a transaction.
#[async_trait::async_trait]
impl ConnectionTrait for Session {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        Ok(self.one(statement).await?.done.into())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(DbBackend::Sqlite, sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.one(statement).await?.rows.into_iter().next().map(QueryResult::from))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        Ok(self.one(statement).await?.rows.into_iter().map(QueryResult::from).collect())
    }
}
