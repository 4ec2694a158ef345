//! The folder: names, and what makes them durable.

use std::fs::{self, ReadDir};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fabric_domain::model::FileId;
use fabric_serverkit::private;

use crate::present;

/// What ends the name of a file that is being written.
pub(crate) const PART: &str = ".part";
/// The file that says whose folder this is.
const OWNER: &str = ".fabric-guild";
/// What its second line begins with, before seconds since 1970.
const DATABASE: &str = "database made at ";
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
fn is_name(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The id in a name that is made here: a UUID as text, with `.part` behind it while the file is written; and whether it
/// is complete. Whatever else lies in the folder is somebody else's, however plain its name.
pub(crate) fn made_here(name: &str) -> Option<(&str, bool)> {
    let (id, is_complete) = name.strip_suffix(PART).map_or((name, true), |id| (id, false));
    let fits = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    (id.len() == 36 && id.bytes().enumerate().all(fits)).then_some((id, is_complete))
}

impl Folder {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        private::create_folder(path)?;
        let folder = Self(path.canonicalize()?);
        if let Some(parent) = folder.0.parent() {
            // A courtesy: whoever made the folder may have no right to its parent.
            let _ = private::sync_folder(parent);
        }
        Ok(folder)
    }

    /// Whose folder this is, where that is noted: the guild, and when its database was made.
    pub(crate) fn owner(&self) -> io::Result<Option<(String, Option<i64>)>> {
        let note = match fs::read_to_string(self.0.join(OWNER)) {
            Ok(note) => note,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut lines = note.lines().map(str::trim);
        let guild = lines.next().unwrap_or_default().to_owned();
        let database = lines.next().and_then(|line| line.strip_prefix(DATABASE)?.parse().ok());
        // Empty: somebody else's work, since ours is whole or not there.
        Ok((!guild.is_empty()).then_some((guild, database)))
    }

    /// Notes whose folder this is, in place of what was noted.
    pub(crate) fn note(&self, guild: &str, database: i64) -> io::Result<()> {
        let note = format!("{guild}\n{DATABASE}{database}\n");
        private::replace(&self.0.join(OWNER), note.as_bytes())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn paths(&self, id: &FileId) -> Option<Paths> {
        let id = id.as_str();
        is_name(id).then(|| Paths { whole: self.0.join(id), part: self.0.join(format!("{id}{PART}")) })
    }

    pub(crate) fn entries(&self) -> io::Result<ReadDir> {
        fs::read_dir(&self.0)
    }

    /// A file that is not of our making, but for hidden ones.
    pub(crate) fn stranger(&self) -> io::Result<Option<String>> {
        for entry in self.entries()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || made_here(&name).is_some() {
                continue;
            }
            if present(entry.metadata())?.is_some_and(|data| data.is_file()) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Makes the names in the folder durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        private::sync_folder(&self.0)
    }
}
