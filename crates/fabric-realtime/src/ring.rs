//! The newest events of a channel, or of everybody: kept once, for whoever loses the connection.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::broadcast::Broadcast;
use crate::position::Position;

/// The most events, and bytes of them, of one ring. Less than a socket's queue takes at once, since all of them may
/// have to be sent again.
pub(crate) const EVENTS: usize = 400;
pub(crate) const BYTES: usize = 512 * 1024;
/// The most bytes of all rings of a guild together.
const ALL_BYTES: usize = 64 * 1024 * 1024;

/// How much all rings hold together.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    bytes: usize,
}

/// The newest events, oldest first.
#[derive(Debug)]
pub(crate) struct Ring {
    events: VecDeque<Arc<Broadcast>>,
    bytes: usize,
    /// Nothing up to here is kept.
    dropped: Position,
}

impl Ring {
    /// A ring that begins after this position.
    pub(crate) fn new(begin: Position) -> Self {
        Self { events: VecDeque::new(), bytes: 0, dropped: begin }
    }

    /// Keeps an event. Where all rings together hold too much, the one that gets more gives up its own oldest.
    pub(crate) fn push(&mut self, event: Arc<Broadcast>, all: &mut Kept) {
        self.bytes += event.weight();
        all.bytes += event.weight();
        self.events.push_back(event);
        while self.events.len() > EVENTS || self.bytes > BYTES || all.bytes > ALL_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.weight();
            all.bytes -= oldest.weight();
            self.dropped = oldest.position;
        }
    }

    /// Everything after this position; `None` when some of it is not kept any more.
    pub(crate) fn after(&self, position: Position) -> Option<impl Iterator<Item = &Arc<Broadcast>>> {
        let from = self.events.partition_point(|event| event.position <= position);
        (position >= self.dropped).then(|| self.events.range(from..))
    }

    /// Nobody will ask for any of it.
    pub(crate) fn forget(self, all: &mut Kept) {
        all.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::{Draft, Recipients};

    fn event(position: u64) -> Arc<Broadcast> {
        Arc::new(Draft::new("event", position).placed(Position(position), Recipients::Everybody))
    }

    fn after(ring: &Ring, position: u64) -> Option<Vec<u64>> {
        Some(ring.after(Position(position))?.map(|event| event.position.0).collect())
    }

    #[test]
    fn what_came_after_a_position_is_given_in_order() {
        let (mut ring, mut all) = (Ring::new(Position(5)), Kept::default());
        for position in [6, 9, 10] {
            ring.push(event(position), &mut all);
        }
        assert_eq!(after(&ring, 5), Some(vec![6, 9, 10]));
        assert_eq!(after(&ring, 7), Some(vec![9, 10]));
        assert_eq!(after(&ring, 10), Some(vec![]));
        assert_eq!(after(&ring, 4), None, "it began later");
        ring.forget(&mut all);
        assert_eq!(all.bytes, 0);
    }

    #[test]
    fn a_ring_that_is_full_does_not_pretend_to_reach_back() {
        let (mut ring, mut all) = (Ring::new(Position(0)), Kept::default());
        for position in 1..=500 {
            ring.push(event(position), &mut all);
        }
        assert_eq!(after(&ring, 99), None);
        assert_eq!(after(&ring, 100).map(|events| events.len()), Some(EVENTS));
    }

    #[test]
    fn all_rings_together_are_bounded() {
        let mut all = Kept { bytes: ALL_BYTES - 3_000 };
        let mut ring = Ring::new(Position(0));
        for position in 1..=5 {
            ring.push(event(position), &mut all);
        }
        assert!(all.bytes <= ALL_BYTES);
        assert_eq!(after(&ring, 3), Some(vec![4, 5]));
        assert_eq!(after(&ring, 2), None);
    }
}
