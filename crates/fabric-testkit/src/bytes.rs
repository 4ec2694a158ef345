//! The bytes of files on a mutex.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use fabric_domain::model::{FileId, Timestamp};
use fabric_domain::ports::{ByteSource, BytesError, Clock, Draft, FileBytes, Listing, StoredBytes};
use parking_lot::Mutex;

/// A place for bytes that forgets when it is dropped.
pub struct MemoryBytes {
    files: Arc<Mutex<BTreeMap<FileId, Stored>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Clone)]
struct Stored {
    bytes: BytesMut,
    written_at: Timestamp,
    is_complete: bool,
}

impl MemoryBytes {
    /// An empty place, with this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { files: Arc::default(), clock }
    }

    /// What is there: complete files with their bytes, and drafts.
    pub fn everything(&self) -> Vec<(FileId, bool, Bytes)> {
        let files = self.files.lock();
        let all = files
            .iter()
            .map(|(id, stored)| (id.clone(), stored.is_complete, Bytes::copy_from_slice(&stored.bytes)));
        all.collect()
    }

    /// Puts bytes there behind everybody's back.
    pub fn plant(&self, id: &FileId, bytes: &[u8], is_complete: bool) {
        let stored = Stored { bytes: bytes.into(), written_at: self.clock.now(), is_complete };
        self.files.lock().insert(id.clone(), stored);
    }
}

#[async_trait]
impl FileBytes for MemoryBytes {
    async fn begin(&self, id: &FileId) -> Result<Box<dyn Draft>, BytesError> {
        self.plant(id, b"", false);
        let draft =
            MemoryDraft { files: Arc::clone(&self.files), clock: Arc::clone(&self.clock), id: id.clone() };
        Ok(Box::new(draft))
    }

    async fn read(&self, id: &FileId, range: Range<u64>) -> Result<Option<Box<dyn ByteSource>>, BytesError> {
        let files = self.files.lock();
        let Some(stored) = files.get(id).filter(|stored| stored.is_complete) else { return Ok(None) };
        let ends = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let part = ends.and_then(|(start, end)| stored.bytes.get(start..end));
        Ok(part.map(|part| Box::new(Part(Some(Bytes::copy_from_slice(part)))) as _))
    }

    async fn size(&self, id: &FileId) -> Result<Option<u64>, BytesError> {
        let files = self.files.lock();
        Ok(files.get(id).filter(|stored| stored.is_complete).map(|stored| stored.bytes.len() as u64))
    }

    async fn remove(&self, id: &FileId) -> Result<(), BytesError> {
        self.files.lock().remove(id);
        Ok(())
    }

    async fn list(&self) -> Result<Box<dyn Listing>, BytesError> {
        let stored = |(id, stored): (&FileId, &Stored)| StoredBytes {
            id: id.clone(),
            written_at: stored.written_at,
            is_complete: stored.is_complete,
        };
        Ok(Box::new(All(self.files.lock().iter().map(stored).collect())))
    }
}

struct MemoryDraft {
    files: Arc<Mutex<BTreeMap<FileId, Stored>>>,
    clock: Arc<dyn Clock>,
    id: FileId,
}

#[async_trait]
impl Draft for MemoryDraft {
    async fn write(&mut self, chunk: Bytes) -> Result<(), BytesError> {
        if let Some(stored) = self.files.lock().get_mut(&self.id) {
            stored.bytes.extend_from_slice(&chunk);
            stored.written_at = self.clock.now();
        }
        Ok(())
    }

    async fn complete(self: Box<Self>) -> Result<(), BytesError> {
        if let Some(stored) = self.files.lock().get_mut(&self.id) {
            stored.is_complete = true;
        }
        Ok(())
    }
}

impl Drop for MemoryDraft {
    fn drop(&mut self) {
        let mut files = self.files.lock();
        if files.get(&self.id).is_some_and(|stored| !stored.is_complete) {
            files.remove(&self.id);
        }
    }
}

struct Part(Option<Bytes>);

#[async_trait]
impl ByteSource for Part {
    async fn next(&mut self) -> Result<Option<Bytes>, BytesError> {
        Ok(self.0.take().filter(|bytes| !bytes.is_empty()))
    }
}

struct All(Vec<StoredBytes>);

#[async_trait]
impl Listing for All {
    async fn next(&mut self) -> Result<Vec<StoredBytes>, BytesError> {
        Ok(std::mem::take(&mut self.0))
    }
}
