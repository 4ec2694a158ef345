//! The folder: names, and what makes them durable.

use std::fs::{self, File, OpenOptions, ReadDir};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use fabric_domain::model::FileId;

/// What ends the name of a file that is being written.
pub(crate) const PART: &str = ".part";
/// The file that says whose folder this is.
const OWNER: &str = ".fabric-guild";
/// The longest id that becomes a name.
const MAX_ID: usize = 80;

/// Where one file is.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) whole: PathBuf,
    pub(crate) part: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// Letters, digits and hyphens: nothing that climbs, hides or ends.
pub(crate) fn is_name(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// How a file is opened for writing that is not there yet: readable by this user only.
pub(crate) fn new_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

impl Folder {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let folder = Self(path.canonicalize()?);
        if let Some(parent) = folder.0.parent() {
            // A courtesy: whoever made the folder may have no right to its parent.
            let _ = sync(parent);
        }
        Ok(folder)
    }

    /// Whose folder this is; from now on `guild`'s when it was nobody's.
    pub(crate) fn owner(&self, guild: &str) -> io::Result<String> {
        let note = self.0.join(OWNER);
        match fs::read_to_string(&note) {
            Ok(owner) if !owner.trim().is_empty() => return Ok(owner.trim().to_owned()),
            // Empty: the power went while it was written.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&note)?;
        writeln!(file, "{guild}")?;
        file.sync_all()?;
        self.sync()?;
        Ok(guild.to_owned())
    }

    pub(crate) fn paths(&self, id: &FileId) -> Option<Paths> {
        let id = id.as_str();
        is_name(id).then(|| Paths { whole: self.0.join(id), part: self.0.join(format!("{id}{PART}")) })
    }

    pub(crate) fn entries(&self) -> io::Result<ReadDir> {
        fs::read_dir(&self.0)
    }

    /// Makes the names in the folder durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        sync(&self.0)
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file, and its entries are journalled.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
