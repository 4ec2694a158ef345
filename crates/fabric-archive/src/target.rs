//! The folder that an export writes into.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::disk::{create, create_folder, of_file, sync_folder};
use crate::error::ArchiveError;
use crate::manifest::{self, Manifest};

/// The folder, under another name until it is complete.
pub(crate) struct Target {
    folder: PathBuf,
    /// Where to write until then.
    pub(crate) partial: PathBuf,
    is_complete: bool,
}

impl Target {
    pub(crate) fn create(folder: &Path) -> Result<Self, ArchiveError> {
        match fs::read_dir(folder) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(ArchiveError::TargetNotEmpty(folder.to_owned()));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(of_file(folder)(error)),
        }
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = folder.with_file_name(name);
        match create_folder(&partial) {
            Ok(()) => Ok(Self { folder: folder.to_owned(), partial, is_complete: false }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(ArchiveError::TargetBusy(partial)),
            Err(error) => Err(of_file(&partial)(error)),
        }
    }

    /// Writes the manifest and renames the folder, each after what was before it is on the disk.
    pub(crate) fn complete(mut self, manifest: &Manifest) -> Result<(), ArchiveError> {
        let path = self.partial.join(manifest::FILE);
        let json = manifest.to_json().map_err(|error| of_file(&path)(error.into()))?;
        let mut file = create(&path)?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(of_file(&path))?;
        sync_folder(&self.partial)?;
        if self.folder.is_dir() {
            fs::remove_dir(&self.folder).map_err(of_file(&self.folder))?;
        }
        fs::rename(&self.partial, &self.folder).map_err(of_file(&self.folder))?;
        self.is_complete = true;
        match self.folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
            _ => sync_folder(Path::new(".")),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.is_complete {
            // Should this fail, the folder has no manifest and is not taken for an archive.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}
