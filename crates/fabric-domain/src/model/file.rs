//! Uploaded files, and what messages keep of them (spec/3 section 7).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::{is_control, is_visible, turns_direction};
use super::{FileId, Timestamp, UserId};

/// A file's name, made harmless: no folders, control characters or characters that turn the reading direction, no name
/// that means something to a file system, something to see, 1 to [`Self::MAX_CHARS`] characters. Joiners stay: Persian,
/// Hindi and families of emoji are written with them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileName(String);

impl FileName {
    /// The most characters of a name.
    pub const MAX_CHARS: usize = 200;
    /// What a name becomes of which nothing is left.
    pub const FALLBACK: &'static str = "file";
    /// The longest ending that is kept when a name is cut, in characters with its dot.
    const MAX_ENDING: usize = 20;

    /// Makes a harmless name of what a client sent. Of a path the last part is taken, as `/` or `\` has it;
    /// what is left of a harmless name is that name.
    pub fn sanitise(given: &str) -> Self {
        let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
        let visible: String = last.chars().filter(|char| !is_hidden(*char)).map(replaced).collect();
        // Leading dots hide a file, trailing ones vanish on Windows.
        let trimmed = |text: &str| {
            let edge = |char: char| char.is_whitespace() || char == '.';
            text.trim_matches(edge).to_owned()
        };
        let whole = trimmed(&visible);
        let name = if whole.chars().count() > Self::MAX_CHARS { trimmed(&shortened(&whole)) } else { whole };
        Self(match name.as_str() {
            name if !is_visible(name) => Self::FALLBACK.to_owned(),
            _ if is_device(&name) => format!("_{name}"),
            _ => name,
        })
    }

    /// A name that was made harmless before, as it was stored.
    pub fn stored(name: String) -> Self {
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters that are left out.
fn is_hidden(char: char) -> bool {
    is_control(char) || turns_direction(char)
}

/// Characters that file systems or shells take for something else.
fn replaced(char: char) -> char {
    match char {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
        _ if char.is_whitespace() => ' ',
        _ => char,
    }
}

/// The beginning of a name, with its ending.
fn shortened(name: &str) -> String {
    let ending = name.rfind('.').map(|dot| &name[dot..]).unwrap_or_default();
    let ending = if ending.chars().count() <= FileName::MAX_ENDING { ending } else { "" };
    let room = FileName::MAX_CHARS - 1 - ending.chars().count();
    name.chars().take(room).chain(ending.chars()).collect()
}

/// Names that Windows takes for devices, with any ending.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|rest| {
            let mut chars = rest.chars();
            matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$")
        || numbered("com")
        || numbered("lpt")
}

/// A media type, `type/subtype` in lower case, without parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaType(String);

impl MediaType {
    /// What nothing is known of.
    pub const UNKNOWN: &'static str = "application/octet-stream";
    /// The most characters of a media type (RFC 6838 section 4.2 allows 127 for each half; nobody uses them).
    pub const MAX_CHARS: usize = 127;

    /// Reads a `Content-Type`. What is none is [`Self::UNKNOWN`]: a file without a good type is still a file.
    pub fn read(given: &str) -> Self {
        let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_token = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
        };
        let is_type = essence.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
        Self(if is_type && essence.len() <= Self::MAX_CHARS { essence } else { Self::UNKNOWN.to_owned() })
    }

