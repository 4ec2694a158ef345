//! The write path of `MySQL` and `PostgreSQL`: a lane for each channel.
//!
//! The writes of one channel (and of one user, where it is about them alone) go through one lane, one
//! transaction after the other, and lanes go side by side. A transaction locks the channel's row
//! (`batch.rs`) and takes whatever waits in the lane, up to [`MAX_BATCH`] and to a size of texts: a busy
//! channel needs one connection and a few commits, instead of as many of either as it has writers. What is committed is
//! published by the lane before its next transaction, so publication is in the order of versions and needs
//! no other sequencer. A lane is a task of its own: a caller that goes away neither undoes nor hides a commit.
//!
//! **Conflicts.** Only another process, or a write of another lane (idempotency keys share an index), can be
//! in the way. What the database rolled back for it is tried again, [`TRIES`] times at most, after a random
//! pause.
//!
//! **A connection that fails.** Before the commit was asked for, nothing is written, and the transaction is
//! tried again on another connection. After that, nobody knows; the lane asks the database until it answers
//! (`in_doubt.rs`), and publishes and answers, or tries again, accordingly. Meanwhile the lane does nothing else,
//! so neither the order nor what is [in flight](InFlight) is ever wrong.
//!
//! **Limits.** The order holds within this process. A version that another process committed is published by
//! that one; whoever joins processes (a bus) puts commits in order by `Commit::version`, which is consecutive.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fabric_domain::model::{ChannelId, UserId};
use fabric_domain::ports::{Publisher, StoreError};
use parking_lot::Mutex;
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::batch::{Batch, Decided, publish, single, write_all};
use super::cache::Cache;
use super::in_doubt::{Fate, resolve};
use super::in_flight::{CommitInFlight, InFlight};
use super::metrics::{Cause, Metrics, Pending};
use super::write::{Answer, Outcome, Write};
use crate::error::DatabaseError;

/// Writes that may wait in all lanes together; further ones wait for room.
const QUEUE: u32 = 4_096;
/// The most writes of one transaction.
const MAX_BATCH: usize = 64;
/// How often a transaction is tried that conflicts with others.
const TRIES: u32 = 8;
/// How long a write may wait for its transaction.
const WAIT: Duration = Duration::from_secs(5);
/// How long the statements of a transaction may take, and then its commit.
const STATEMENTS: Duration = Duration::from_secs(8);
const COMMIT: Duration = Duration::from_secs(8);

/// Which writes must not overtake each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Lane {
    Channel(ChannelId),
    User(UserId),
    Wakes,
    Sweep,
    Files,
    Index,
}

impl Lane {
    fn of(write: &Write) -> Self {
        match write {
            Write::Create(new) => Self::Channel(new.channel.id.clone()),
            Write::Update { scope, .. } => Self::Channel(scope.channel.clone()),
            Write::MarkRead { user, .. } => Self::User(user.clone()),
            Write::Presence(presence) => Self::User(presence.user_id.clone()),
            Write::SettleWakes(_) => Self::Wakes,
            Write::Sweep { .. } | Write::Erase(_) | Write::Fence(_) => Self::Sweep,
            Write::AddFile { .. } | Write::RemoveFile(_) => Self::Files,
            Write::Index(_) => Self::Index,
        }
    }
}

struct Job {
    write: Write,
    answer: oneshot::Sender<Answer>,
    /// It is not begun after this moment; its caller gets an error.
    expires: Instant,
    _room: OwnedSemaphorePermit,
    _pending: Pending,
}

/// All lanes of a store.
#[derive(Clone)]
pub(crate) struct Lanes(Arc<Inner>);

struct Inner {
    connection: DatabaseConnection,
    publisher: Arc<dyn Publisher>,
    /// A lane is there while its task runs.
    waiting: Mutex<HashMap<Lane, VecDeque<Job>>>,
    room: Arc<Semaphore>,
    in_flight: InFlight,
    cache: Cache,
    retries: AtomicU64,
    metrics: Metrics,
}

impl Lanes {
    pub(crate) fn new(connection: DatabaseConnection, publisher: Arc<dyn Publisher>) -> Self {
        Self(Arc::new(Inner {
            connection,
            publisher,
            waiting: Mutex::default(),
            room: Arc::new(Semaphore::new(QUEUE as usize)),
            in_flight: InFlight::default(),
            cache: Cache::default(),
            retries: AtomicU64::new(0),
            metrics: Metrics::new(),
        }))
    }

