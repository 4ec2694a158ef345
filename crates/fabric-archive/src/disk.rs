//! Files and folders of an archive on the disk: private to their owner, and never something that leads elsewhere.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::ArchiveError;

/// Says which file an error is about.
pub(crate) fn of_file(file: &Path) -> impl FnOnce(io::Error) -> ArchiveError + use<> {
    let file = file.to_owned();
    |cause| ArchiveError::File { file, cause }
}

/// Creates a file that is not there yet. What is in it is private: only its owner may read it.
pub(crate) fn create(path: &Path) -> Result<File, ArchiveError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(of_file(path))
}

/// Opens a file of the archive, which has to be a regular one; `None` when there is none.
pub(crate) fn open(path: &Path) -> Result<Option<File>, ArchiveError> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(of_file(path)(error)),
    };
    if !metadata.is_file() {
        let what = "it is no regular file".to_owned();
        return Err(ArchiveError::Damaged { file: name(path), what });
    }
    File::open(path).map(Some).map_err(of_file(path))
}

/// The name of a file, without its folder.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The whole of a file that is not large; `None` when there is none.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
    let Some(file) = open(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(of_file(path))?;
    if bytes.len() as u64 > limit {
        let what = format!("it is larger than {limit} bytes");
        return Err(ArchiveError::Damaged { file: name(path), what });
    }
    Ok(Some(bytes))
}

/// Creates a folder that is not there yet, for its owner only.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Waits until the names in a folder are on the disk, where the system knows such a thing.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(of_file(folder))?;
    }
    Ok(())
}
