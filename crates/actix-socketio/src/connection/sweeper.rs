//! One timer for all connections.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::Notify};

use crate::{SessionLimits, proto::Moment};

/// Deadlines closer together than this are met by one wake-up, at least and at most.
const GRAIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// What has deadlines.
pub(super) trait Timed: Send + Sync {
    /// The moment `at` has come.
    fn tick(self: Arc<Self>, at: Moment);
}

/// Wakes connections at their deadlines with a single task, which exists only while there are any.
pub(super) struct Sweeper {
    epoch: Instant,
    grain: Duration,
    state: Mutex<State>,
    earlier: Notify,
}

#[derive(Default)]
struct State {
    due: BinaryHeap<Reverse<Entry>>,
    running: bool,
}

struct Entry {
    at: Moment,
    conn: Weak<dyn Timed>,
}

impl Sweeper {
    pub(super) fn new(limits: &SessionLimits) -> Self {
        // A hundredth of the heartbeat is as good as exact.
        let heartbeat = limits.ping_interval.min(limits.ping_timeout);
        let grain = (heartbeat / 100).clamp(GRAIN.0, GRAIN.1);
        Self { epoch: Instant::now(), grain, state: Mutex::default(), earlier: Notify::new() }
    }

    /// The time, as the protocol core counts it.
    pub(super) fn now(&self) -> Moment {
        self.epoch.elapsed()
    }

    /// Has `conn` told the time at `at`.
    pub(super) fn schedule(self: &Arc<Self>, at: Moment, conn: Weak<dyn Timed>, runtime: &Handle) {
        let mut state = self.state.lock();
        let first = state.due.peek().is_none_or(|Reverse(entry)| at < entry.at);
        state.due.push(Reverse(Entry { at, conn }));
        let start = !std::mem::replace(&mut state.running, true);
        drop(state);
        if start {
            // The guard is made here: if the runtime is gone, the task is dropped before it ran.
            let running = Running { sweeper: Arc::clone(self), ended: false };
            runtime.spawn(async move {
                // The whole of it: a move of its fields alone would leave the guard behind.
                let mut running = running;
                running.sweeper.run().await;
                running.ended = true;
            });
        } else if first {
            self.earlier.notify_one();
        }
    }

    async fn run(&self) {
        let mut due = Vec::new();
        loop {
            let now = self.now();
            let next = {
                let mut state = self.state.lock();
                while state.due.peek().is_some_and(|Reverse(entry)| entry.at <= now) {
                    due.extend(state.due.pop());
                }
                state.due.peek().map(|Reverse(entry)| entry.at)
            };
            if due.is_empty() {
                let Some(next) = next else {
                    let mut state = self.state.lock();
                    if state.due.is_empty() {
                        state.running = false;
                        return;
                    }
                    continue;
                };
                let wait = next.saturating_sub(now).max(self.grain);
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.earlier.notified() => {}
                }
            }
            // Not under the lock: a connection schedules its next deadline.
            for Reverse(entry) in due.drain(..) {
                if let Some(conn) = entry.conn.upgrade() {
                    conn.tick(entry.at);
                }
            }
        }
    }

    /// Forgets every deadline, so that the task ends.
    pub(super) fn clear(&self) {
        self.state.lock().due.clear();
        self.earlier.notify_one();
    }
}

/// Lets another runtime start the task again when this one went away in the middle of it.
struct Running {
    sweeper: Arc<Sweeper>,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.sweeper.state.lock().running = false;
        }
    }
}

impl std::fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sweeper").field("grain", &self.grain).finish_non_exhaustive()
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}
