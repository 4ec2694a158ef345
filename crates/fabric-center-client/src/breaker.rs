//! A circuit breaker: a Center that has failed several times in a row is left alone for a while.

use std::time::Duration;

use fabric_domain::model::Timestamp;
use parking_lot::Mutex;

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// So many failures in a row open it.
    failures: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Calls go through; so many of the last ones have failed.
    Closed { failed: u32 },
    /// No call goes through until then; the first one afterwards is the test of whether Center is back.
    Open { until: Timestamp },
}

impl Breaker {
    pub(crate) fn new(failures: u32, pause: Duration) -> Self {
        Self { failures: failures.max(1), pause, state: Mutex::new(State::Closed { failed: 0 }) }
    }

    /// Whether a call may be made now. After the pause one caller may; if they never report back (because they were
    /// cancelled), the next may after another pause.
    pub(crate) fn allows(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        match *state {
            State::Closed { .. } => true,
            State::Open { until } if now < until => false,
            State::Open { .. } => {
                *state = State::Open { until: now.plus(self.pause) };
                true
            }
        }
    }

    /// Center has answered.
    pub(crate) fn succeeded(&self) {
        *self.state.lock() = State::Closed { failed: 0 };
    }

    /// Center has not answered.
    pub(crate) fn failed(&self, now: Timestamp) {
        let mut state = self.state.lock();
        let open = State::Open { until: now.plus(self.pause) };
        *state = match *state {
            State::Closed { failed } if failed + 1 < self.failures => State::Closed { failed: failed + 1 },
            State::Closed { .. } | State::Open { .. } => open,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    #[test]
    fn failures_in_a_row_open_it_and_one_call_tests_the_water() {
        let breaker = Breaker::new(2, PAUSE);
        breaker.failed(Timestamp(0));
        breaker.succeeded();
        breaker.failed(Timestamp(0));
        assert!(breaker.allows(Timestamp(0)), "not in a row");
        breaker.failed(Timestamp(0));
        assert!(!breaker.allows(Timestamp(4_999)));
        assert!(breaker.allows(Timestamp(5_000)));
        assert!(!breaker.allows(Timestamp(5_000)), "one is enough to find out");
        breaker.failed(Timestamp(6_000));
        assert!(!breaker.allows(Timestamp(10_999)));
        assert!(breaker.allows(Timestamp(11_000)));
        breaker.succeeded();
        assert!(breaker.allows(Timestamp(11_000)) && breaker.allows(Timestamp(11_000)));
    }

    #[test]
    fn a_test_that_never_reports_back_does_not_close_it_for_ever() {
        let breaker = Breaker::new(1, PAUSE);
        breaker.failed(Timestamp(0));
        assert!(breaker.allows(Timestamp(5_000)));
        assert!(breaker.allows(Timestamp(10_000)));
    }
}