    /// Hands over a write and waits for its commit.
    pub(crate) async fn submit(&self, write: Write) -> Answer {
        let too_late = || StoreError::Unavailable("the database did not answer in time".to_owned());
        if let Write::Fence(channel) = &write {
            timeout(WAIT, self.0.in_flight.all_published(channel.as_ref())).await.map_err(|_| too_late())?;
            return Ok(None);
        }
        let expires = Instant::now() + WAIT;
        let room = timeout_at(expires, Arc::clone(&self.0.room).acquire_owned()).await;
        let Ok(Ok(room)) = room else { return Err(too_late().into()) };
        let (answer, answered) = oneshot::channel();
        let lane = Lane::of(&write);
        self.0.enqueue(lane, Job { write, answer, expires, _room: room, _pending: self.0.metrics.pending() });
        // Longer than the lane itself needs to give up, except when its commit is in doubt: then the
        // outcome is unknown, and a retry with the same idempotency key gets it.
        match timeout_at(expires + STATEMENTS + COMMIT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(StoreError::Unavailable("the write was given up".to_owned()).into()),
            Err(_) => Err(too_late().into()),
        }
    }

    /// Returns once everything that waits is committed and published, and lets nothing more in.
    pub(crate) async fn drain(&self) {
        // Each write has its room until it is answered.
        let _ = self.0.room.acquire_many(QUEUE).await;
        self.0.room.close();
    }

    /// Closes the connections, after the transactions that are under way.
    pub(crate) async fn close(&self) -> Result<(), DbErr> {
        self.0.connection.close_by_ref().await
    }

    /// How many writes wait or are under way.
    pub(crate) fn waiting(&self) -> usize {
        (QUEUE as usize).saturating_sub(self.0.room.available_permits())
    }

    /// How many transactions were tried again so far.
    pub(crate) fn retries(&self) -> u64 {
        self.0.retries.load(Ordering::Relaxed)
    }
}

/// The task of a lane. Removes the lane when it ends, however it ends; jobs that are still in it are answered by that.
struct LaneTask {
    inner: Arc<Inner>,
    /// `None` once the lane is gone: by then another task may have begun it anew.
    lane: Option<Lane>,
}

impl LaneTask {
    async fn run(mut self) {
        while let Some(batch) = self.lane.as_ref().and_then(|lane| self.inner.take(lane)) {
            self.inner.work(batch).await;
        }
        self.lane = None;
    }
}

impl Drop for LaneTask {
    fn drop(&mut self) {
        if let Some(lane) = &self.lane {
            let jobs = self.inner.waiting.lock().remove(lane);
            self.inner.metrics.lanes.decrement(1.0);
            drop(jobs);
        }
    }
}

impl Inner {
    fn enqueue(self: &Arc<Self>, lane: Lane, job: Job) {
        let mut waiting = self.waiting.lock();
        if let Some(jobs) = waiting.get_mut(&lane) {
            // A lane whose commit is in doubt takes no jobs meanwhile. Those that have expired must not keep the room
            // of others.
            let now = Instant::now();
            while let Some(late) = jobs.pop_front_if(|job| job.expires <= now) {
                self.give_up(late);
            }
            jobs.push_back(job);
            return;
        }
        waiting.insert(lane.clone(), VecDeque::from([job]));
        drop(waiting);
        self.metrics.lanes.increment(1.0);
        tokio::spawn(LaneTask { inner: Arc::clone(self), lane: Some(lane) }.run());
    }

    /// What waits in the lane; the lane ends when nothing does.
    fn take(&self, lane: &Lane) -> Option<Vec<Job>> {
        let mut waiting = self.waiting.lock();
        let jobs = waiting.get_mut(lane)?;
        if jobs.is_empty() {
            waiting.remove(lane);
            self.metrics.lanes.decrement(1.0);
            return None;
        }
        let count = jobs.len().min(MAX_BATCH);
        Some(jobs.drain(..count).collect())
    }

    async fn work(&self, mut batch: Vec<Job>) {
        while !batch.is_empty() {
            let now = Instant::now();
            for job in batch.extract_if(.., |job| job.expires <= now) {
                self.give_up(job);
            }
            batch = self.work_on(batch).await;
        }
    }

