//! The real clock and the real randomness: the one place that asks the operating system for either.

use std::time::SystemTime;

use fabric_domain::model::Timestamp;
use fabric_domain::ports::Clock;
use uuid::Builder;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else takes as a parameter"
    )]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

/// Bytes that nobody can guess.
///
/// # Panics
///
/// When the operating system has no randomness to give: going on without would be worse.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new `UUIDv7` for what is made at `now`, as text.
pub fn new_uuid(now: Timestamp) -> String {
    let millis = u64::try_from(now.0).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &random()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_later_ones_sort_later() {
        let (one, other) = (new_uuid(Timestamp(1_000)), new_uuid(Timestamp(1_000)));
        assert_ne!(one, other);
        assert!(one.len() == 36 && one < new_uuid(Timestamp(1_001)));
    }
}
