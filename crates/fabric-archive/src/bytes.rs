//! The bytes of files, into an archive and out of it: `files/<id>`.

use std::fs::File as Handle;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fabric_domain::model::{File, FileId};
use fabric_domain::ports::FileBytes;
use sha2::{Digest as _, Sha256};

use crate::disk::{self, create, of_file, open};
use crate::error::ArchiveError;

/// The folder of the bytes.
const FOLDER: &str = "files";
/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;
/// The longest id that becomes a name.
const MAX_ID: usize = 80;

/// Whether an id may be the name of a file: letters, digits and hyphens, so no path to another folder.
pub(crate) fn is_name(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn place(archive: &Path, id: &FileId) -> PathBuf {
    archive.join(FOLDER).join(id.as_str())
}

fn damaged(id: &FileId, what: &str) -> ArchiveError {
    ArchiveError::Damaged { file: format!("{FOLDER}/{id}"), what: what.to_owned() }
}

/// Opens the bytes of a file. Links, of the file or of the folder, are refused.
fn open_bytes(archive: &Path, id: &FileId) -> Result<Handle, ArchiveError> {
    let folder = archive.join(FOLDER);
    let is_folder = folder.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    if !is_folder {
        let what = "it is no folder".to_owned();
        return Err(ArchiveError::Damaged { file: FOLDER.to_owned(), what });
    }
    open(&place(archive, id))?.ok_or_else(|| damaged(id, "the file is missing"))
}

/// Size and hash of the bytes that were seen, to be compared with the record of the file.
struct Fingerprint {
    hash: Sha256,
    size: u64,
}

impl Fingerprint {
    fn new() -> Self {
        Self { hash: Sha256::new(), size: 0 }
    }

    fn update(&mut self, chunk: &[u8]) {
        self.hash.update(chunk);
        self.size += chunk.len() as u64;
    }

    fn matches(self, file: &File) -> bool {
        self.size == file.size && hex::encode(self.hash.finalize()) == file.sha256
    }
}

const CHANGED: &str = "its size or SHA-256 is not that of its record";

/// Checks that the archive has the bytes of this file.
pub(crate) fn check(archive: &Path, file: &File) -> Result<(), ArchiveError> {
    let (mut handle, mut fingerprint) = (open_bytes(archive, &file.id)?, Fingerprint::new());
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = handle.read(&mut chunk).map_err(of_file(&place(archive, &file.id)))?;
        if count == 0 {
            return if fingerprint.matches(file) { Ok(()) } else { Err(damaged(&file.id, CHANGED)) };
        }
        fingerprint.update(&chunk[..count]);
        if fingerprint.size > file.size {
            return Err(damaged(&file.id, CHANGED));
        }
    }
}

/// Copies a file into the archive; returns whether there was anything to copy.
pub(crate) async fn fetch(bytes: &dyn FileBytes, file: &File, archive: &Path) -> Result<bool, ArchiveError> {
    let Some(mut source) = bytes.read(&file.id, 0..file.size).await? else { return Ok(false) };
    let (path, mut fingerprint) = (place(archive, &file.id), Fingerprint::new());
    let mut handle = create(&path)?;
    while let Some(chunk) = source.next().await? {
        handle.write_all(&chunk).map_err(of_file(&path))?;
        fingerprint.update(&chunk);
    }
    if !fingerprint.matches(file) {
        return Err(ArchiveError::Inconsistent(format!("the file {}: {CHANGED}", file.id)));
    }
    handle.sync_all().map_err(of_file(&path))?;
    Ok(true)
}

/// Copies a file out of the archive; returns whether it was not there already.
pub(crate) async fn store(archive: &Path, file: &File, bytes: &dyn FileBytes) -> Result<bool, ArchiveError> {
    // A guild that changes its database often keeps its folder of files.
    if is_there(bytes, file).await? {
        return Ok(false);
    }
    // What an earlier import that broke off may have left.
    bytes.remove(&file.id).await?;
    let (mut handle, mut fingerprint) = (open_bytes(archive, &file.id)?, Fingerprint::new());
    let mut draft = bytes.begin(&file.id).await?;
    loop {
        let mut chunk = vec![0; CHUNK];
        let count = handle.read(&mut chunk).map_err(of_file(&place(archive, &file.id)))?;
        if count == 0 {
            break;
        }
        chunk.truncate(count);
        fingerprint.update(&chunk);
        draft.write(Bytes::from(chunk)).await?;
    }
    if !fingerprint.matches(file) {
        return Err(damaged(&file.id, CHANGED));
    }
    draft.complete().await?;
    Ok(true)
}

async fn is_there(bytes: &dyn FileBytes, file: &File) -> Result<bool, ArchiveError> {
    if bytes.size(&file.id).await? != Some(file.size) {
        return Ok(false);
    }
    let Some(mut source) = bytes.read(&file.id, 0..file.size).await? else { return Ok(false) };
    let mut fingerprint = Fingerprint::new();
    while let Some(chunk) = source.next().await? {
        fingerprint.update(&chunk);
    }
    Ok(fingerprint.matches(file))
}

/// Makes the folder of the bytes in an archive that is being written.
pub(crate) fn create_folder(archive: &Path) -> Result<PathBuf, ArchiveError> {
    let folder = archive.join(FOLDER);
    disk::create_folder(&folder).map_err(of_file(&folder))?;
    Ok(folder)
}
