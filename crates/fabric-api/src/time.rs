//! Instants on the wire.

use fabric_domain::model::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// An instant as `2026-01-31T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IsoTime(pub Timestamp);

impl From<Timestamp> for IsoTime {
    fn from(instant: Timestamp) -> Self {
        Self(instant)
    }
}

impl IsoTime {
    /// Reads an RFC 3339 instant; finer parts than milliseconds are cut off.
    pub fn parse(text: &str) -> Option<Self> {
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(|ms| Self(Timestamp(ms)))
    }
}

impl std::fmt::Display for IsoTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = i128::from(self.0.0) * 1_000_000;
        let instant = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| std::fmt::Error)?;
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        f.write_str(&instant.format(&format).map_err(|_| std::fmt::Error)?)
    }
}

impl Serialize for IsoTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IsoTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not an RFC 3339 instant"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_iso_8601_utc_with_milliseconds() {
        assert_eq!(IsoTime(Timestamp(0)).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(IsoTime(Timestamp(1_790_000_000_007)).to_string(), "2026-09-21T14:13:20.007Z");
    }

    #[test]
    fn other_offsets_are_read_and_given_as_utc() {
        let read = IsoTime::parse("2026-09-21T16:13:20.0079+02:00").unwrap();
        assert_eq!(read, IsoTime(Timestamp(1_790_000_000_007)));
        assert_eq!(IsoTime::parse("yesterday"), None);
    }
}
