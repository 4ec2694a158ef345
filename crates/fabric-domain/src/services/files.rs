//! Files: upload, read, attach, and the sweep that keeps rows and bytes together (spec/3 section 7).
//!
//! `ports/files.rs` says which of the two comes first, and why.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Guild, ServiceError};
use crate::decisions::files::is_plausible;
use crate::model::{Caller, File, FileId, FileName, FileState, MediaType, Refusal, Shelf, UserId};
use crate::ports::{AddFileError, ByteSource, Draft};

/// Bytes without a row are younger than this while their upload may still go on somewhere.
const ORPHAN_AGE: Duration = Duration::from_hours(1);
/// How many files one look takes.
const PORTION: u32 = 100;

/// Who is uploading what in this process.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    by_user: HashMap<UserId, usize>,
    ids: HashSet<FileId>,
}

impl Uploads {
    fn running(&self) -> MutexGuard<'_, Running> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more upload, if the user may.
    fn enter(self: &Arc<Self>, user: &UserId, id: &FileId, max: usize) -> Result<Ticket, Refusal> {
        let mut running = self.running();
        let count = running.by_user.entry(user.clone()).or_default();
        if *count >= max {
            return Err(Refusal::TooManyUploads { max });
        }
        *count += 1;
        running.ids.insert(id.clone());
        drop(running);
        Ok(Ticket { uploads: Arc::clone(self), user: user.clone(), id: id.clone() })
    }
}

/// An upload that counts, until it is dropped.
#[derive(Debug)]
struct Ticket {
    uploads: Arc<Uploads>,
    user: UserId,
    id: FileId,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut running = self.uploads.running();
        running.ids.remove(&self.id);
        if let Some(count) = running.by_user.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                running.by_user.remove(&self.user);
            }
        }
    }
}

/// A file on its way in. Dropped before [`Guild::finish_upload`] it leaves nothing behind.
pub struct Upload {
    // Dropped in this order: an upload counts until its draft is gone.
    draft: Box<dyn Draft>,
    ticket: Ticket,
    name: FileName,
    mime: MediaType,
    size: u64,
    max_bytes: u64,
    hash: Sha256,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload")
            .field("id", &self.ticket.id)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Upload {
    /// Takes more of the file.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), ServiceError> {
        self.size = self.size.saturating_add(chunk.len() as u64);
        if self.size > self.max_bytes {
            return Err(Refusal::FileTooLarge { max_bytes: self.max_bytes }.into());
        }
        self.hash.update(&chunk);
        Ok(self.draft.write(chunk).await?)
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Expired files that were removed.
    pub expired: usize,
    /// Bytes without a row that were removed.
    pub orphans: usize,
    /// Rows whose bytes are not there, or not all: somebody else took them. They are left for whoever looks for
    /// the bytes, and read as expired.
    pub missing: usize,
}

impl Guild {
    /// Begins an upload by a guild user. `announced` is how many bytes the client said will come, at least:
    /// what is too much is refused before it is sent. The quota counts for certain when the upload ends.
    pub async fn begin_upload(
        &self,
        caller: &Caller,
        name: FileName,
        mime: MediaType,
        announced: u64,
    ) -> Result<Upload, ServiceError> {
        let rules = &self.limits.files;
        if announced > rules.max_bytes {
            return Err(Refusal::FileTooLarge { max_bytes: rules.max_bytes }.into());
        }
        let id = self.ports.ids.file_id(self.ports.clock.now());
        let ticket = self.uploads.enter(&caller.user_id, &id, rules.uploads_per_user)?;
        let used = self.ports.store.file_usage(&caller.user_id).await?;
        rules.quota.admits(used, announced.max(1))?;
        let draft = self.ports.files.begin(&id).await?;
        let (size, max_bytes, hash) = (0, rules.max_bytes, Sha256::new());
        Ok(Upload { draft, ticket, name, mime, size, max_bytes, hash })
    }

    /// Ends an upload: first the bytes are durable, then there is a row. Not to be given up halfway, or the bytes
    /// lie around until the sweep.
    pub async fn finish_upload(&self, upload: Upload) -> Result<File, ServiceError> {
        let Upload { draft, ticket, name, mime, size, max_bytes: _, hash } = upload;
        if size == 0 {
            return Err(Refusal::field("file", "must not be empty").into());
        }
        draft.complete().await?;
        let now = self.ports.clock.now();
        let file = File {
            id: ticket.id.clone(),
            name,
            mime,
            size,
            sha256: hex::encode(hash.finalize()),
            uploader: ticket.user.clone(),
            created_at: now,
            shelf: Shelf::Loose(now),
        };
        match self.ports.store.add_file(&file, self.limits.files.quota).await {
            Ok(()) => Ok(file),
            Err(AddFileError::Refused(refusal)) => {
                self.ports.files.remove(&file.id).await?;
                Err(refusal.into())
            }
            // Perhaps the row is there after all, and bytes must not go before it: the sweep will see.
            Err(AddFileError::Store(error)) => Err(error.into()),
        }
    }

