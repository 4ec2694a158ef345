//! The task that puts the tail of the search index into it (docs/adr/0007).
//!
//! It is woken by what is published, waits a little, so that many messages share a batch, and lets writers go first as
//! long as the tail is short. What it has not done when the process ends, the next one does when it starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fabric_domain::decisions::{Commit, Event};
use fabric_domain::model::Presence;
use fabric_domain::ports::{Publisher, StoreError};
use fabric_domain::rules::search::is_findable;
use metrics::{Gauge, Histogram, describe_gauge, describe_histogram, gauge, histogram};
use sea_orm::DatabaseConnection;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::{Writes, limited};
use crate::commit::Write;
use crate::search;

/// How long messages wait for others to be indexed with.
const DELAY: Duration = Duration::from_millis(200);
/// How long writers are let go first, before they are looked at again.
const PAUSE: Duration = Duration::from_millis(50);
/// How long to wait after a failure of the database.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// So many waiting writes are more than what a few people cause.
const BUSY: usize = 4;
/// Fewer messages than these wait for others: a transaction of their own costs a sync of the disk, as a post does.
const FEW: usize = 64;
/// A tail that is longer is indexed even while writers wait: every search looks at all of it.
const LONG: usize = 2_000;

const TAIL: &str = "fabric_store_unindexed_messages";
const BATCH: &str = "fabric_store_index_batch_messages";
const TOOK: &str = "fabric_store_index_seconds";

/// What is known of the tail without asking the database.
pub(super) struct Tail {
    /// About how many messages are in it.
    len: AtomicUsize,
    grown: Notify,
    gauge: Gauge,
    batch: Histogram,
    took: Histogram,
}

impl Tail {
    pub(super) fn new() -> Arc<Self> {
        describe_gauge!(
            TAIL,
            "Messages whose words are not in the index yet, and which a search looks at one by one"
        );
        describe_histogram!(BATCH, "Messages that were indexed in one transaction");
        describe_histogram!(TOOK, "Seconds from asking for a transaction that indexes to its commit");
        Arc::new(Self {
            len: AtomicUsize::new(0),
            grown: Notify::new(),
            gauge: gauge!(TAIL),
            batch: histogram!(BATCH),
            took: histogram!(TOOK),
        })
    }

    fn grow(&self, messages: usize) {
        if messages > 0 {
            let before = self.len.fetch_add(messages, Ordering::Relaxed);
            self.record(before + messages);
            self.grown.notify_one();
        }
    }

    fn set(&self, messages: usize) {
        self.len.store(messages, Ordering::Relaxed);
        self.record(messages);
    }

    fn shrink(&self, messages: usize) {
        let less = |len: usize| Some(len.saturating_sub(messages));
        let _ = self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.record(self.len.load(Ordering::Relaxed));
    }

    fn record(&self, messages: usize) {
        self.gauge.set(u32::try_from(messages).map_or(f64::INFINITY, f64::from));
    }
}

/// A publisher that sees the tail grow.
pub(super) struct Watched {
    pub(super) publisher: Arc<dyn Publisher>,
    pub(super) tail: Arc<Tail>,
}

#[async_trait]
impl Publisher for Watched {
    async fn publish(&self, commit: Commit) {
        let grows = |event: &&Event| match event {
            Event::MessageCreated { message, .. } | Event::MessageUpdated(message) => is_findable(message),
            _ => false,
        };
        self.tail.grow(commit.events.iter().filter(grows).count());
        self.publisher.publish(commit).await;
    }

    async fn presence(&self, presence: Presence) {
        self.publisher.presence(presence).await;
    }
}

/// Puts the tail into the index.
#[derive(Clone)]
pub(super) struct Indexer {
    pub(super) reads: DatabaseConnection,
    pub(super) writes: Writes,
    pub(super) tail: Arc<Tail>,
}

/// The task of an indexer, which ends with this.
pub(super) struct IndexerTask(AbortHandle);

impl IndexerTask {
    pub(super) fn end(&self) {
        self.0.abort();
    }
}

impl Drop for IndexerTask {
    fn drop(&mut self) {
        self.end();
    }
}

impl Indexer {
    pub(super) fn start(self) -> IndexerTask {
        IndexerTask(tokio::spawn(self.run()).abort_handle())
    }

    async fn run(self) {
        // What was left when the last process ended.
        let mut done = limited(search::len(&self.reads)).await.map(|len| self.tail.set(len));
        loop {
            if let Err(error) = done {
                tracing::warn!(%error, "indexing messages failed; searches find them, and it is tried again");
                sleep(AFTER_FAILURE).await;
            }
            done = self.catch_up().await;
            if done.is_ok() {
                self.tail.grown.notified().await;
                sleep(DELAY).await;
            }
        }
    }

    /// Indexes what is in the tail until little is, while writers do not wait for it. What came meanwhile waits, too,
    /// for others to come: the task is to look again.
    async fn catch_up(&self) -> Result<(), StoreError> {
        loop {
            while self.writes.waiting() > BUSY && self.tail.len.load(Ordering::Relaxed) < LONG {
                sleep(PAUSE).await;
            }
            if self.index(usize::MAX).await? == 0 {
                return Ok(());
            }
            if self.tail.len.load(Ordering::Relaxed) < FEW {
                self.tail.grown.notify_one();
                return Ok(());
            }
        }
    }

    /// Indexes a batch, and returns how many messages were in it: at most so many, and none when the tail is empty.
    pub(super) async fn index(&self, most: usize) -> Result<usize, StoreError> {
        let batch = limited(search::upcoming(&self.reads, most)).await?;
        let messages = batch.len();
        if messages == 0 {
            self.tail.set(0);
            return Ok(0);
        }
        let began = Instant::now();
        self.writes.write(Write::Index(batch)).await?;
        self.tail.shrink(messages);
        self.tail.took.record(began.elapsed());
        self.tail.batch.record(u32::try_from(messages).map_or(f64::INFINITY, f64::from));
        Ok(messages)
    }
}
