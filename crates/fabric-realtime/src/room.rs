//! The sockets of one worker in one channel.
//!
//! A socket that joins must neither miss a message nor get one twice or out of order, while others are
//! being committed. So
//!
//! 1. it enters the room, in the phase [`Phase::CatchingUp`], in which what is told from then on is held;
//! 2. the channel is read from the store, up to some message L;
//! 3. it waits until everything that was committed by then was told to this worker: then every message up to L was
//!    either told before the entry, and has to be read from the store, or after it, and is held, with its wake;
//! 4. what was missed is sent, and then what was held; from then on the socket is live.
//!
//! How a message goes to somebody depends on whether they are a member. A socket that joins knows that only when the
//! channel is read, so what is held is held as it was told, together with the changes of its user's membership, and
//! who gets which version is decided when it is sent.

use std::sync::Arc;

use actix_socketio::Outgoing;
use fabric_domain::model::{ChannelId, Seq, WakeReason};

use crate::broadcast::{Broadcast, Choice};
use crate::line::Line;
use crate::position::Position;
use crate::session::SocketSession;
use crate::unconfirmed::Unconfirmed;

/// Events, and bytes of them, that may be held for a socket that catches up; further ones close it, and it begins
/// again.
const MAX_HELD: usize = 10_000;
const MAX_HELD_BYTES: usize = 4 * 1024 * 1024;

/// So much is sent in one go when a socket goes live.
const AT_ONCE: usize = 200;
const AT_ONCE_BYTES: usize = 256 * 1024;

/// The sockets of one worker in one channel.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: ChannelId,
    /// By number of their sessions.
    occupants: Vec<Occupant>,
    /// Whether there may be wakes of which it is not known that they arrived.
    has_unconfirmed: bool,
}

/// A session in a room. What is remembered for it is a number, not a list: what it would miss is in the ring of the
/// channel.
#[derive(Debug)]
pub(crate) struct Occupant {
    pub(crate) session: Arc<SocketSession>,
    /// `None` while the connection is lost.
    pub(crate) line: Option<Line>,
    takes_offsets: bool,
    pub(crate) is_member: bool,
    phase: Phase,
    person: u64,
    /// When it entered, or became a member, or ended being one: what was told before is nothing to it any more.
    pub(crate) since: Position,
    /// The last event that was due to it, `since` at least: what is not after it does not come again.
    pub(crate) last: Position,
    pub(crate) wakes: Unconfirmed,
    pub(crate) resumed: Resumed,
}

#[derive(Debug)]
enum Phase {
    /// Reads what it missed; what is told meanwhile waits, in order.
    CatchingUp(Box<Waiting>),
    /// Gets everything at once.
    Live,
}

/// What a client that came back has got of a channel without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// It has not come back, or has joined since: what it asks for again it wants again.
    No,
    /// Everything from the next message on.
    Yes,
    /// Everything from this message on.
    From(Seq),
}

impl Resumed {
    fn note(&mut self, seq: Seq) {
        if *self == Self::Yes {
            *self = Self::From(seq);
        }
    }
}

/// What is held for a socket, in order.
#[derive(Debug, Default)]
struct Waiting {
    held: Vec<Held>,
    bytes: usize,
    /// Whether it is known if its user was a member when the first of these was told.
    knows_member: bool,
}

#[derive(Debug)]
enum Held {
    Event(Arc<Broadcast>),
    /// Its user became a member, or ended being one.
    Member(bool),
}

/// An event in the version that is due to a socket.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) event: Arc<Broadcast>,
    pub(crate) version: usize,
}

impl Due {
    /// For a socket that catches up: without an offset, since it has not everything yet.
    pub(crate) fn unsent(&self) -> Option<Unsent> {
        let frame = self.event.frame(self.version, false)?.clone();
        Some(Unsent { frame, wakes: self.event.wakes(self.version).and(self.event.seq()) })
    }
}

/// What a socket that catches up is to be sent.
#[derive(Debug)]
pub(crate) struct Unsent {
    pub(crate) frame: Outgoing,
    /// For a message that wakes, its seq.
    pub(crate) wakes: Option<Seq>,
}

/// What came of going through a room.
#[derive(Debug)]
pub(crate) struct Walked {
    /// How many sockets got the event at once.
    pub(crate) delivered: u64,
    /// How many users it woke, by version; each once, whatever sockets they have.
    woken: Vec<u64>,
    has_woken: bool,
}

