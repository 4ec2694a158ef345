//! The sockets in one channel.
//!
//! A socket that joins must neither miss a message nor get one twice or out of order, while others are
//! being committed. So
//!
//! 1. it enters the room, in the phase [`Phase::CatchingUp`], in which what is delivered is held;
//! 2. the channel is read from the store, up to some message L;
//! 3. it waits until the room has seen L: then every message up to L was either delivered before the entry, and
//!    has to be read from the store, or after it, and is held, with its wake;
//! 4. what was missed is sent, and then, by [`Room::go_live`], what was held; from then on the socket is live.

use std::collections::HashMap;
use std::sync::Arc;

use fabric_domain::model::{Seq, UserId};

use crate::frames::EncodedEvent;
use crate::session::SocketSession;

/// Events, and bytes of them, that may be held for a socket that catches up; further ones close it, and it begins
/// again.
const MAX_HELD: usize = 10_000;
const MAX_HELD_BYTES: usize = 4 * 1024 * 1024;

/// So much is sent in one go when a socket goes live.
const AT_ONCE: usize = 200;
const AT_ONCE_BYTES: usize = 256 * 1024;

/// Whether a socket that caught up is live.
#[derive(Debug)]
pub(crate) enum GoLive {
    /// It is, or it has gone.
    Live,
    /// These have to be sent first, no faster than the client reads.
    NotYet(Vec<Held>),
}

/// The sockets in one channel, by socket id.
#[derive(Debug, Default)]
pub(crate) struct Room {
    occupants: HashMap<String, Occupant>,
    /// The newest message that was delivered since somebody is here.
    seen: Seq,
}

#[derive(Debug)]
struct Occupant {
    session: Arc<SocketSession>,
    phase: Phase,
    is_member: bool,
}

#[derive(Debug)]
enum Phase {
    /// Reads what it missed; what is delivered meanwhile waits, in order.
    CatchingUp(Waiting),
    /// Gets everything at once.
    Live,
}

/// What is held for a socket, in order.
#[derive(Debug, Default)]
struct Waiting {
    held: Vec<Held>,
    bytes: usize,
}

impl Waiting {
    /// False when that is too much.
    #[must_use]
    fn push(&mut self, held: Held) -> bool {
        let bytes = self.bytes + held.event.size();
        // One event is never too much, as for a socket's queue.
        let fits = self.held.len() < MAX_HELD && (bytes <= MAX_HELD_BYTES || self.held.is_empty());
        if fits {
            self.bytes = bytes;
            self.held.push(held);
        }
        fits
    }

    fn take(&mut self) -> Vec<Held> {
        self.bytes = 0;
        std::mem::take(&mut self.held)
    }

    fn is_little(&self) -> bool {
        self.held.len() <= AT_ONCE && (self.held.len() <= 1 || self.bytes <= AT_ONCE_BYTES)
    }
}

/// A held event; the seq where it is a message.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) seq: Option<Seq>,
    pub(crate) event: EncodedEvent,
}

impl Room {
    pub(crate) fn is_empty(&self) -> bool {
        self.occupants.is_empty()
    }

    /// A new member's socket: live at once, since it missed nothing. One that is in already stays where it is.
    pub(crate) fn enter_live(&mut self, session: &Arc<SocketSession>) {
        self.occupants
            .entry(session.id().to_owned())
            .or_insert_with(|| Occupant { session: Arc::clone(session), phase: Phase::Live, is_member: true })
            .is_member = true;
    }

    /// This user is no member any more, and may stay.
    pub(crate) fn note_left(&mut self, user: &UserId) {
        for occupant in self.occupants.values_mut().filter(|occupant| occupant.session.user() == user) {
            occupant.is_member = false;
        }
    }

    /// A socket that is about to read what it missed.
    pub(crate) fn enter_catching_up(&mut self, session: &Arc<SocketSession>, is_member: bool) {
        // Joined again while joining: what was held still counts.
        let waiting = match self.occupants.remove(session.id()) {
            Some(Occupant { phase: Phase::CatchingUp(waiting), .. }) => waiting,
            _ => Waiting::default(),
        };
        let occupant =
            Occupant { session: Arc::clone(session), phase: Phase::CatchingUp(waiting), is_member };
        self.occupants.insert(session.id().to_owned(), occupant);
    }

