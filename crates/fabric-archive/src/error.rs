//! Why exports and imports fail.

use std::io;
use std::path::PathBuf;

use fabric_domain::model::MessageId;
use fabric_domain::ports::{BytesError, StoreError};
use thiserror::Error;

use crate::part::Part;
use crate::port::BulkError;

/// Why a guild was not exported, or not imported. An import that fails leaves the database empty, or, where
/// the database itself has failed, marked as incomplete.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The target of the export is not empty.
    #[error("{0} exists and is not empty")]
    TargetNotEmpty(PathBuf),
    /// An export to the same place has not ended.
    #[error("{0} exists: another export is writing it, or has broken off; in that case remove it")]
    TargetBusy(PathBuf),
    /// There is no archive, or its writing has broken off: the manifest is written last.
    #[error("{0} is no archive, or one whose export has broken off: it has no manifest.json")]
    NoManifest(PathBuf),
    /// A newer program has written it.
    #[error("the archive is newer than this program: {0}")]
    TooNew(String),
    /// It was damaged or changed after it was written.
    #[error("the archive is damaged: {file}: {what}")]
    Damaged {
        /// In which file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A line contradicts the format or other lines.
    #[error("the archive is damaged: {file}, line {line}: {what}")]
    BadLine {
        /// In which file.
        file: String,
        /// In which line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// It is of another guild than the node that imports it.
    #[error("the archive is of the guild {archive:?}, and this node is {node:?}")]
    OtherGuild {
        /// Whose archive it is.
        archive: String,
        /// Who would import it.
        node: String,
    },
    /// Another import into the same database is at work.
    #[error("another import into this database has begun meanwhile")]
    TakenOver,
    /// The database contradicts itself, so an archive of it could not be imported.
    #[error("the database contradicts itself: {0}")]
    Inconsistent(String),
    /// The database says that a key of a part is there twice.
    #[error("a key of the part `{}` would be there twice", .0.name())]
    Duplicate(Part),
    /// The search order names a message that is not there, or is a note of a command.
    #[error("there is no message {0} that can be found")]
    NoSuchMessage(MessageId),
    /// The bytes of files could not be read or written.
    #[error(transparent)]
    Bytes(#[from] BytesError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error("{file}: {cause}")]
    File {
        /// Which one.
        file: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

impl ArchiveError {
    /// A stable code, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TargetNotEmpty(_) => "target_not_empty",
            Self::TargetBusy(_) => "target_busy",
            Self::NoManifest(_) => "archive_incomplete",
            Self::TooNew(_) => "archive_too_new",
            Self::Damaged { .. } | Self::BadLine { .. } | Self::Duplicate(_) | Self::NoSuchMessage(_) => {
                "archive_damaged"
            }
            Self::OtherGuild { .. } => "archive_of_another_guild",
            Self::TakenOver => "import_taken_over",
            Self::Inconsistent(_) => "database_inconsistent",
            Self::Store(_) => "storage_unavailable",
            Self::Bytes(_) => "files_unavailable",
            Self::File { .. } => "file_error",
        }
    }
}

impl From<BulkError> for ArchiveError {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::TakenOver => Self::TakenOver,
            BulkError::Duplicate { part, .. } => Self::Duplicate(part),
            BulkError::NoSuchMessage(id) => Self::NoSuchMessage(id),
            BulkError::Store(error) => Self::Store(error),
        }
    }
}
