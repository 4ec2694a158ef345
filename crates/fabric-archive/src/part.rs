//! The parts of an archive.

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
    /// Names, types and sizes of the files of messages.
    Attachments,
    /// Former texts of edited messages.
    Revisions,
    /// Up to which message users have read.
    ReadMarkers,
    /// Presences as users last reported them.
    Presences,
    /// Wakes that have not reached somebody yet.
    OwedWakes,
    /// Answers to requests, in case these are repeated.
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