    /// The first message that is held for the socket.
    pub(crate) fn first_held(&self, socket: &str) -> Option<Seq> {
        match &self.occupants.get(socket)?.phase {
            Phase::CatchingUp(waiting) => waiting.held.iter().find_map(|held| held.seq),
            Phase::Live => None,
        }
    }

    /// Sends what was held, and the socket is live; or hands it out, where it is too much to be sent at once.
    pub(crate) fn go_live(&mut self, socket: &str) -> GoLive {
        let Some(Occupant { session, phase, .. }) = self.occupants.get_mut(socket) else {
            return GoLive::Live;
        };
        let Phase::CatchingUp(waiting) = phase else { return GoLive::Live };
        if !waiting.is_little() {
            return GoLive::NotYet(waiting.take());
        }
        for held in waiting.take() {
            session.send(&held.event);
        }
        *phase = Phase::Live;
        GoLive::Live
    }

    pub(crate) fn leave(&mut self, socket: &str) -> Option<Arc<SocketSession>> {
        self.occupants.remove(socket).map(|occupant| occupant.session)
    }

    /// Takes all sockets of a user out.
    pub(crate) fn remove_user(&mut self, user: &UserId) -> Vec<Arc<SocketSession>> {
        let is_theirs = |occupant: &Occupant| occupant.session.user() == user;
        self.occupants
            .extract_if(|_, occupant| is_theirs(occupant))
            .map(|(_, occupant)| occupant.session)
            .collect()
    }

    /// The newest message that was delivered since somebody is here.
    pub(crate) fn seen(&self) -> Seq {
        self.seen
    }

    /// Gives every socket its version of an event, which depends on whether it is a member's; `seq` is that of a
    /// message. `live` is told who got it at once. Answers how many sockets that were.
    pub(crate) fn deliver(
        &mut self,
        seq: Option<Seq>,
        mut version: impl FnMut(&SocketSession, bool) -> Option<EncodedEvent>,
        mut live: impl FnMut(&SocketSession, bool),
    ) -> u64 {
        let mut delivered = 0;
        self.seen = seq.unwrap_or(self.seen);
        for occupant in self.occupants.values_mut() {
            let Some(event) = version(&occupant.session, occupant.is_member) else { continue };
            match &mut occupant.phase {
                Phase::Live => {
                    if occupant.session.send(&event) {
                        delivered += 1;
                        live(&occupant.session, occupant.is_member);
                    }
                }
                Phase::CatchingUp(waiting) => {
                    if !waiting.push(Held { seq, event }) {
                        occupant.session.abandon();
                    }
                }
            }
        }
        delivered
    }

    /// Whether a socket of this id is in the room.
    pub(crate) fn contains(&self, socket: &str) -> bool {
        self.occupants.contains_key(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::encode;

    fn held(bytes: usize) -> Held {
        Held { seq: None, event: encode("event", &"x".repeat(bytes)).unwrap() }
    }

    #[test]
    fn what_is_held_for_a_joining_socket_is_bounded_in_events_and_in_bytes() {
        let (mut waiting, small) = (Waiting::default(), held(1));
        assert_eq!((0..2 * MAX_HELD).filter(|_| waiting.push(small.clone())).count(), MAX_HELD);
        let (mut waiting, large) = (Waiting::default(), held(MAX_HELD_BYTES / 8));
        assert_eq!((0..100).filter(|_| waiting.push(large.clone())).count(), 7);
        assert!(!waiting.is_little());
        assert_eq!(waiting.take().len(), 7);
        assert!(waiting.push(large), "there is room again");
    }

    #[test]
    fn one_event_is_held_however_large_it_is() {
        let (mut waiting, huge) = (Waiting::default(), held(MAX_HELD_BYTES + 1));
        assert!(waiting.push(huge.clone()));
        assert!(waiting.is_little());
        assert!(!waiting.push(huge));
    }
}
