//! Files: rows in the store, and bytes in a place of their own.
//!
//! The two cannot be written in one transaction. So the order is fixed, and every crash leaves only what the
//! sweep takes away: bytes are complete and durable *before* their row is written, and the row is gone *before*
//! its bytes are removed. A row without bytes can only come from outside (a folder that was lost, a backup of
//! one half); bytes without a row are garbage.
//!
//! # Adding a place for bytes
//!
//! Implement [`FileBytes`] and run `fabric_testkit::file_bytes_contract_tests!` on it unchanged.

use std::collections::HashSet;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use super::StoreError;
use crate::model::{ChannelId, File, FileId, Quota, Refusal, Timestamp, Usage, UserId};

/// Why a file's row was not added.
#[derive(Debug, Error)]
pub enum AddFileError {
    /// It would be more than the quota.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rows of files. Files get attached by messages: see [`Scope::files`](super::Scope::files).
#[async_trait]
pub trait FileStore: Send + Sync {
    /// Adds the row of a file whose bytes are durable, unless it would exceed the quota: of any number at once,
    /// here or on other nodes, the quota holds. A file that is there already is left alone.
    async fn add_file(&self, file: &File, quota: Quota) -> Result<(), AddFileError>;

    /// One file.
    async fn file(&self, id: &FileId) -> Result<Option<File>, StoreError>;

    /// The channels in which the file, which may be gone, is attached to a message that is not deleted. By id,
    /// each once.
    async fn channels_of_file(&self, id: &FileId) -> Result<Vec<ChannelId>, StoreError>;

    /// At most `limit` files that were put on the loose shelf before `loose`, or on the attached one before
    /// `attached`: the oldest ones of each shelf.
    async fn expired_files(
        &self,
        loose: Timestamp,
        attached: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<File>, StoreError>;

    /// Removes the row if the file is still on the shelf where `file` was seen; one that was attached
    /// meanwhile stays. Messages keep what they have of it. Whether it is gone, [`Self::file`] tells.
    async fn remove_file(&self, file: &File) -> Result<(), StoreError>;

    /// At most `limit` files in the order of their ids, beginning after `after`: to walk over all of them.
    async fn files_after(&self, after: Option<FileId>, limit: u32) -> Result<Vec<File>, StoreError>;

    /// Which of these files, at most a thousand, have a row.
    async fn known_files(&self, ids: &[FileId]) -> Result<HashSet<FileId>, StoreError>;

    /// How many bytes of files there are. The sums are kept with the rows, so they never drift apart.
    async fn file_usage(&self, user: &UserId) -> Result<Usage, StoreError>;
}

/// The place of the bytes failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BytesError {
    /// There is no room. What was begun is gone.
    #[error("no room for files: {0}")]
    Full(String),
    /// It cannot be reached, or refused; worth another try.
    #[error("files unavailable: {0}")]
    Unavailable(String),
}

/// What lies in the place of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBytes {
    /// The file.
    pub id: FileId,
    /// When the last byte was written, by the clock of that place.
    pub written_at: Timestamp,
    /// Complete, or the rest of an upload that broke off (or still goes on).
    pub is_complete: bool,
}

/// Where bytes are kept.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait FileBytes: Send + Sync {
    /// Begins a file. Nothing is readable before [`Draft::complete`]; a draft that is dropped leaves nothing
    /// behind, unless the process ends with it.
    async fn begin(&self, id: &FileId) -> Result<Box<dyn Draft>, BytesError>;

    /// Reads a range of a complete file; `None` when there is no such file, or the range is not in it.
    async fn read(&self, id: &FileId, range: Range<u64>) -> Result<Option<Box<dyn ByteSource>>, BytesError>;

    /// How many bytes a complete file has; `None` when there is no such file.
    async fn size(&self, id: &FileId) -> Result<Option<u64>, BytesError>;

    /// Removes a file, complete or not. Removing one that is not there succeeds.
    async fn remove(&self, id: &FileId) -> Result<(), BytesError>;

    /// Everything that is there, in no order, in portions of at most a thousand.
    async fn list(&self) -> Result<Box<dyn Listing>, BytesError>;
}

/// A file that is being written.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait Draft: Send {
    /// Appends.
    async fn write(&mut self, chunk: Bytes) -> Result<(), BytesError>;

    /// Makes what was written durable, and readable. Whoever gives up waiting does not know whether it is.
    async fn complete(self: Box<Self>) -> Result<(), BytesError>;
}

/// Bytes on their way out.
#[async_trait]
pub trait ByteSource: Send {
    /// The next bytes, at most 64 KiB or so; `None` at the end of the range.
    async fn next(&mut self) -> Result<Option<Bytes>, BytesError>;
}

/// A look at everything that is there.
#[async_trait]
pub trait Listing: Send {
    /// The next portion; empty at the end.
    async fn next(&mut self) -> Result<Vec<StoredBytes>, BytesError>;
}
