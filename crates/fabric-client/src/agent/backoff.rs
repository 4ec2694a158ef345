//! Pauses between attempts.

use std::time::Duration;

use backon::ExponentialBuilder;

/// Doubling from the first pause to the longest. Each is cut by up to a half at random, so that many
/// clients of one server do not come back at the same moment.
pub(super) fn pauses(first: Duration, longest: Duration) -> ExponentialBuilder {
    // Jitter is added here, up to as much again.
    ExponentialBuilder::new()
        .with_min_delay(first / 2)
        .with_max_delay(longest / 2)
        .with_jitter()
        .without_max_times()
}

#[cfg(test)]
mod tests {
    use super::*;
    use backon::BackoffBuilder;

    #[test]
    fn pauses_double_up_to_the_longest_and_at_most_a_half_of_each_is_cut() {
        let expected = [1, 2, 4, 8, 16, 32, 60, 60].map(Duration::from_secs);
        let pauses = pauses(Duration::from_secs(1), Duration::from_mins(1)).build();
        for (pause, full) in pauses.zip(expected) {
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
    }
}
