//! The manifest: what an archive consists of. It is written last, so an archive without one is incomplete.

use std::collections::BTreeMap;
use std::path::Path;

use fabric_domain::model::{GuildId, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::ArchiveError;
use super::{Summary, lines};

/// The version of the format that is written. Every version up to it can be read.
pub const VERSION: u32 = 1;
/// Name of the manifest's file.
pub(super) const FILE: &str = "manifest.json";
/// Says that it is ours.
const FORMAT: &str = "fabric-guild-archive";
/// The largest manifest that is read.
const MAX_BYTES: u64 = 1 << 20;
/// The longest line that an archive may have, in bytes.
pub(super) const MAX_LINE: u64 = 64 << 20;

/// A file of JSON lines, all of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Channels, their settings and their turns.
    Channels,
    /// Members, in the order in which they came.
    Members,
    /// Messages as they are now, tombstones too.
    Messages,
    /// The order in which a search answers.
    SearchOrder,
    /// What messages keep of their files.
    Attachments,
    /// Former texts of edited messages.
    Revisions,
    /// Who has read up to where.
    ReadMarkers,
    /// What users last said of themselves.
    Presences,
    /// Wakes that somebody has not got yet.
    OwedWakes,
    /// Answers to requests that may come again.
    IdempotencyKeys,
    /// Uploaded files; their bytes are beside it.
    Files,
}

impl Part {
    /// Every part, in the order in which they are written and read.
    pub const ALL: [Self; 11] = [
        Self::Channels,
        Self::Members,
        Self::Messages,
        Self::SearchOrder,
        Self::Attachments,
        Self::Revisions,
        Self::ReadMarkers,
        Self::Presences,
        Self::OwedWakes,
        Self::IdempotencyKeys,
        Self::Files,
    ];

    /// Its name in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Channels => "channels",
            Self::Members => "members",
            Self::Messages => "messages",
            Self::SearchOrder => "search-order",
            Self::Attachments => "attachments",
            Self::Revisions => "revisions",
            Self::ReadMarkers => "read-markers",
            Self::Presences => "presences",
            Self::OwedWakes => "owed-wakes",
            Self::IdempotencyKeys => "idempotency-keys",
            Self::Files => "files",
        }
    }

    /// Its file in the archive's folder.
    pub fn file(self) -> String {
        format!("{}.jsonl", self.name())
    }
}

/// What is known of a part's file. Whoever reads it finds exactly this, or the file is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Described {
    /// Lines.
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Bytes of the longest line, without its end.
    pub(super) longest_line: u64,
    /// In hex.
    pub(super) sha256: String,
}

/// Of the whole archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) guild: GuildId,
    pub(super) exported_at: Timestamp,
    pub(super) program: String,
    /// Every part.
    pub(super) parts: BTreeMap<Part, Described>,
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

/// What every version of the manifest says.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl Manifest {
    pub(super) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
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

    /// Reads the manifest of the archive in this folder. It is believed only as far as the files bear it out.
    pub(super) fn read(folder: &Path) -> Result<Self, ArchiveError> {
        let damaged = |what: String| ArchiveError::Damaged { file: FILE.to_owned(), what };
        let Some(json) = lines::small_file(&folder.join(FILE), MAX_BYTES)? else {
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

    pub(super) fn summary(&self) -> Summary {
        Summary {
            records: self.parts.iter().map(|(part, described)| (*part, described.records)).collect(),
            bytes: self.parts.values().map(|described| described.bytes).sum(),
        }
    }
}
