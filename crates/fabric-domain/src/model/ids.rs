//! Identifiers, sequence numbers and instants.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A text id that is cheap to clone: one message may be addressed to a thousand members.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is: ids are opaque.
            pub fn new(id: impl AsRef<str>) -> Self {
                Self(Arc::from(id.as_ref()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(Arc::from(id))
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self::new(id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A user of Center. Opaque, up to 80 characters.
    UserId
);
text_id!(
    /// A guild, which is the node that serves it. Opaque, up to 80 characters.
    GuildId
);
text_id!(
    /// A channel of this guild (`UUIDv7`).
    ChannelId
);
text_id!(
    /// A message (`UUIDv7`).
    MessageId
);
text_id!(
    /// An uploaded file (`UUIDv7`).
    FileId
);

impl UserId {
    /// The most characters that a user id or node id of Center has.
    pub const MAX_CHARS: usize = 80;

    /// The system author: the guild itself (spec/1 section 3).
    pub fn system() -> Self {
        Self::new("00000000-0000-0000-0000-000000000000")
    }
}

/// Number of a message in its channel: from 1, without gaps, in commit order. 0 is "before the first".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first message.
    pub const ZERO: Self = Self(0);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This instant and `seconds` more.
    #[must_use]
    pub fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(i64::from(seconds) * 1_000))
    }

    /// This instant and `duration` more, in whole milliseconds.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This instant and `duration` less, in whole milliseconds.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long ago `earlier` was; nothing when it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.millis_since(earlier)).unwrap_or_default())
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier` is later.
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What a clock or a disk says; an instant before 1970 counts as 1970.
impl From<SystemTime> for Timestamp {
    fn from(instant: SystemTime) -> Self {
        Self(millis(instant.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_counted_in_whole_milliseconds_and_never_overflow() {
        let noon = Timestamp(1_000);
        assert_eq!(noon.plus(Duration::from_micros(2_999)), Timestamp(1_002));
        assert_eq!(noon.minus(Duration::from_millis(1_500)), Timestamp(-500));
        assert_eq!(
            (noon.plus(Duration::MAX), Timestamp(-1).minus(Duration::MAX)),
            (Timestamp(i64::MAX), Timestamp(i64::MIN))
        );
        assert_eq!(
            (noon.since(Timestamp(1)), Timestamp(1).since(noon)),
            (Duration::from_millis(999), Duration::ZERO)
        );
        assert_eq!(Timestamp::from(UNIX_EPOCH + Duration::from_secs(1)), noon);
    }
}