    /// A type that was read before, as it was stored.
    pub fn stored(mime: String) -> Self {
        Self(mime)
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for MediaType {
    fn default() -> Self {
        Self(Self::UNKNOWN.to_owned())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a message keeps of a file, also after the file itself has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file.
    pub id: FileId,
    /// Its name.
    pub name: FileName,
    /// Its media type, as its uploader said.
    pub mime: MediaType,
    /// Bytes.
    pub size: u64,
}

/// Whether a file is attached to a message. That decides how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// To none (yet, or any more), since then.
    Loose(Timestamp),
    /// To at least one; the latest was posted then.
    Attached(Timestamp),
}

/// An uploaded file, whose bytes are complete and durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// `UUIDv7`.
    pub id: FileId,
    /// Its name.
    pub name: FileName,
    /// Its media type, as its uploader said.
    pub mime: MediaType,
    /// Bytes; at least one.
    pub size: u64,
    /// SHA-256 of its bytes, 64 hexadecimal digits in lower case.
    pub sha256: String,
    /// Who uploaded it, and who alone may attach it.
    pub uploader: UserId,
    /// When it was complete.
    pub created_at: Timestamp,
    /// Whether it is attached.
    pub shelf: Shelf,
}

impl File {
    /// What a message keeps of it.
    pub fn attachment(&self) -> Attachment {
        let Self { id, name, mime, size, .. } = self.clone();
        Attachment { id, name, mime, size }
    }
}

/// Whether a file can still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Yes.
    Kept,
    /// It has expired; the next sweep removes it.
    Expired,
}

/// How many bytes of files are kept; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Of everybody together.
    pub guild: u64,
    /// Of each user.
    pub user: u64,
}

/// How many bytes of files there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of everybody together.
    pub guild: u64,
    /// Of one user.
    pub user: u64,
}

impl Quota {
    /// Whether so many bytes more would be too many.
    pub fn admits(self, used: Usage, more: u64) -> Result<(), super::Refusal> {
        let exceeded = |quota: u64, used: u64| quota > 0 && used.saturating_add(more) > quota;
        if exceeded(self.guild, used.guild) {
            return Err(super::Refusal::GuildQuotaExceeded);
        }
        if exceeded(self.user, used.user) {
            return Err(super::Refusal::UserQuotaExceeded);
        }
        Ok(())
    }
}

/// Configured limits of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRules {
    /// The most bytes of one file.
    pub max_bytes: u64,
    /// How many days an attached file is kept after it was posted; 0 = for ever.
    pub ttl_days: u32,
    /// How many bytes are kept.
    pub quota: Quota,
    /// The most uploads of one user at once.
    pub uploads_per_user: usize,
}

impl Default for FileRules {
    fn default() -> Self {
        Self { max_bytes: 104_857_600, ttl_days: 7, quota: Quota::default(), uploads_per_user: 4 }
    }
}

impl FileRules {
    /// How long a file is kept that is attached to nothing.
    pub const LOOSE: Duration = Duration::from_hours(24);
    /// The most files of one message.
    pub const MAX_ATTACHMENTS: usize = 10;

    /// Files that are attached to nothing and were put there before this are swept.
    pub fn loose_before(&self, now: Timestamp) -> Timestamp {
        now.minus(Self::LOOSE)
    }

    /// Files whose latest message is from before this are swept; `None`: they are kept for ever.
    pub fn attached_before(&self, now: Timestamp) -> Option<Timestamp> {
        (self.ttl_days > 0).then(|| now.minus(Duration::from_hours(24) * self.ttl_days))
    }

