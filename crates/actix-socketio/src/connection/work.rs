//! What is under way: the work of handlers, and websockets.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Counts the pieces of work that are under way, so that somebody can wait for their end.
#[derive(Debug, Default)]
pub(super) struct Work {
    busy: AtomicUsize,
    idle: Notify,
}

/// One piece of work, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Work>);

impl Work {
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(self))
    }

    /// Waits until nothing is under way.
    pub(super) async fn ended(&self) {
        loop {
            let notified = self.idle.notified();
            if self.busy.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
