//! The writer of `SQLite`: one task at a time, which commits many waiting writes with one fsync.
//!
//! A transaction takes whatever waits when it begins, up to [`MAX_BATCH`] writes and a size of texts (`batch.rs`).
//! Every write is published and answered after the commit, so acknowledged means durable; and since there is one
//! writer, publication is in the order of commits. When a statement or the commit fails, the batch is rolled back and
//! each of its writes is tried once more alone: a failing one does not fail its neighbours. Alone, it loads its channel
//! under the database's lock, whatever is kept of it: were another process busy in the same channel, what is kept
//! could be old each time.
//!
//! The task is there while something waits. Whoever finds none begins it, where they are: on the thread of a server's
//! worker, so that neither the write nor its answer has to wake another one. It is a task of its own: a caller that
//! goes away neither undoes nor hides a commit.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use fabric_domain::ports::{Publisher, StoreError, UpdateError};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use sea_orm::DbErr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::batch::{Batch, publish, single};
use super::cache::Cache;
use super::metrics::{Cause, Metrics, Pending};
use super::session::Session;
use super::write::{Answer, Outcome, Write};
use crate::error::DatabaseError;

/// Writes that may wait for the writer; further ones wait for room.
const QUEUE: usize = 1_024;
/// The most writes of one transaction.
const MAX_BATCH: usize = 128;

struct Job {
    write: Write,
    answer: oneshot::Sender<Answer>,
    _room: OwnedSemaphorePermit,
    _pending: Pending,
}

/// The way to the writing task.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Inner>);

struct Inner {
    session: Session,
    cache: Cache,
    publisher: Arc<dyn Publisher>,
    metrics: Metrics,
    room: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Whether there is a task, which looks here before it ends.
    is_attended: bool,
}

impl Writer {
    /// A writer on this session.
    pub(crate) fn new(session: Session, publisher: Arc<dyn Publisher>) -> Self {
        Self(Arc::new(Inner {
            session,
            cache: Cache::default(),
            publisher,
            metrics: Metrics::new(),
            room: Arc::new(Semaphore::new(QUEUE)),
            waiting: Mutex::default(),
        }))
    }

    /// Returns once everything that waits is committed and published.
    pub(crate) async fn drain(&self) {
        // When the writer is gone, nothing waits either.
        let _ = self.submit(Write::Fence(None)).await;
    }

    /// Closes the connection, after the transaction that is under way.
    pub(crate) async fn close(&self) -> Result<(), DbErr> {
        self.0.session.close().await
    }

    /// How many writes wait or are under way.
    pub(crate) fn waiting(&self) -> usize {
        QUEUE.saturating_sub(self.0.room.available_permits())
    }

    /// Hands over a write and waits for its commit. A caller that goes away meanwhile does not undo it.
    pub(crate) async fn submit(&self, write: Write) -> Answer {
        let gone = || UpdateError::Store(StoreError::Unavailable("the writer has stopped".to_owned()));
        let room = Arc::clone(&self.0.room).acquire_owned().await.map_err(|_| gone())?;
        let (answer, answered) = oneshot::channel();
        self.0.enqueue(Job { write, answer, _room: room, _pending: self.0.metrics.pending() });
        answered.await.map_err(|_| gone())?
    }
}

impl Inner {
    fn enqueue(self: &Arc<Self>, job: Job) {
        let mut waiting = self.waiting.lock();
        waiting.jobs.push_back(job);
        if !std::mem::replace(&mut waiting.is_attended, true) {
            drop(waiting);
            tokio::spawn(Task { inner: Arc::clone(self), attends: true }.run());
        }
    }

    /// Moves what waits into the batch. `false` when that is nothing, and nobody attends to what comes.
    fn take(&self, batch: &mut Vec<Job>) -> bool {
        let mut waiting = self.waiting.lock();
        let room = MAX_BATCH.saturating_sub(batch.len()).min(waiting.jobs.len());
        batch.extend(waiting.jobs.drain(..room));
        waiting.is_attended = !batch.is_empty();
        waiting.is_attended
    }
}

/// The writing task.
struct Task {
    inner: Arc<Inner>,
    /// Until it has left what comes to the next one.
    attends: bool,
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.attends {
            // It was ended from outside, with its runtime. What waits is answered by this.
            let waiting = std::mem::take(&mut *self.inner.waiting.lock());
            drop(waiting);
        }
    }
}

impl Task {
    async fn run(mut self) {
        let mut batch = Vec::new();
        // What a transaction did not take comes first.
        while self.inner.take(&mut batch) {
            self.inner.work_on(&mut batch).await;
        }
        self.attends = false;
    }
}

impl Inner {
    async fn work_on(&self, batch: &mut Vec<Job>) {
        match self.commit(batch, &self.cache).await {
            Ok(outcomes) => {
                let committed = Instant::now();
                for (job, outcome) in batch.drain(..outcomes.len()).zip(outcomes) {
                    self.finish(job, outcome).await;
                }
                self.metrics.publish.record(committed.elapsed());
            }
            Err(error) => {
                tracing::warn!(
                    ?error,
                    writes = batch.len(),
                    "committing a batch failed; trying its writes one by one"
                );
                for job in batch.drain(..) {
                    self.metrics.retry(Cause::of(&error));
                    let alone = self.commit(std::slice::from_ref(&job), &Cache::default()).await;
                    if let Err(error) = &alone {
                        self.metrics.fail(Cause::of(error), 1);
                    }
                    self.finish(job, single(alone)).await;
                }
            }
        }
    }

    async fn finish(&self, job: Job, outcome: Outcome) {
        // The caller may be gone.
        let _ = job.answer.send(publish(outcome, self.publisher.as_ref()).await);
    }

    /// One transaction. Refusals are outcomes like others, since a refused write wrote nothing; a failure of the
    /// database fails them all, and so does a decision that panics: without this task nobody could write any more.
    async fn commit(&self, batch: &[Job], kept: &Cache) -> Result<Vec<Outcome>, DatabaseError> {
        let committed = AssertUnwindSafe(self.transaction(batch, kept)).catch_unwind().await;
        let committed = committed
            .unwrap_or_else(|_| Err(DatabaseError::Inconsistent("a decision has panicked".to_owned())));
        if committed.is_err() {
            self.session.roll_back().await;
        }
        committed
    }

    async fn transaction(&self, batch: &[Job], kept: &Cache) -> Result<Vec<Outcome>, DatabaseError> {
        let began = Instant::now();
        let writes = batch.iter().map(|job| &job.write);
        let decided = Batch::new(&self.session, kept).run(writes).await?;
        self.session.commit(decided.last).await?;
        for channel in decided.channels {
            self.cache.put(channel);
        }
        self.metrics.committed(began.elapsed(), decided.outcomes.len());
        Ok(decided.outcomes)
    }
}
