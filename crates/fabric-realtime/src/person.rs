//! A user who has a socket, or may come back to one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::broadcast::Broadcast;
use crate::position::Position;
use crate::ring::{Kept, Ring};

/// A user who has a socket, or may come back to one: so long there is one of them.
#[derive(Debug)]
pub(crate) struct Person {
    /// By which the recipients of an event are told apart. No two users have the same one, ever.
    pub(crate) number: u64,
    /// The last event that woke them, to count each user once.
    woken: AtomicU64,
    own: Mutex<Own>,
}

/// What concerns nobody else. Written under the lock of the order.
#[derive(Debug)]
struct Own {
    ring: Ring,
    kept: Kept,
    /// When a membership changed the last time.
    changed: Position,
}

impl Person {
    pub(crate) fn new(number: u64) -> Arc<Self> {
        let own =
            Own { ring: Ring::new(Position::default()), kept: Kept::default(), changed: Position::default() };
        Arc::new(Self { number, woken: AtomicU64::new(0), own: Mutex::new(own) })
    }

    /// Whether this event has not woken them before, on any socket.
    pub(crate) fn is_woken_first(&self, event: Position) -> bool {
        self.woken.swap(event.0, Ordering::Relaxed) != event.0
    }

    /// Keeps an event that goes to nobody else.
    pub(crate) fn keep(&self, event: &Arc<Broadcast>) {
        let Own { ring, kept, .. } = &mut *self.own.lock();
        ring.push(Arc::clone(event), kept);
    }

    /// A membership of theirs changes with the event at this position.
    pub(crate) fn note_change(&self, at: Position) {
        self.own.lock().changed = at;
    }

    /// When a membership of theirs changed the last time.
    pub(crate) fn changed(&self) -> Position {
        self.own.lock().changed
    }

    /// What went to nobody else after this position; `None` when some of it is not kept any more.
    pub(crate) fn after(&self, position: Position) -> Option<Vec<Arc<Broadcast>>> {
        Some(self.own.lock().ring.after(position)?.cloned().collect())
    }
}
