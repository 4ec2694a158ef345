//! A token bucket that is told the time.

use std::time::Duration;

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
        self.take_if(now, 1.0)
    }

    /// Takes one token, on credit when there is none; false when a whole burst is owed already.
    pub fn take_on_credit(&mut self, now: Moment) -> bool {
        self.take_if(now, 1.0 - f64::from(self.rate.burst))
    }

    /// When nothing is owed any more; `None`: nothing is.
    pub fn settled_at(&self) -> Option<Moment> {
        let owed = (-self.tokens).max(0.0) / f64::from(self.rate.per_second);
        let time = Duration::try_from_secs_f64(owed).unwrap_or(Duration::MAX);
        (self.tokens < 0.0).then(|| self.filled.saturating_add(time))
    }

    /// Takes one token, if there are `least`.
    fn take_if(&mut self, now: Moment, least: f64) -> bool {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        let refill = passed * f64::from(self.rate.per_second);
        self.tokens = (self.tokens + refill).min(f64::from(self.rate.burst));
        let takes = self.tokens >= least;
        if takes {
            self.tokens -= 1.0;
        }
        takes
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

    #[test]
    fn credit_is_a_burst_and_is_paid_back_by_waiting() {
        let mut bucket = TokenBucket::new(Rate { per_second: 2, burst: 3 }, Duration::ZERO);
        for _ in 0..3 {
            assert!(bucket.take_on_credit(Duration::ZERO));
            assert_eq!(bucket.settled_at(), None);
        }
        assert!(bucket.take_on_credit(Duration::ZERO));
        assert_eq!(bucket.settled_at(), Some(Duration::from_millis(500)));
        assert!(bucket.take_on_credit(Duration::ZERO) && bucket.take_on_credit(Duration::ZERO));
        assert_eq!(bucket.settled_at(), Some(Duration::from_millis(1_500)));
        assert!(!bucket.take_on_credit(Duration::ZERO));
        assert!(bucket.take_on_credit(Duration::from_millis(1_500)));
        assert_eq!(bucket.settled_at(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_is_never_refilled_is_owed_for_ever() {
        let mut bucket = TokenBucket::new(Rate { per_second: 0, burst: 1 }, Duration::ZERO);
        assert!(bucket.take_on_credit(Duration::ZERO) && bucket.take_on_credit(Duration::ZERO));
        assert_eq!(bucket.settled_at(), Some(Duration::MAX));
    }
}
