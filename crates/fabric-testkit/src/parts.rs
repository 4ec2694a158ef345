//! Time, ids, and who listens.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use fabric_domain::decisions::Commit;
use fabric_domain::model::{ChannelId, FileId, MessageId, Presence, Timestamp, UserId};
use fabric_domain::ports::{Clock, ConnectedUsers, IdGenerator, Publisher};
use fabric_domain::rules::turn::Seed;
use parking_lot::Mutex;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_800_000_000_000))
    }
}

impl TestClock {
    /// Moves the time on.
    pub fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Ids and seeds that count up. As real ids, these are in the order of time.
#[derive(Debug, Default)]
pub struct TestIds(AtomicU64);

impl TestIds {
    /// The next one is this; two guilds on one store need ids of their own.
    pub fn begin_at(&self, first: u64) {
        self.0.store(first, Ordering::SeqCst);
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

impl IdGenerator for TestIds {
    fn message_id(&self, _now: Timestamp) -> MessageId {
        MessageId::new(format!("m{:08}", self.next()))
    }

    fn channel_id(&self, _now: Timestamp) -> ChannelId {
        ChannelId::new(format!("c{:08}", self.next()))
    }

    fn file_id(&self, _now: Timestamp) -> FileId {
        // Of one width, so that later ones are greater, as real ones are.
        FileId::new(format!("f{:06}", self.next()))
    }

    fn turn_seed(&self) -> Seed {
        Seed(self.next())
    }
}

/// A publisher that remembers what it was told.
#[derive(Debug, Default)]
pub struct Recorder {
    commits: Mutex<Vec<Commit>>,
    presences: Mutex<Vec<Presence>>,
}

impl Recorder {
    /// Everything published since the last call.
    pub fn take(&self) -> Vec<Commit> {
        std::mem::take(&mut self.commits.lock())
    }

    /// Every presence since the last call.
    pub fn take_presences(&self) -> Vec<Presence> {
        std::mem::take(&mut self.presences.lock())
    }
}

#[async_trait]
impl Publisher for Recorder {
    async fn publish(&self, commit: Commit) {
        self.commits.lock().push(commit);
    }

    async fn presence(&self, presence: Presence) {
        self.presences.lock().push(presence);
    }
}

/// Nobody has a live socket.
#[derive(Debug, Default)]
pub struct NobodyConnected;

impl ConnectedUsers for NobodyConnected {
    fn is_connected(&self, _user: &UserId) -> bool {
        false
    }

    fn connected(&self) -> Vec<UserId> {
        Vec::new()
    }
}
