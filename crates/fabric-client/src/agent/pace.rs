//! Joining no faster than a guild allows.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// So many joins at once, and then one in this time: 40 a second. A guild takes 1,000 packets of a socket and then 50 a
/// second (spec/4 section 4), and closes it beyond; the rest is for whatever else is sent.
const BURST: u32 = 500;
const EVERY: Duration = Duration::from_millis(25);
/// Joins that wait for their answer. A guild answers them one after another, each within the time for an answer.
const IN_FLIGHT: usize = 32;

/// Paces the joins of one socket. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct JoinPace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    slots: Semaphore,
    schedule: Mutex<Schedule>,
}

impl Default for JoinPace {
    fn default() -> Self {
        let schedule = Mutex::new(Schedule { next: Instant::now() });
        Self(Arc::new(Inner { slots: Semaphore::new(IN_FLIGHT), schedule }))
    }
}

impl JoinPace {
    /// Waits until there may be another join. It is under way until what this answers is dropped.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        let slot = self.0.slots.acquire().await.ok();
        let due = self.0.schedule.lock().due(Instant::now());
        sleep_until(due).await;
        slot
    }
}

/// When the next one would be due if all of them kept their distance.
#[derive(Debug)]
struct Schedule {
    next: Instant,
}

impl Schedule {
    fn due(&mut self, now: Instant) -> Instant {
        let due = self.next.max(now);
        self.next = due + EVERY;
        // After a pause so many may come early.
        due.checked_sub(EVERY * (BURST - 1)).unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_then_one_after_another() {
        let now = Instant::now() + Duration::from_mins(1);
        let mut schedule = Schedule { next: now };
        let due: Vec<_> = (0..BURST + 3).map(|_| schedule.due(now).duration_since(now)).collect();
        let (burst, after) = due.split_at(BURST as usize);
        assert!(burst.iter().all(Duration::is_zero));
        assert_eq!(after, [EVERY, EVERY * 2, EVERY * 3]);
        let later = now + EVERY * (BURST + 3);
        assert!((0..BURST).all(|_| schedule.due(later) == later), "after a pause there may be a burst again");
        assert_eq!(schedule.due(later), later + EVERY);
    }
}
