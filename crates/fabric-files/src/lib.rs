//! The bytes of Fabric's files, in a folder: the port [`FileBytes`] on a disk.
//!
//! A file is `<id>`; while it is written it is `<id>.part`. It becomes readable by a rename, after its bytes were
//! forced to the disk, and counts as complete when the folder's entry was, too. So whatever the process or the
//! power does, `<id>` is whole or not there.
//!
//! A folder belongs to one guild and its database, which is noted in it: two in one folder would take each other's
//! files for garbage. Several replicas of one guild may share one. One that is nobody's yet is taken only when there
//! is nothing in it but what may be a guild's.

mod draft;
mod folder;
mod listing;
mod source;

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use fabric_domain::model::{FileId, GuildId};
use fabric_domain::ports::{ByteSource, BytesError, Draft, FileBytes, Listing};
use thiserror::Error;

use draft::DiskDraft;
use folder::Folder;
use listing::DiskListing;
use source::DiskSource;

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// It cannot be made, read or written.
    #[error("the folder for files, {folder}: {cause}")]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// It holds another guild's files.
    #[error("the folder for files, {folder}, is that of the guild {owner}")]
    OfAnother {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// It is nobody's yet, and there is something in it that no guild has put there.
    #[error(
        "the folder for files, {folder}, holds something else: {stranger}; set FILE_DIR to a folder of its own, or move \
         away what is not the guild's"
    )]
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// The name of a file in it.
        stranger: String,
    },
    /// It holds the files of another database, to which they would be garbage.
    #[error(
        "the folder for files, {folder}, belongs to another database of this guild: look at DB_URL and FILE_DIR; if that \
         database is gone for good, remove the folder, or only the file .fabric-guild in it to have what is unknown swept"
    )]
    OfAnotherDatabase {
        /// The folder.
        folder: PathBuf,
    },
}

impl FolderError {
    /// A stable code, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "files_unavailable",
            Self::OfAnother { .. } | Self::NotOurs { .. } | Self::OfAnotherDatabase { .. } => {
                "files_of_another"
            }
        }
    }
}

/// Files in a folder. Clones are the same folder.
#[derive(Debug, Clone)]
pub struct DiskFiles {
    folder: Arc<Folder>,
    guild: GuildId,
}

impl DiskFiles {
    /// Opens the folder of this guild; it is made when it is not there.
    pub fn open(folder: &Path, guild: &GuildId) -> Result<Self, FolderError> {
        let unusable = |cause| FolderError::Unusable { folder: folder.to_owned(), cause };
        let opened = Folder::open(folder).map_err(unusable)?;
        match opened.owner().map_err(unusable)? {
            Some((owner, _)) if owner != guild.as_str() => {
                Err(FolderError::OfAnother { folder: folder.to_owned(), owner })
            }
            _ => Ok(Self { folder: Arc::new(opened), guild: guild.clone() }),
        }
    }

    /// Sees to it that the folder is that of this database, which was made at `made_at` (seconds since 1970); from
    /// now on it is, when it was nobody's. Without it a sweep might take the files of another one for garbage.
    pub fn belong_to(&self, made_at: i64) -> Result<(), FolderError> {
        match self.folder.owner().map_err(|cause| self.unusable(cause))? {
            Some((_, Some(database))) if database != made_at => {
                Err(FolderError::OfAnotherDatabase { folder: self.folder.path().to_owned() })
            }
            Some((_, Some(_))) => Ok(()),
            Some((_, None)) | None => self.hand_over_to(made_at),
        }
    }

    /// Refuses a folder that is nobody's yet and holds a file that no guild has put there: it was named by mistake.
    pub fn is_ours_or_free(&self) -> Result<(), FolderError> {
        if self.folder.owner().map_err(|cause| self.unusable(cause))?.is_some() {
            return Ok(());
        }
        match self.folder.stranger().map_err(|cause| self.unusable(cause))? {
            Some(stranger) => Err(FolderError::NotOurs { folder: self.folder.path().to_owned(), stranger }),
            None => Ok(()),
        }
    }

    /// From now on the folder is that of this database: the guild has moved there. One that is nobody's yet is refused
    /// as by [`is_ours_or_free`](Self::is_ours_or_free).
    pub fn hand_over_to(&self, made_at: i64) -> Result<(), FolderError> {
        self.is_ours_or_free()?;
        self.folder.note(self.guild.as_str(), made_at).map_err(|cause| self.unusable(cause))
    }

    fn unusable(&self, cause: io::Error) -> FolderError {
        FolderError::Unusable { folder: self.folder.path().to_owned(), cause }
    }
}

#[async_trait]
impl FileBytes for DiskFiles {
    async fn begin(&self, id: &FileId) -> Result<Box<dyn Draft>, BytesError> {
        let paths = self.folder.paths(id).ok_or_else(|| not_an_id(id))?;
        Ok(Box::new(DiskDraft::begin(Arc::clone(&self.folder), paths).await?))
    }

    async fn read(&self, id: &FileId, range: Range<u64>) -> Result<Option<Box<dyn ByteSource>>, BytesError> {
        let Some(paths) = self.folder.paths(id) else { return Ok(None) };
        let source = blocking(move || DiskSource::open(&paths.whole, range)).await?;
        Ok(source.map(|source| Box::new(source) as _))
    }

    async fn size(&self, id: &FileId) -> Result<Option<u64>, BytesError> {
        let Some(paths) = self.folder.paths(id) else { return Ok(None) };
        let size = move || present(fs::metadata(&paths.whole)).map(|found| found.map(|data| data.len()));
        blocking(size).await
    }

    async fn remove(&self, id: &FileId) -> Result<(), BytesError> {
        let Some(paths) = self.folder.paths(id) else { return Ok(()) };
        // Should a crash bring the entry back, it is without a row, and the next sweep takes it.
        blocking(move || {
            present(fs::remove_file(&paths.part))?;
            present(fs::remove_file(&paths.whole)).map(drop)
        })
        .await
    }

    async fn list(&self) -> Result<Box<dyn Listing>, BytesError> {
        let folder = Arc::clone(&self.folder);
        let entries = blocking(move || folder.entries()).await?;
        Ok(Box::new(DiskListing::new(entries)))
    }
}

/// Ids come from us, and become names of files: one that is no plain name is a mistake.
fn not_an_id(id: &FileId) -> BytesError {
    BytesError::Unavailable(format!("{id:?} cannot be the name of a file"))
}

/// That something is not there is an answer.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Work that may wait for the disk, on a thread that may wait. It is done also when nobody waits any more.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BytesError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(stopped) => Err(BytesError::Unavailable(stopped.to_string())),
    }
}

/// What a failure of the system means.
fn failed(error: &io::Error) -> BytesError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            BytesError::Full(error.to_string())
        }
        _ => BytesError::Unavailable(error.to_string()),
    }
}