    /// A file that the caller may read: theirs, or attached in a channel that they may read.
    pub async fn file(&self, caller: &Caller, id: &FileId) -> Result<File, ServiceError> {
        if !is_plausible(id) {
            return Err(Refusal::FileNotFound.into());
        }
        let file = self.ports.store.file(id).await?;
        let is_own = file.as_ref().is_some_and(|file| file.uploader == caller.user_id);
        if !is_own && !self.is_shown(caller, id).await? {
            return Err(Refusal::FileNotFound.into());
        }
        let now = self.ports.clock.now();
        file.filter(|file| self.limits.files.state(file, now) == FileState::Kept)
            .ok_or(ServiceError::Refused(Refusal::FileExpired))
    }

    /// Whether the file is, or was, attached where the caller may read.
    async fn is_shown(&self, caller: &Caller, id: &FileId) -> Result<bool, ServiceError> {
        for channel in self.ports.store.channels_of_file(id).await? {
            match self.readable(caller, &channel).await {
                Ok(_) => return Ok(true),
                Err(ServiceError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// The bytes of a file that [`Self::file`] gave. Where they are gone, the file has expired.
    pub async fn read_file(
        &self,
        file: &File,
        range: Range<u64>,
    ) -> Result<Box<dyn ByteSource>, ServiceError> {
        let source = self.ports.files.read(&file.id, range).await?;
        source.ok_or(ServiceError::Refused(Refusal::FileExpired))
    }

    /// Removes expired files: to be called every few minutes, on any number of replicas.
    pub async fn expire_files(&self) -> Result<Swept, ServiceError> {
        let (rules, now) = (&self.limits.files, self.ports.clock.now());
        let mut swept = Swept::default();
        loop {
            let (loose, attached) = (rules.loose_before(now), rules.attached_before(now));
            let files = self.ports.store.expired_files(loose, attached, PORTION).await?;
            let before = swept.expired;
            for file in &files {
                self.ports.store.remove_file(file).await?;
                // One that was attached meanwhile is still there.
                if self.ports.store.file(&file.id).await?.is_none() {
                    self.ports.files.remove(&file.id).await?;
                    swept.expired += 1;
                }
            }
            if swept.expired == before {
                return Ok(swept);
            }
        }
    }

    /// Removes bytes that no row stands for, and counts rows without bytes: what a crash, or somebody else, left
    /// behind. To be called now and then; it looks at everything.
    pub async fn reconcile_files(&self) -> Result<Swept, ServiceError> {
        let mut swept = Swept::default();
        let oldest = self.now().minus(ORPHAN_AGE);
        let mut listing = self.ports.files.list().await?;
        loop {
            let portion = listing.next().await?;
            if portion.is_empty() {
                break;
            }
            // Looked at between the bytes and the rows: an upload that is not running now, and whose bytes were
            // there, has its row by now, or never will.
            let candidates: Vec<FileId> = {
                let running = self.uploads.running();
                let is_old = portion.into_iter().filter(|stored| stored.written_at < oldest);
                is_old.map(|stored| stored.id).filter(|id| !running.ids.contains(id)).collect()
            };
            let known = self.ports.store.known_files(&candidates).await?;
            for id in candidates.iter().filter(|id| !known.contains(*id)) {
                self.ports.files.remove(id).await?;
                swept.orphans += 1;
            }
        }
        swept.missing = self.count_missing().await?;
        Ok(swept)
    }

    async fn count_missing(&self) -> Result<usize, ServiceError> {
        let (mut missing, mut after) = (0, None::<FileId>);
        loop {
            let files = self.ports.store.files_after(after.clone(), PORTION).await?;
            let Some(last) = files.last() else { return Ok(missing) };
            after = Some(last.id.clone());
            for file in &files {
                let is_whole = self.ports.files.size(&file.id).await? == Some(file.size);
                // The sweep may have come in between.
                if !is_whole && self.ports.store.file(&file.id).await?.is_some() {
                    missing += 1;
                }
            }
        }
    }
}
