//! A token bucket that is told the time.

use crate::{Moment, Rate};

/// A token bucket: allows a [`Rate`], told the time by its caller.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: Rate,
    tokens: f64,
    filled: Moment,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Moment) -> Self {
        Self { rate, tokens: f64::from(rate.burst), filled: now }
    }

    /// Takes one token; false when there is none.
    pub fn take(&mut self, now: Moment) -> bool {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        let refill = passed * f64::from(self.rate.per_second);
        self.tokens = (self.tokens + refill).min(f64::from(self.rate.burst));
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// Whether it is as good as new, so that nothing is lost by forgetting it.
    pub fn is_full(&self, now: Moment) -> bool {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens + passed * f64::from(self.rate.per_second) >= f64::from(self.rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn allows_the_burst_and_then_the_rate() {
        let mut bucket = TokenBucket::new(Rate { per_second: 2, burst: 3 }, Duration::ZERO);
        let taken = (0..10).filter(|_| bucket.take(Duration::ZERO)).count();
        assert_eq!(taken, 3);
        assert!(!bucket.take(Duration::from_millis(400)));
        assert!(bucket.take(Duration::from_millis(600)));
        assert!(!bucket.take(Duration::from_millis(600)));
        // A clock that goes back refills nothing.
        assert!(!bucket.take(Duration::ZERO));
    }
}
