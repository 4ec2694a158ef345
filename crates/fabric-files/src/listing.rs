//! A look at everything that is in the folder.

use std::fs::{DirEntry, ReadDir};
use std::io;

use async_trait::async_trait;
use fabric_domain::model::{FileId, Timestamp};
use fabric_domain::ports::{BytesError, Listing, StoredBytes};

use crate::folder::made_here;
use crate::{blocking, present};

/// The most files of one portion.
const PORTION: usize = 1_000;

pub(crate) struct DiskListing {
    /// Taken while a thread reads from it, and at the end.
    entries: Option<ReadDir>,
}

impl DiskListing {
    pub(crate) fn new(entries: ReadDir) -> Self {
        Self { entries: Some(entries) }
    }
}

#[async_trait]
impl Listing for DiskListing {
    async fn next(&mut self) -> Result<Vec<StoredBytes>, BytesError> {
        let Some(mut entries) = self.entries.take() else { return Ok(Vec::new()) };
        let (entries, portion) = blocking(move || {
            let mut portion = Vec::new();
            while portion.len() < PORTION {
                let Some(entry) = entries.next() else { return Ok((None, portion)) };
                portion.extend(look(&entry?)?);
            }
            Ok((Some(entries), portion))
        })
        .await?;
        self.entries = entries;
        Ok(portion)
    }
}

/// What an entry is; nothing if it is none of ours, or is gone.
fn look(entry: &DirEntry) -> io::Result<Option<StoredBytes>> {
    let name = entry.file_name();
    let Some(name) = name.to_str() else { return Ok(None) };
    let Some((id, is_complete)) = made_here(name) else { return Ok(None) };
    let Some(data) = present(entry.metadata())?.filter(std::fs::Metadata::is_file) else { return Ok(None) };
    let written_at = Timestamp::from(data.modified()?);
    Ok(Some(StoredBytes { id: FileId::new(id), written_at, is_complete }))
}
