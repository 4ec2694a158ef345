//! Metrics of the write path. Operators find their names in docs/operations.md, which a test compares.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use super::in_doubt::Fate;
use crate::error::DatabaseError;

const RETRIES: &str = "fabric_store_retries_total";
const FAILED: &str = "fabric_store_failed_writes_total";
const SETTLED: &str = "fabric_store_settled_commits_total";
const PENDING: &str = "fabric_store_pending_writes";
const LANES: &str = "fabric_store_lanes";
const BATCH: &str = "fabric_store_batch_writes";
const COMMIT: &str = "fabric_store_commit_seconds";
const PUBLISH: &str = "fabric_store_publish_seconds";

/// Handles of this store; they cost an atomic operation each, or nothing where nobody records.
pub(crate) struct Metrics {
    /// By [`Cause`].
    retries: [Counter; Cause::ALL.len()],
    failed: [Counter; Cause::ALL.len()],
    settled_committed: Counter,
    settled_rolled_back: Counter,
    pending: Gauge,
    /// Channels and users whose writes are under way, where each has a lane.
    pub(crate) lanes: Gauge,
    batch: Histogram,
    commit: Histogram,
    /// From the commit until everything in it was handed to the publisher, in seconds.
    pub(crate) publish: Histogram,
}

/// Why a transaction did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Another transaction was in the way.
    Conflict,
    /// The connection failed.
    Connection,
    /// The database did not answer in time.
    Late,
    /// The database refused a statement: no room, no right, a bug.
    Statement,
}

impl Cause {
    const ALL: [Self; 4] = [Self::Conflict, Self::Connection, Self::Late, Self::Statement];

    pub(crate) fn of(error: &DatabaseError) -> Self {
        if error.is_conflict() {
            Self::Conflict
        } else if error.is_connection() {
            Self::Connection
        } else if matches!(error, DatabaseError::Timeout(_)) {
            Self::Late
        } else {
            Self::Statement
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Connection => "connection",
            Self::Late => "late",
            Self::Statement => "statement",
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        describe_counter!(RETRIES, "Transactions that were tried again");
        describe_counter!(FAILED, "Writes that were given up");
        describe_counter!(
            SETTLED,
            "Commits whose answer was lost, once the database told what became of them"
        );
        describe_gauge!(PENDING, "Writes that wait for their transaction, or are in it");
        describe_gauge!(LANES, "Channels and users whose writes are under way");
        describe_histogram!(BATCH, "Writes of one transaction");
        describe_histogram!(COMMIT, "Seconds from the beginning of a transaction to the end of its commit");
        describe_histogram!(PUBLISH, "Seconds from a commit until all of it was handed on to be delivered");
        let by_cause = |name: &'static str| Cause::ALL.map(|cause| counter!(name, "cause" => cause.as_str()));
        Self {
            retries: by_cause(RETRIES),
            failed: by_cause(FAILED),
            settled_committed: counter!(SETTLED, "outcome" => "committed"),
            settled_rolled_back: counter!(SETTLED, "outcome" => "rolled_back"),
            pending: gauge!(PENDING),
            lanes: gauge!(LANES),
            batch: histogram!(BATCH),
            commit: histogram!(COMMIT),
            publish: histogram!(PUBLISH),
        }
    }

    /// A transaction is tried again.
    pub(crate) fn retry(&self, cause: Cause) {
        self.retries[cause as usize].increment(1);
    }

    /// So many writes are given up.
    pub(crate) fn fail(&self, cause: Cause, writes: usize) {
        self.failed[cause as usize].increment(writes as u64);
    }

    /// A commit is not in doubt any more.
    pub(crate) fn resolved(&self, fate: Fate) {
        match fate {
            Fate::Committed => self.settled_committed.increment(1),
            Fate::RolledBack => self.settled_rolled_back.increment(1),
        }
    }

    /// A transaction is committed: how long it took from its beginning, and how many writes are in it.
    pub(crate) fn committed(&self, took: Duration, writes: usize) {
        self.commit.record(took);
        self.batch.record(u32::try_from(writes).map_or(f64::INFINITY, f64::from));
    }

    /// A write is pending until this is dropped.
    pub(crate) fn pending(&self) -> Pending {
        self.pending.increment(1.0);
        Pending(self.pending.clone())
    }
}

/// A write that is counted as pending.
pub(crate) struct Pending(Gauge);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
