//! The manifest: what an archive consists of. It is written last, so an archive without one is incomplete.

use std::collections::BTreeMap;
use std::path::Path;

use fabric_domain::model::{GuildId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::ArchiveError;
use crate::part::Part;

/// The version of the format that is written. Every version up to it can be read (`line`).
///
/// - 1: turns of the first edition of the rules
/// - 2: turns of the second (`lastAuthor declined summoned`), commands that were too late (`turn_over`)
pub const VERSION: u32 = 2;
/// Name of the manifest's file.
pub(crate) const FILE: &str = "manifest.json";
/// The value of `format`.
const FORMAT: &str = "fabric-guild-archive";
/// The largest manifest that is read.
const MAX_BYTES: u64 = 1 << 20;
/// The longest line that an archive may have, in bytes.
pub(crate) const MAX_LINE: u64 = 64 << 20;

/// How many records there are of each part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// In the order of [`Part::ALL`].
    pub records: Vec<(Part, u64)>,
    /// Size of all parts.
    pub bytes: u64,
}

impl Summary {
    /// How many records a part has.
    pub fn of(&self, part: Part) -> u64 {
        self.records.iter().find(|(named, _)| *named == part).map_or(0, |(_, records)| *records)
    }
}

/// Size and sum of a part's file. A file that is different is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Described {
    /// Lines.
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Bytes of the longest line, without its end.
    pub(crate) longest_line: u64,
    /// In hex.
    pub(crate) sha256: String,
}

/// The manifest of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) guild: GuildId,
    pub(crate) exported_at: Timestamp,
    pub(crate) program: String,
    /// Every part.
    pub(crate) parts: BTreeMap<Part, Described>,
}

/// The manifest as JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    format: String,
    version: u32,
    guild_id: GuildId,
    exported_at: Timestamp,
    program: String,
    parts: BTreeMap<String, Described>,
}

/// The fields of every version of the manifest.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl Manifest {
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let parts = self.parts.iter().map(|(part, described)| (part.name().to_owned(), described.clone()));
        let written = Written {
            format: FORMAT.to_owned(),
            version: VERSION,
            guild_id: self.guild.clone(),
            exported_at: self.exported_at,
            program: self.program.clone(),
            parts: parts.collect(),
        };
        let mut json = serde_json::to_vec_pretty(&written)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads the manifest of the archive in this folder. The files are checked against it later.
    pub(crate) fn read(folder: &Path) -> Result<Self, ArchiveError> {
        let damaged = |what: String| ArchiveError::Damaged { file: FILE.to_owned(), what };
        let Some(json) = disk::read_small(&folder.join(FILE), MAX_BYTES)? else {
            return Err(ArchiveError::NoManifest(folder.to_owned()));
        };
        let head: Head = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
        if head.format != FORMAT {
            return Err(damaged(format!("the format is {:?} and not {FORMAT:?}", head.format)));
        }
        if head.version > VERSION {
            let versions = format!("its format has version {}, and known are up to {VERSION}", head.version);
            return Err(ArchiveError::TooNew(versions));
        }
        if head.version == 0 {
            return Err(damaged("there is no version 0".to_owned()));
        }
        let written: Written = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
        let mut parts = BTreeMap::new();
        for (name, described) in written.parts {
            let Some(part) = Part::ALL.into_iter().find(|part| part.name() == name) else {
                return Err(ArchiveError::TooNew(format!("it has a part {name:?}, which is not known")));
            };
            if described.longest_line > MAX_LINE {
                let length = described.longest_line;
                return Err(damaged(format!("{name}: a line of {length} bytes is longer than {MAX_LINE}")));
            }
            parts.insert(part, described);
        }
        if let Some(missing) = Part::ALL.into_iter().find(|part| !parts.contains_key(part)) {
            return Err(damaged(format!("the part {:?} is missing", missing.name())));
        }
        let (guild, exported_at, program) = (written.guild_id, written.exported_at, written.program);
        Ok(Self { guild, exported_at, program, parts })
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            records: self.parts.iter().map(|(part, described)| (*part, described.records)).collect(),
            bytes: self.parts.values().map(|described| described.bytes).sum(),
        }
    }
}
