//! How the pings of a connection fared, for whoever does not have its lock.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::proto::server::Heartbeat;

/// A [`Heartbeat`] in one number: twice the pings sent, plus one when all of them are answered. All but the last always
/// are.
#[derive(Debug)]
pub(super) struct Pulse(AtomicU64);

impl Default for Pulse {
    fn default() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl Pulse {
    pub(super) fn store(&self, heartbeat: Heartbeat) {
        let all = u64::from(heartbeat.sent == heartbeat.answered);
        self.0.store(heartbeat.sent << 1 | all, Ordering::Release);
    }

    pub(super) fn load(&self) -> Heartbeat {
        let pulse = self.0.load(Ordering::Acquire);
        let sent = pulse >> 1;
        Heartbeat::new(sent, if pulse & 1 == 1 { sent } else { sent.saturating_sub(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_what_is_loaded() {
        let pulse = Pulse::default();
        assert_eq!(pulse.load(), Heartbeat::default());
        for (sent, answered) in [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (70, 69)] {
            let heartbeat = Heartbeat::new(sent, answered);
            pulse.store(heartbeat);
            assert_eq!(pulse.load(), heartbeat);
        }
    }
}
