//! Everybody whom an event may concern: who is connected, where, and who has joined which channel.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};

use fabric_domain::model::Timestamp;
use parking_lot::Mutex;

use crate::metrics::Metrics;
use crate::order::Order;
use crate::session::NewSession;
use crate::session::SocketSession;
use crate::sessions::{Sessions, TooManySockets};
use crate::station::Station;

/// Everybody whom an event may concern.
pub(crate) struct Audience {
    pub(crate) order: Order,
    pub(crate) sessions: Sessions,
    pub(crate) metrics: Metrics,
    /// By the thread that the worker is.
    stations: Mutex<HashMap<ThreadId, Arc<Station>>>,
    this: Weak<Self>,
}

impl Audience {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            order: Order::default(),
            sessions: Sessions::default(),
            metrics: Metrics::new(),
            stations: Mutex::default(),
            this: Weak::clone(this),
        })
    }

    /// The station of the worker that calls this.
    pub(crate) fn station(&self) -> Arc<Station> {
        let start = || self.order.add_station(|number| Station::start(number, Weak::clone(&self.this)));
        match self.stations.lock().entry(thread::current().id()) {
            Entry::Occupied(mut known) => {
                if known.get().has_ended() {
                    known.insert(start());
                }
                Arc::clone(known.get())
            }
            Entry::Vacant(entry) => Arc::clone(entry.insert(start())),
        }
    }

    /// Those of all workers.
    pub(crate) fn stations(&self) -> Vec<Arc<Station>> {
        self.stations.lock().values().cloned().collect()
    }

    /// Lets a socket in, unless its user has `most` already. Answers its session, and whether it is the user's first.
    pub(crate) fn connect(
        &self,
        new: NewSession,
        station: &Arc<Station>,
        most: usize,
    ) -> Result<(Arc<SocketSession>, bool), TooManySockets> {
        let (session, is_first) = self.sessions.connect(new, station, most)?;
        station.seat(self, &session);
        Ok((session, is_first))
    }

    /// A socket is gone. True when it was the user's last.
    pub(crate) fn disconnect(&self, session: &SocketSession) -> bool {
        session.station().dismiss(self, session);
        self.sessions.remove(session)
    }

    /// A connection was lost whose client may come back: its places are kept for a while. True when it was the user's
    /// last.
    pub(crate) fn park(&self, pid: &str, session: &Arc<SocketSession>, now: Timestamp) -> bool {
        // Before anybody can find it and come back to it.
        session.station().lose(session);
        let was_last = self.sessions.park(pid, session, now);
        was_last.unwrap_or_else(|| self.disconnect(session))
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience").finish_non_exhaustive()
    }
}