impl Walked {
    /// How many users were woken, for which reasons.
    pub(crate) fn woken(&self, event: &Broadcast) -> impl Iterator<Item = (WakeReason, u64)> {
        let counts = self.woken.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.filter_map(|(version, count)| Some((event.wakes(version)?, *count)))
    }
}

impl Waiting {
    /// False when that is too much.
    #[must_use]
    fn push(&mut self, event: &Arc<Broadcast>) -> bool {
        let bytes = self.bytes + event.weight();
        // One event is never too much, as for a socket's queue.
        let fits = self.held.len() < MAX_HELD && (bytes <= MAX_HELD_BYTES || self.held.is_empty());
        if fits {
            self.bytes = bytes;
            self.held.push(Held::Event(Arc::clone(event)));
        }
        fits
    }

    fn is_little(&self) -> bool {
        self.held.len() <= AT_ONCE && (self.held.len() <= 1 || self.bytes <= AT_ONCE_BYTES)
    }

    /// Takes out what is due; `is_member` is what is known of the user, and what is known afterwards. Where it is only
    /// what the store says, it was so all the time, unless it is known to have changed.
    fn take(&mut self, person: u64, is_member: &mut bool) -> Vec<Due> {
        if !std::mem::replace(&mut self.knows_member, true) {
            let changed = self.held.iter().find_map(|held| match held {
                Held::Member(became) => Some(*became),
                Held::Event(_) => None,
            });
            *is_member = changed.map_or(*is_member, |became| !became);
        }
        self.bytes = 0;
        let mut due = Vec::new();
        for held in std::mem::take(&mut self.held) {
            match held {
                Held::Member(became) => *is_member = became,
                Held::Event(event) => {
                    let version = event.choice().and_then(|choice| choice.version(person, *is_member));
                    due.extend(version.map(|version| Due { event, version }));
                }
            }
        }
        due
    }
}

impl Occupant {
    /// A session that enters after this event, and misses nothing that comes later.
    fn new(session: &Arc<SocketSession>, since: Position, is_member: bool, phase: Phase) -> Self {
        Self {
            line: session.line(),
            takes_offsets: session.takes_offsets,
            is_member,
            phase,
            person: session.person.number,
            since,
            last: since,
            wakes: Unconfirmed::default(),
            resumed: Resumed::No,
            session: Arc::clone(session),
        }
    }

    /// A new member's socket: live at once, since it missed nothing.
    pub(crate) fn live(session: &Arc<SocketSession>, since: Position) -> Self {
        Self::new(session, since, true, Phase::Live)
    }

    /// A socket that is about to read what it missed; `wakes` are those that were sent when it was here before.
    pub(crate) fn catching_up(session: &Arc<SocketSession>, since: Position, wakes: Unconfirmed) -> Self {
        Self { wakes, ..Self::new(session, since, false, Phase::CatchingUp(Box::default())) }
    }

