//! Connection state recovery: who was here a moment ago, and what was broadcast since.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::{Outgoing, Recovery, data::Data};

/// What a namespace keeps, within the bounds of its [`Recovery`].
pub(crate) struct Store {
    limits: Recovery,
    /// Offset of the next event.
    next: u64,
    /// Nothing up to this offset is kept any more.
    dropped: u64,
    events: VecDeque<Logged>,
    bytes: usize,
    parked: HashMap<String, Parked>,
    /// In the order they were parked; those that came back are skipped.
    order: VecDeque<(Duration, String)>,
}

struct Logged {
    offset: u64,
    at: Duration,
    event: Outgoing,
    to: Vec<String>,
    except: Vec<String>,
}

/// A socket that may come back.
pub(crate) struct Parked {
    pub(crate) sid: String,
    pub(crate) rooms: Vec<String>,
    pub(crate) data: Data,
    /// When it went.
    pub(crate) at: Duration,
}

impl Store {
    pub(crate) fn new(limits: Recovery) -> Self {
        Self {
            limits,
            next: 1,
            dropped: 0,
            events: VecDeque::new(),
            bytes: 0,
            parked: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Keeps a broadcast; answers it with its offset.
    pub(crate) fn log(
        &mut self,
        event: &Outgoing,
        to: &[String],
        except: &[String],
        now: Duration,
    ) -> Outgoing {
        let offset = self.next;
        self.next += 1;
        let event = event.with_offset(&offset.to_string());
        self.bytes += event.size();
        self.events.push_back(Logged {
            offset,
            at: now,
            event: event.clone(),
            to: to.to_vec(),
            except: except.to_vec(),
        });
        self.prune(now);
        event
    }

    /// Whether this socket has lost its connection and may come back.
    pub(crate) fn is_parked(&self, pid: &str) -> bool {
        self.parked.contains_key(pid)
    }

    /// Remembers a socket that lost its connection.
    pub(crate) fn park(&mut self, pid: String, parked: Parked, now: Duration) {
        self.order.push_back((parked.at, pid.clone()));
        self.parked.insert(pid, parked);
        self.prune(now);
    }

    /// The socket of a client that comes back, if it is still known, and everything after
    /// `offset` as well.
    pub(crate) fn take(&mut self, pid: &str, offset: &str, now: Duration) -> Option<(Parked, u64)> {
        self.prune(now);
        let offset: u64 = offset.parse().ok()?;
        if offset < self.dropped || offset >= self.next {
            return None;
        }
        self.parked.remove(pid).map(|parked| (parked, offset))
    }

    /// What a socket in these rooms missed after `offset`.
    pub(crate) fn missed<'a>(
        &'a self,
        offset: u64,
        sid: &'a str,
        rooms: &'a [String],
    ) -> impl Iterator<Item = &'a Outgoing> {
        let is_in = move |name: &String| name == sid || rooms.contains(name);
        self.events
            .iter()
            .filter(move |logged| logged.offset > offset)
            .filter(move |logged| logged.to.is_empty() || logged.to.iter().any(is_in))
            .filter(move |logged| !logged.except.iter().any(is_in))
            .map(|logged| &logged.event)
    }

    fn prune(&mut self, now: Duration) {
        let old = |at: Duration| now.saturating_sub(at) > self.limits.window;
        while let Some(first) = self.events.front() {
            let fits = self.events.len() <= self.limits.max_events && self.bytes <= self.limits.max_bytes;
            if fits && !old(first.at) {
                break;
            }
            self.dropped = first.offset;
            self.bytes -= first.event.size();
            self.events.pop_front();
        }
        while let Some((at, pid)) = self.order.front() {
            let back = self.parked.get(pid).is_none_or(|parked| parked.at != *at);
            let fits = self.order.len() <= self.limits.max_sockets;
            if fits && !back && !old(*at) {
                break;
            }
            if !back {
                self.parked.remove(pid);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(at: u64) -> Parked {
        Parked {
            sid: "s".into(),
            rooms: vec!["a".into()],
            data: Data::default(),
            at: Duration::from_secs(at),
        }
    }

    fn store() -> Store {
        Store::new(Recovery { max_events: 3, max_sockets: 2, ..Recovery::default() })
    }

    fn log(store: &mut Store, to: &[&str], except: &[&str], at: u64) {
        let event = Outgoing::event("/", "e", &1).unwrap();
        let names = |list: &[&str]| list.iter().map(|&name| name.into()).collect::<Vec<String>>();
        store.log(&event, &names(to), &names(except), Duration::from_secs(at));
    }

    #[test]
    fn gives_what_was_missed_in_the_socket_s_rooms() {
        let mut store = store();
        log(&mut store, &[], &[], 0);
        store.park("p".into(), parked(0), Duration::ZERO);
        log(&mut store, &["a"], &[], 1);
        log(&mut store, &["b"], &[], 1);
        let (back, offset) = store.take("p", "1", Duration::from_secs(1)).unwrap();
        assert_eq!(store.missed(offset, &back.sid, &back.rooms).count(), 1);
        log(&mut store, &[], &["a"], 1);
        assert_eq!(store.missed(offset, &back.sid, &back.rooms).count(), 1);
        assert!(store.take("p", "1", Duration::from_secs(1)).is_none());
    }

    #[test]
    fn refuses_offsets_it_does_not_know() {
        for (offset, known) in [("1", false), ("2", true), ("5", true), ("6", false), ("x", false)] {
            let mut store = store();
            store.park("p".into(), parked(0), Duration::ZERO);
            for _ in 0..5 {
                log(&mut store, &[], &[], 0);
            }
            assert_eq!(store.take("p", offset, Duration::ZERO).is_some(), known, "{offset}");
        }
    }

    #[test]
    fn forgets_after_the_window_and_beyond_the_bounds() {
        let mut store = store();
        log(&mut store, &[], &[], 0);
        store.park("p".into(), parked(0), Duration::ZERO);
        assert!(store.take("p", "1", Duration::from_secs(121)).is_none());
        assert!(store.events.is_empty() && store.parked.is_empty() && store.bytes == 0);
        for pid in ["a", "b", "c"] {
            store.park(pid.into(), parked(200), Duration::from_secs(200));
        }
        assert_eq!((store.parked.len(), store.order.len()), (2, 2));
    }
}
