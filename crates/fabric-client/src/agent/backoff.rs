//! Pauses between attempts.

use std::time::Duration;

/// Doubles from the first pause to the longest. Each pause is cut by up to a half at random, so that
/// many clients of one server do not come back at the same moment.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    attempt: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempt: 0 }
    }

    pub(super) fn reset(&mut self) {
        self.attempt = 0;
    }

    pub(super) fn pause(&mut self) -> Duration {
        // Without randomness from the system the pause is just the full one.
        let random = getrandom::u32().unwrap_or(0);
        self.pause_with(f64::from(random) / f64::from(u32::MAX))
    }

    /// `cut` from 0 to 1: how much of the half is cut off.
    fn pause_with(&mut self, cut: f64) -> Duration {
        let full = self.first.saturating_mul(2_u32.saturating_pow(self.attempt)).min(self.longest);
        self.attempt = self.attempt.saturating_add(1);
        full.mul_f64(1.0 - cut / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_and_starts_over_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        let pauses: Vec<_> = (0..8).map(|_| backoff.pause_with(0.0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.pause_with(0.0).as_secs(), 1);
        backoff.attempt = u32::MAX;
        assert_eq!(backoff.pause_with(0.0).as_secs(), 60);
    }

    #[test]
    fn at_most_a_half_is_cut() {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_mins(1));
        assert_eq!(backoff.pause_with(1.0), Duration::from_secs(1));
        let pause = backoff.pause();
        assert!(pause >= Duration::from_secs(2) && pause <= Duration::from_secs(4), "{pause:?}");
    }
}