    /// It is about to read what it missed, again perhaps: then what was held still counts.
    pub(crate) fn catch_up_again(&mut self) {
        if matches!(self.phase, Phase::Live) {
            self.phase = Phase::CatchingUp(Box::new(Waiting { knows_member: true, ..Waiting::default() }));
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
    }

    /// The first message that is held for it.
    pub(crate) fn first_held(&self) -> Option<Seq> {
        let Phase::CatchingUp(waiting) = &self.phase else { return None };
        waiting.held.iter().find_map(|held| match held {
            Held::Event(event) => event.seq(),
            Held::Member(_) => None,
        })
    }

    /// Ends holding, where what is held is little enough to be sent at once; answers what is to be sent, and whether it
    /// is live. `is_member` is what the store said.
    pub(crate) fn go_live(&mut self, is_member: bool) -> (Vec<Due>, bool) {
        let Phase::CatchingUp(waiting) = &mut self.phase else { return (Vec::new(), true) };
        if !waiting.knows_member {
            self.is_member = is_member;
        }
        let is_little = waiting.is_little();
        let due = waiting.take(self.person, &mut self.is_member);
        if is_little {
            self.phase = Phase::Live;
        }
        (due, is_little)
    }

    /// Its user became a member, or ended being one, by the event at this position.
    pub(crate) fn change_member(&mut self, is_member: bool, at: Position) {
        if at <= self.last {
            return;
        }
        match &mut self.phase {
            Phase::CatchingUp(waiting) => waiting.held.push(Held::Member(is_member)),
            Phase::Live => {
                // For whoever comes back it is decided anew how an event goes to them, by what is so then.
                self.close_the_books();
                self.is_member = is_member;
                (self.since, self.last) = (at, at);
            }
        }
    }

    /// What was due to it so far cannot be told any more: its client may come back only if it has it all.
    pub(crate) fn close_the_books(&self) {
        if self.last > self.since {
            self.session.come_back_from(self.last.into());
        }
    }

    /// The version of an event that is due to it, if there is one.
    pub(crate) fn due(&self, event: &Broadcast) -> Option<usize> {
        event.choice().and_then(|choice| choice.version(self.person, self.is_member))
    }

    /// Takes an event as it is told. Not again what it has, nor what it reads from the store.
    fn take(&mut self, event: &Arc<Broadcast>, choice: &Choice, walked: &mut Walked) {
        if event.position <= self.last {
            return;
        }
        if let Phase::CatchingUp(waiting) = &mut self.phase {
            self.last = event.position;
            if !waiting.push(event) {
                self.session.abandon();
            }
            return;
        }
        let Some(version) = choice.version(self.person, self.is_member) else { return };
        self.last = event.position;
        if !self.send(event, version) {
            return;
        }
        walked.delivered += 1;
        if let Some(seq) = choice.seq {
            self.resumed.note(seq);
            if event.wakes(version).is_some() {
                self.wakes.sent(seq);
                walked.has_woken = true;
                walked.woken[version] += u64::from(self.session.person.is_woken_first(event.position));
            }
        }
    }

    /// Sends an event; one that is gone, or too slow and therefore closed, is no concern of the sender.
    fn send(&self, event: &Broadcast, version: usize) -> bool {
        let Some(line) = &self.line else { return false };
        let Some(frame) = event.frame(version, self.takes_offsets) else { return false };
        line.send(frame).is_ok()
    }
}

impl Room {
    pub(crate) fn new(id: ChannelId) -> Self {
        Self { id, occupants: Vec::new(), has_unconfirmed: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.occupants.is_empty()
    }

    fn place(&self, session: &SocketSession) -> Result<usize, usize> {
        // Mostly the newest one comes.
        self.occupants.binary_search_by_key(&session.number, |occupant| occupant.session.number)
    }

    pub(crate) fn get(&self, session: &SocketSession) -> Option<&Occupant> {
        self.place(session).ok().map(|at| &self.occupants[at])
    }

    pub(crate) fn get_mut(&mut self, session: &SocketSession) -> Option<&mut Occupant> {
        self.place(session).ok().map(|at| &mut self.occupants[at])
    }

    /// A session that is not in the room enters it.
    pub(crate) fn enter(&mut self, occupant: Occupant) {
        if let Err(at) = self.place(&occupant.session) {
            self.has_unconfirmed |= !occupant.wakes.is_empty();
            self.occupants.insert(at, occupant);
        }
    }

    pub(crate) fn leave(&mut self, session: &SocketSession) -> Option<Occupant> {
        let left = self.place(session).ok().map(|at| self.occupants.remove(at));
        if self.occupants.len() < self.occupants.capacity() / 4 {
            self.occupants.shrink_to(2 * self.occupants.len());
        }
        left
    }

    /// Gives every socket its version of an event: no look-ups, no hashing, no allocation for each of them.
    pub(crate) fn walk(&mut self, event: &Arc<Broadcast>, choice: &Choice) -> Walked {
        let mut walked = Walked { delivered: 0, woken: vec![0; event.version_count()], has_woken: false };
        for occupant in &mut self.occupants {
            occupant.take(event, choice, &mut walked);
        }
        self.has_unconfirmed |= walked.has_woken;
        walked
    }

    /// Hands over the wakes of which it has become known that they arrived.
    pub(crate) fn settle(&mut self, mut settle: impl FnMut(&SocketSession, Seq)) {
        if !self.has_unconfirmed {
            return;
        }
        self.has_unconfirmed = false;
        for occupant in &mut self.occupants {
            if occupant.wakes.is_empty() {
                continue;
            }
            if let Some(line) = &occupant.line
                && let Some(arrived) = occupant.wakes.look(line.heartbeat())
            {
                settle(&occupant.session, arrived);
            }
            self.has_unconfirmed |= !occupant.wakes.is_empty();
        }
    }

    /// A wake was sent to somebody in it.
    pub(crate) fn note_unconfirmed(&mut self) {
        self.has_unconfirmed = true;
    }
}
