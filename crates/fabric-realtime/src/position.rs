//! Where an event stands among all events of the guild.

use std::fmt;

/// The place of an event in the one order in which every worker, and so every socket, sees the events of the guild.
/// Counted since the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(pub(crate) u64);

impl Position {
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a client that lost its connection says it got last: everything that was due to its socket up to here.
///
/// An event that is told to many carries its position. What one socket is sent besides, as it catches up with a
/// channel, carries nothing, but for the last of it: `part` says which time it was that this socket caught up, so that
/// this offset comes after the position at which it did, and before every later one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offset {
    pub(crate) position: Position,
    pub(crate) part: u32,
}

impl Offset {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (position, part) = text.split_once('.').unwrap_or((text, "0"));
        Some(Self { position: Position(position.parse().ok()?), part: part.parse().ok()? })
    }
}

impl From<Position> for Offset {
    fn from(position: Position) -> Self {
        Self { position, part: 0 }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            0 => write!(f, "{}", self.position.0),
            part => write!(f, "{}.{part}", self.position.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_they_were_written_and_nothing_else_is_one() {
        for offset in [Offset::from(Position(7)), Offset { position: Position(7), part: 2 }] {
            assert_eq!(Offset::parse(&offset.to_string()), Some(offset));
        }
        for text in ["", "unknown", "7.", ".1", "-1", "7.1.1", "99999999999999999999"] {
            assert_eq!(Offset::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_end_of_catching_up_comes_after_its_position_and_before_the_next() {
        let caught_up = Offset { position: Position(7), part: 1 };
        assert!(Offset::from(Position(7)) < caught_up && caught_up < Position(8).into());
    }
}
