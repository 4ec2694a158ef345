//! A whole guild as a folder of JSON lines: how it is backed up, and how it moves to another kind of database.
//!
//! docs/archive.md describes the format. [`export`] reads one snapshot, beside a running server; [`import`]
//! fills an empty database of any kind. Bytes of files go with them; exporting that one again gives the same bytes. Both go over the data
//! once or twice and keep of it what grows with channels and members, but not with messages.
//!
//! Lines have types of their own (`record.rs`), so the tables may change and old archives stay readable.

mod bytes;
mod check;
mod error;
mod export;
mod file_record;
mod import;
mod lines;
mod manifest;
mod read;
mod record;
mod under_way;

use fabric_domain::model::{GuildId, Timestamp};

pub use error::ArchiveError;
pub use export::export;
pub use import::{ImportOptions, import, verify};
pub use manifest::{Part, VERSION};

/// Whose archive it is, and when and by what it is written.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The guild that is exported: an archive is imported only by a node of the same id.
    pub guild: GuildId,
    /// Noted in the archive.
    pub now: Timestamp,
    /// Name and version of the program, noted in the archive.
    pub program: String,
}

/// How many records there are of each part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// In the order of [`Part::ALL`].
    pub records: Vec<(Part, u64)>,
    /// Size of all parts.
    pub bytes: u64,
}

impl Summary {
    /// How many records a part has.
    pub fn of(&self, part: Part) -> u64 {
        self.records.iter().find(|(named, _)| *named == part).map_or(0, |(_, records)| *records)
    }
}

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

/// Is told now and then, and at the end of each part.
pub type Observer<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// How often an observer is told, in records.
const TOLD_EVERY: u64 = 10_000;
