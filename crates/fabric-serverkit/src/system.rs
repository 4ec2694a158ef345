//! The real clock and the real randomness: the one place that asks the operating system for either.

use std::time::SystemTime;

use fabric_domain::model::Timestamp;
use fabric_domain::ports::Clock;
use rand::Rng as _;
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

/// The bytes of a secret: nobody can guess them, and nothing in this process knows what comes next. Each call asks the
/// operating system, so that a secret is as good as its randomness and no state from which it came stays in memory.
///
/// # Panics
///
/// When the operating system has no randomness to give: going on without would be worse.
pub fn secret_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Bytes for ids and for the seeds of turns, of which every post needs some: nobody can guess them either, but they are
/// no secret. They come from the thread's own generator, a cipher that the operating system seeds, and again from time
/// to time; so there is no system call for each.
///
/// # Panics
///
/// When the operating system has no randomness to give.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// A new `UUIDv7` for what is made at `now`, as text.
pub fn new_uuid(now: Timestamp) -> String {
    let millis = u64::try_from(now.0).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &random()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_and_later_ones_sort_later() {
        let (one, other) = (new_uuid(Timestamp(1_000)), new_uuid(Timestamp(1_000)));
        assert_ne!(one, other);
        assert!(one.len() == 36 && one < new_uuid(Timestamp(1_001)));
    }

    /// Each thread has its own generator, and each a seed of its own.
    #[test]
    fn ids_that_threads_make_at_once_differ() {
        let made = || (0..1_000).map(|_| new_uuid(Timestamp(1_000))).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(made)).collect();
        let ids: HashSet<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 4_000);
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(secret_bytes::<16>(), secret_bytes::<16>());
    }
}
