//! How far an export or import is.

use std::sync::Arc;

use crate::part::Part;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Records are written into the archive.
    Exporting,
    /// The archive is read and checked, and nothing is written.
    Checking,
    /// Records are written into the database.
    Loading,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// With this part.
    pub part: Part,
    /// So many of its records are done.
    pub done: u64,
    /// How many there are, where that is known.
    pub of: Option<u64>,
}

/// Called every 10,000 records and at the end of each part.
pub type Observer<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// As [`Observer`], for calls from other threads.
pub type SharedObserver = Arc<dyn Fn(Progress) + Send + Sync>;

/// How often an observer is called, in records.
pub(crate) const OBSERVED_EVERY: u64 = 10_000;
