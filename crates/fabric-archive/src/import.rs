//! Filling an empty database from an archive.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fabric_domain::model::{File, FileId, GuildId};
use fabric_domain::ports::{FileBytes, StoreError};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::bytes;
use crate::error::ArchiveError;
use crate::handover::{self, Batch, ClosedError};
use crate::manifest::{Manifest, Summary};
use crate::part::Part;
use crate::port::{BulkError, BulkWriter, Record, Reference};
use crate::progress::{Observer, SharedObserver, Step};
use crate::read::{Entry, find_line, read};

/// An archive whose manifest was read. What is in it is not believed before it is [verified](Self::verify).
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    manifest: Manifest,
}

impl Archive {
    /// Opens the archive in this folder.
    pub fn open(folder: &Path) -> Result<Self, ArchiveError> {
        Ok(Self { folder: folder.to_owned(), manifest: Manifest::read(folder)? })
    }

    /// Refuses the archive of another guild.
    pub fn of_guild(self, guild: &GuildId) -> Result<Self, ArchiveError> {
        if self.manifest.guild == *guild {
            return Ok(self);
        }
        let (archive, node) = (self.manifest.guild.to_string(), guild.to_string());
        Err(ArchiveError::OtherGuild { archive, node })
    }

    /// Checks everything that can be checked without a database: sums, counts, order, whether the records belong
    /// together, and the bytes of files.
    pub async fn verify(self, observer: SharedObserver) -> Result<VerifiedArchive, ArchiveError> {
        let Self { folder, manifest } = self;
        blocking(move || {
            read(&folder, &manifest, Step::Checking, &*observer, |_, _| Ok(()))?;
            Ok(VerifiedArchive { folder, manifest })
        })
        .await
    }
}

/// An archive that was checked, and may be loaded.
#[derive(Debug)]
pub struct VerifiedArchive {
    folder: PathBuf,
    manifest: Manifest,
}

impl VerifiedArchive {
    /// What is in it.
    pub fn summary(&self) -> Summary {
        self.manifest.summary()
    }

    /// Fills the database that `writer` writes to. The bytes of files go to `bytes`; those that are there already are
    /// left alone.
    ///
    /// An import that breaks off leaves the database marked as incomplete, and the next one begins anew; one that
    /// fails for a reason in the archive leaves the database empty.
    pub async fn load(
        self,
        mut writer: impl BulkWriter,
        bytes: Arc<dyn FileBytes>,
        observer: SharedObserver,
    ) -> Result<Summary, ArchiveError> {
        let Self { folder, manifest } = self;
        let summary = manifest.summary();
        let mut copies = Copies { archive: folder.clone(), bytes, made: Vec::new() };
        match load(&mut writer, &mut copies, folder, manifest, observer).await {
            Ok(()) => {
                writer.finish().await?;
                Ok(summary)
            }
            Err(error) => match writer.abandon(copies.undo()).await {
                Ok(()) => Err(error),
                // The first error may look different: records that are there already are the other import's.
                Err(BulkError::TakenOver) => Err(ArchiveError::TakenOver),
                Err(again) => {
                    tracing::warn!(error = %again, "deleting a failed import failed; it stays marked as incomplete");
                    Err(error)
                }
            },
        }
    }
}

/// On a thread of its own, since reading and hashing block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(stopped(error)))
}

/// The reading thread has panicked, or its receiver is gone.
fn stopped(error: impl std::fmt::Display) -> ArchiveError {
    StoreError::Unavailable(format!("reading has stopped: {error}")).into()
}

/// Bytes that were copied out of an archive.
struct Copies {
    archive: PathBuf,
    bytes: Arc<dyn FileBytes>,
    /// Of these files.
    made: Vec<FileId>,
}

impl Copies {
    async fn make(&mut self, file: &File) -> Result<(), ArchiveError> {
        if bytes::store(&self.archive, file, self.bytes.as_ref()).await? {
            self.made.push(file.id.clone());
        }
        Ok(())
    }

    /// Removes the copied bytes. Bytes that stay nevertheless, also those of an import that was taken over, either have
    /// no row, and the server sweeps them, or belong to the import that goes on.
    async fn undo(&self) {
        for id in &self.made {
            if let Err(error) = self.bytes.remove(id).await {
                tracing::warn!(%error, %id, "removing the copied bytes of a file failed");
            }
        }
    }
}

/// Reads the archive once more and hands its records to the writer.
async fn load(
    writer: &mut impl BulkWriter,
    copies: &mut Copies,
    folder: PathBuf,
    manifest: Manifest,
    observer: SharedObserver,
) -> Result<(), ArchiveError> {
    let (entries, waiting) = handover::channel();
    let reading = {
        let (folder, manifest) = (folder.clone(), manifest.clone());
        spawn_blocking(move || hand_over(&folder, &manifest, &*observer, entries))
    };
    // The reading thread stops when the receiver is gone.
    let filled = fill(writer, copies, waiting).await;
    let read = reading.await.map_err(stopped)?;
    match filled {
        Ok(()) => read?,
        Err(FillError::Archive(error)) => return Err(error),
        Err(FillError::Bulk { error, messages }) => {
            return Err(located(error, folder, manifest, messages).await);
        }
    }
    examine(writer, &folder, &manifest).await
}

