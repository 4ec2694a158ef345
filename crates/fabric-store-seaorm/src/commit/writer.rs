//! The writer of `SQLite`: one task that commits many waiting writes with one fsync.
//!
//! A transaction takes whatever waits when it begins, up to [`MAX_BATCH`] writes and a size of texts (`batch.rs`).
//! Every write is published and answered after the commit, so acknowledged means durable; and since there is one
//! writer, publication is in the order of commits. When a statement or the commit fails, the batch is rolled back and
//! each of its writes is tried once more alone: a failing one does not fail its neighbours.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use fabric_domain::ports::{Publisher, StoreError, UpdateError};
use futures_util::FutureExt as _;
use sea_orm::{DatabaseConnection, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use tokio::sync::{mpsc, oneshot};

use super::batch::{apply_all, publish, single};
use super::metrics::{Cause, Metrics, Pending};
use super::write::{Answer, Outcome, Write, Written};
use crate::error::DatabaseError;

/// Writes that may wait for the writer; further ones wait for room.
const QUEUE: usize = 1_024;
/// The most writes of one transaction.
const MAX_BATCH: usize = 128;

struct Job {
    write: Write,
    answer: oneshot::Sender<Answer>,
    _pending: Pending,
}

/// The way to the writing task, which ends when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    connection: DatabaseConnection,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// Starts the task on a connection of its own.
    pub(crate) fn start(connection: DatabaseConnection, publisher: Arc<dyn Publisher>) -> Self {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let metrics = Arc::new(Metrics::new());
        tokio::spawn(run(connection.clone(), publisher, Arc::clone(&metrics), waiting));
        Self { jobs, connection, metrics }
    }

    /// Returns once everything that waits is committed and published.
    pub(crate) async fn drain(&self) {
        // When the writer is gone, nothing waits either.
        let _ = self.submit(Write::Fence(None)).await;
    }

    /// Closes the connection, after the transaction that is under way.
    pub(crate) async fn close(&self) -> Result<(), DbErr> {
        self.connection.close_by_ref().await
    }

    /// How many writes wait for the next transaction.
    pub(crate) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Hands over a write and waits for its commit. A caller that goes away meanwhile does not undo it.
    pub(crate) async fn submit(&self, write: Write) -> Answer {
        let gone = || UpdateError::Store(StoreError::Unavailable("the writer has stopped".to_owned()));
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { write, answer, _pending: self.metrics.pending() }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn run(
    connection: DatabaseConnection,
    publisher: Arc<dyn Publisher>,
    metrics: Arc<Metrics>,
    mut waiting: mpsc::Receiver<Job>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    // What a transaction did not take comes first.
    while !batch.is_empty() || waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        match commit(&connection, &batch, &metrics).await {
            Ok(outcomes) => {
                let committed = Instant::now();
                for (job, outcome) in batch.drain(..outcomes.len()).zip(outcomes) {
                    finish(job, outcome, publisher.as_ref()).await;
                }
                metrics.publish.record(committed.elapsed());
            }
            Err(error) => {
                tracing::warn!(
                    ?error,
                    writes = batch.len(),
                    "committing a batch failed; trying its writes one by one"
                );
                for job in batch.drain(..) {
                    metrics.retry(Cause::of(&error));
                    let alone = commit(&connection, std::slice::from_ref(&job), &metrics).await;
                    if let Err(error) = &alone {
                        metrics.fail(Cause::of(error), 1);
                    }
                    finish(job, single(alone), publisher.as_ref()).await;
                }
            }
        }
    }
}

async fn finish(job: Job, outcome: Outcome, publisher: &dyn Publisher) {
    // The caller may be gone.
    let _ = job.answer.send(publish(outcome, publisher).await);
}

/// One transaction. Refusals are outcomes like others, since a refused write wrote nothing; a failure of the
/// database fails them all, and so does a decision that panics: without this task nobody could write any more.
async fn commit(
    connection: &DatabaseConnection,
    batch: &[Job],
    metrics: &Metrics,
) -> Result<Vec<Outcome>, DatabaseError> {
    let committed = AssertUnwindSafe(transaction(connection, batch, metrics)).catch_unwind().await;
    committed.unwrap_or_else(|_| Err(DatabaseError::Inconsistent("a decision has panicked".to_owned())))
}

async fn transaction(
    connection: &DatabaseConnection,
    batch: &[Job],
    metrics: &Metrics,
) -> Result<Vec<Outcome>, DatabaseError> {
    if batch.iter().all(|job| matches!(job.write, Write::Fence(_))) {
        // Nothing to commit, so the database need not be asked.
        return Ok(batch.iter().map(|_| Ok(Written::default())).collect());
    }
    let began = Instant::now();
    // The lock comes first: a transaction that has read and then wants to write would fail at once should
    // another process (a second server by mistake, a tool) have written in between.
    let immediate = Some(SqliteTransactionMode::Immediate);
    let options = TransactionOptions { sqlite_transaction_mode: immediate, ..TransactionOptions::default() };
    let transaction = connection.begin_with_options(options).await?;
    let outcomes = apply_all(&transaction, batch.iter().map(|job| &job.write)).await?;
    transaction.commit().await?;
    metrics.committed(began.elapsed(), outcomes.len());
    Ok(outcomes)
}
