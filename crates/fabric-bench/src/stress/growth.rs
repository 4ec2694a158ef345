//! Whether memory grows, said with the noise of the very samples it is said of.

use crate::{Outcome, ensure};

/// What a process may grow by without a reason, in bytes: allocators keep some of what they get.
const FLOOR: f64 = 4.0 * 1024.0 * 1024.0;

/// Checks that samples (bytes, one for each repeat) do not grow. The first third is warming up. A leak is a
/// slope: the median of the slopes between all pairs, over the whole stretch, must stay below four times
/// the median distance of a sample from that line, or below four megabytes.
pub fn steady(samples: &[u64]) -> Outcome {
    let warm = &samples[samples.len() / 3..];
    ensure!(warm.len() >= 3, "{} samples say nothing", samples.len());
    #[expect(clippy::cast_precision_loss, reason = "memory in bytes is far below 2^53")]
    let points: Vec<(f64, f64)> =
        warm.iter().enumerate().map(|(at, bytes)| (at as f64, *bytes as f64)).collect();
    let slopes = points.iter().enumerate().flat_map(|(place, (x, y))| {
        points[place + 1..].iter().map(move |(later, higher)| (higher - y) / (later - x))
    });
    let slope = median(slopes.collect());
    let base = median(points.iter().map(|(x, y)| y - slope * x).collect());
    let noise = median(points.iter().map(|(x, y)| (y - base - slope * x).abs()).collect());
    let last = points.last().map_or(0.0, |(x, _)| *x);
    let (growth, allowed) = (slope * last, (4.0 * noise).max(FLOOR));
    ensure!(
        growth <= allowed,
        "memory grows by {slope:.0} bytes with every repeat, by {growth:.0} in all (at most {allowed:.0}): {samples:?}"
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1024 * 1024;

    #[test]
    fn warming_up_and_noise_are_no_leak() {
        let samples = [20, 45, 60, 61, 63, 60, 62, 61, 60].map(|mb| mb * MB);
        assert_eq!(steady(&samples), Ok(()));
        let noisy = [20, 45, 60, 70, 61, 69, 62, 71, 60].map(|mb| mb * MB);
        assert_eq!(steady(&noisy), Ok(()));
    }

    #[test]
    fn a_slope_is_one() {
        let samples: Vec<u64> = (0..12).map(|round| (50 + round) * MB + (round % 3) * 1_000).collect();
        assert!(steady(&samples).is_err());
    }
}