/// Why a database was not filled.
enum FillError {
    Archive(ArchiveError),
    /// The writer has failed, after it has taken so many messages.
    Bulk {
        error: BulkError,
        messages: u64,
    },
}

impl From<ArchiveError> for FillError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

async fn fill(
    writer: &mut impl BulkWriter,
    copies: &mut Copies,
    mut waiting: mpsc::Receiver<Batch>,
) -> Result<(), FillError> {
    let mut messages = 0;
    while let Some(batch) = waiting.recv().await {
        for Entry { record, has_bytes } in batch.entries {
            match &record {
                Record::Message(_) => messages += 1,
                // Bytes are there before their record is.
                Record::File(file) if has_bytes => copies.make(file).await?,
                _ => {}
            }
            writer.write(record).await.map_err(|error| FillError::Bulk { error, messages })?;
        }
    }
    writer.flush().await.map_err(|error| FillError::Bulk { error, messages })
}

/// Says in which line of the archive the reason is, where it is one of the archive.
async fn located(error: BulkError, folder: PathBuf, manifest: Manifest, messages: u64) -> ArchiveError {
    let told = match error {
        BulkError::Duplicate { part: Part::Messages, among } => {
            blocking(move || duplicate(&folder, &manifest, messages, among)).await
        }
        BulkError::Duplicate { part: Part::SearchOrder, .. } => {
            let what = "a message is there twice".to_owned();
            Ok(ArchiveError::Damaged { file: Part::SearchOrder.file(), what })
        }
        BulkError::NoSuchMessage(stray) => {
            let is_it = move |_, id: &str| id == stray.as_str();
            let line = blocking(move || find_line(&folder, &manifest, Part::SearchOrder, is_it)).await;
            line.map(|line| ArchiveError::BadLine {
                file: Part::SearchOrder.file(),
                line: line.unwrap_or_default(),
                what: "there is no such message, or it is a note of a command".to_owned(),
            })
        }
        error => Ok(error.into()),
    };
    told.unwrap_or_else(|error| error)
}

/// Reads the archive once more, and checks it once more: it may have changed since.
fn hand_over(
    folder: &Path,
    manifest: &Manifest,
    observer: Observer<'_>,
    mut entries: handover::Sender,
) -> Result<(), ArchiveError> {
    let closed = |ClosedError| stopped("the database takes no more records");
    read(folder, manifest, Step::Loading, observer, |entry, bytes| {
        entries.push(entry, bytes).map_err(closed)
    })?;
    entries.finish().map_err(closed)
}

/// Finds the message whose id another one has: one of the `among` that were loaded last.
fn duplicate(
    folder: &Path,
    manifest: &Manifest,
    messages: u64,
    among: u64,
) -> Result<ArchiveError, ArchiveError> {
    let mut latest = HashMap::new();
    let first = messages.saturating_sub(among);
    find_line(folder, manifest, Part::Messages, |line, id| {
        if line > first {
            latest.entry(id.to_owned()).or_insert(line);
        }
        line >= messages
    })?;
    let mut same = None;
    let found = find_line(folder, manifest, Part::Messages, |line, id| {
        same = latest.get(id).copied().filter(|other| *other != line);
        same.is_some()
    })?;
    let (line, other) = (found.max(same).unwrap_or(messages), found.min(same).unwrap_or_default());
    let what = format!("its id is that of line {other}");
    Ok(ArchiveError::BadLine { file: Part::Messages.file(), line, what })
}

/// Checks what takes the whole database to know.
async fn examine(writer: &impl BulkWriter, folder: &Path, manifest: &Manifest) -> Result<(), ArchiveError> {
    let checks = [
        (Reference::ReplyTo, Part::Messages, "it answers a message that is not in its channel"),
        (Reference::Attachment, Part::Attachments, "its message is not in its channel"),
        (Reference::Revision, Part::Revisions, "its message is not there"),
    ];
    for (reference, part, what) in checks {
        let Some(message) = writer.dangling(reference).await? else { continue };
        let (folder, manifest) = (folder.to_owned(), manifest.clone());
        let is_it = move |_, id: &str| id == message.as_str();
        let line = blocking(move || find_line(&folder, &manifest, part, is_it)).await?;
        let line = line.unwrap_or_default();
        return Err(ArchiveError::BadLine { file: part.file(), line, what: what.to_owned() });
    }
    Ok(())
}