    /// Whether the file can still be read and attached.
    pub fn state(&self, file: &File, now: Timestamp) -> FileState {
        let is_over = match file.shelf {
            Shelf::Loose(since) => since < self.loose_before(now),
            Shelf::Attached(at) => self.attached_before(now).is_some_and(|before| at < before),
        };
        if is_over { FileState::Expired } else { FileState::Kept }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Refusal;

    fn name(given: &str) -> String {
        FileName::sanitise(given).as_str().to_owned()
    }

    #[test]
    fn hostile_names_become_harmless_ones() {
        for (given, harmless) in [
            ("report.pdf", "report.pdf"),
            ("Bericht für Zoë 🧵.txt", "Bericht für Zoë 🧵.txt"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\windows\\system32\\cmd.exe", "cmd.exe"),
            ("C:\\photos\\me.png", "me.png"),
            ("/", "file"),
            ("..", "file"),
            ("", "file"),
            (" . ", "file"),
            (".htaccess", "htaccess"),
            ("nul\0byte.txt", "nulbyte.txt"),
            ("two\r\nlines: x", "twolines_ x"),
            ("photo\u{202E}gnp.exe", "photognp.exe"),
            ("می\u{200C}خواهم.txt", "می\u{200C}خواهم.txt"),
            ("क्\u{200D}ष.pdf", "क्\u{200D}ष.pdf"),
            ("👨\u{200D}👩\u{200D}👧.png", "👨\u{200D}👩\u{200D}👧.png"),
            (
                "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}.svg",
                "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}.svg",
            ),
            ("\u{200B}\u{FEFF}\u{200D}", "file"),
            ("a\u{2066}b\u{2069}\u{2028}.txt", "ab.txt"),
            ("NUL", "_NUL"),
            ("con.txt", "_con.txt"),
            ("Com1.tar.gz", "_Com1.tar.gz"),
            ("community.txt", "community.txt"),
            ("quote\"semi;colon.txt", "quote_semi;colon.txt"),
            ("trailing. . .", "trailing"),
            ("tab\tand\u{a0}space", "taband space"),
        ] {
            assert_eq!(name(given), harmless, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let long = name(&format!("{}.tar.gz", "ä".repeat(1_000)));
        assert_eq!(long.chars().count(), FileName::MAX_CHARS - 1);
        assert!(long.ends_with("ä.gz"));
        let without = name(&format!("a.{}", "b".repeat(1_000)));
        assert!(without.starts_with("a.bbb") && without.chars().count() < FileName::MAX_CHARS);
    }

    #[test]
    fn what_is_no_media_type_is_unknown() {
        for (given, read) in [
            ("image/png", "image/png"),
            ("Text/HTML; charset=utf-8", "text/html"),
            ("image/svg+xml", "image/svg+xml"),
            ("", MediaType::UNKNOWN),
            ("image", MediaType::UNKNOWN),
            ("image/", MediaType::UNKNOWN),
            ("a/b/c", MediaType::UNKNOWN),
            ("text/plain\r\nx: y", MediaType::UNKNOWN),
            ("*/*", MediaType::UNKNOWN),
        ] {
            assert_eq!(MediaType::read(given).as_str(), read, "{given:?}");
        }
        assert_eq!(MediaType::read(&format!("a/{}", "b".repeat(200))).as_str(), MediaType::UNKNOWN);
    }

    #[test]
    fn a_quota_of_nothing_is_no_limit() {
        let used = Usage { guild: u64::MAX, user: u64::MAX };
        assert_eq!(Quota::default().admits(used, 1), Ok(()));
        let quota = Quota { guild: 10, user: 5 };
        assert_eq!(quota.admits(Usage { guild: 5, user: 4 }, 1), Ok(()));
        assert_eq!(quota.admits(Usage { guild: 5, user: 4 }, 2), Err(Refusal::UserQuotaExceeded));
        assert_eq!(quota.admits(Usage { guild: 10, user: 0 }, 1), Err(Refusal::GuildQuotaExceeded));
    }

    proptest! {
        #[test]
        fn every_name_is_harmless_and_stays_as_it_is(given in "\\PC{0,40}|[./\\\\:\\x00-\\x20\u{202A}-\u{202E}a-cA-C0-9]{0,300}|.{0,40}") {
            let once = FileName::sanitise(&given);
            let text = once.as_str();
            prop_assert!(!text.is_empty() && text.chars().count() <= FileName::MAX_CHARS);
            prop_assert!(!text.contains(['/', '\\', '"', ':']) && !text.chars().any(is_hidden));
            prop_assert!(!text.starts_with('.') && !text.ends_with(['.', ' ']) && !is_device(text));
            prop_assert_eq!(FileName::sanitise(text), once.clone());
        }

        #[test]
        fn every_media_type_can_stand_in_a_header(given in ".{0,60}") {
            let read = MediaType::read(&given);
            prop_assert!(read.as_str().bytes().all(|byte| byte.is_ascii_graphic() && byte != b';'));
            prop_assert_eq!(MediaType::read(read.as_str()), read.clone());
        }
    }
}