    /// One transaction for the batch; returns the jobs that it did not take.
    async fn work_on(&self, mut batch: Vec<Job>) -> Vec<Job> {
        if batch.is_empty() {
            return batch;
        }
        match self.attempt(&batch).await {
            Ok((outcomes, _in_flight)) => {
                let (committed, rest) = (Instant::now(), batch.split_off(outcomes.len()));
                for (job, outcome) in batch.into_iter().zip(outcomes) {
                    self.finish(job, outcome).await;
                }
                self.metrics.publish.record(committed.elapsed());
                return rest;
            }
            Err(error) if batch.len() > 1 && error.is_of_a_statement() => {
                tracing::warn!(
                    ?error,
                    writes = batch.len(),
                    "committing a batch failed; trying its writes one by one"
                );
                for job in batch {
                    self.metrics.retry(Cause::of(&error));
                    match self.attempt(std::slice::from_ref(&job)).await {
                        Ok((outcomes, _in_flight)) => self.finish(job, single(Ok(outcomes))).await,
                        Err(error) => {
                            self.metrics.fail(Cause::of(&error), 1);
                            self.finish(job, single(Err(error))).await;
                        }
                    }
                }
            }
            Err(error) => {
                self.metrics.fail(Cause::of(&error), batch.len());
                let error = StoreError::from(error).to_string();
                for job in batch {
                    let _ = job.answer.send(Err(StoreError::Unavailable(error.clone()).into()));
                }
            }
        }
        Vec::new()
    }

    fn give_up(&self, job: Job) {
        let late = StoreError::Unavailable("the database is too slow, or away".to_owned());
        self.metrics.fail(Cause::Late, 1);
        let _ = job.answer.send(Err(late.into()));
    }

    async fn finish(&self, job: Job, outcome: Outcome) {
        // The caller may be gone.
        let _ = job.answer.send(publish(outcome, self.publisher.as_ref()).await);
    }

    /// One transaction, tried again while that helps. The commit is in flight until all of it is published.
    async fn attempt(&self, batch: &[Job]) -> Result<(Vec<Outcome>, CommitInFlight), DatabaseError> {
        let expires = batch.iter().map(|job| job.expires).min().unwrap_or_else(Instant::now);
        let mut tries = 1;
        loop {
            let error = match self.transaction(batch).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let again = error.is_conflict() || error.is_connection();
            if !again || tries >= TRIES || Instant::now() >= expires {
                return Err(error);
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            self.metrics.retry(Cause::of(&error));
            tracing::debug!(?error, tries, "a transaction failed and is tried again");
            // What was out of date is loaded now.
            if !matches!(error, DatabaseError::Stale) {
                sleep(pause(tries)).await;
            }
            tries += 1;
        }
    }

    /// An error means that nothing was written.
    async fn transaction(&self, batch: &[Job]) -> Result<(Vec<Outcome>, CommitInFlight), DatabaseError> {
        let began = Instant::now();
        let statements = async {
            let transaction = self.connection.begin().await?;
            let writes = batch.iter().map(|job| &job.write);
            let Decided { outcomes, last, channels } =
                Batch::new(&transaction, &self.cache).run(writes).await?;
            write_all(&transaction, last).await?;
            Ok::<_, DatabaseError>((transaction, outcomes, channels))
        };
        let late = || DatabaseError::Timeout("the database did not answer in time");
        let (transaction, outcomes, channels) =
            timeout(STATEMENTS, statements).await.map_err(|_| late())??;
        let in_flight = self.in_flight.begin(batch.first().and_then(|job| job.write.channel()));
        let error = match timeout(COMMIT, transaction.commit()).await {
            Ok(Ok(())) => {
                for channel in channels {
                    self.cache.put(channel);
                }
                self.metrics.committed(began.elapsed(), outcomes.len());
                return Ok((outcomes, in_flight));
            }
            Ok(Err(error)) => DatabaseError::from(error),
            Err(_) => late(),
        };
        if error.is_refusal_of_the_server() {
            return Err(error);
        }
        tracing::warn!(
            ?error,
            "the connection failed during a commit; asking the database whether it happened"
        );
        let fate = resolve(&self.connection, &outcomes).await;
        self.metrics.resolved(fate);
        match fate {
            Fate::Committed => Ok((outcomes, in_flight)),
            Fate::RolledBack => Err(error),
        }
    }
}

/// A random while that grows with the number of tries: 10 ms at most after the first one.
fn pause(tries: u32) -> Duration {
    // Seeded anew by the standard library each time; no more than that is needed here.
    let random = RandomState::new().hash_one(tries);
    let most = 10_000 << tries.min(7);
    Duration::from_micros(random % most)
}
