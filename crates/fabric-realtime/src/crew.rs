//! What one worker has: its sessions, and its part of every channel's room. `station.rs` has the lock around it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use fabric_domain::model::ChannelId;

use crate::audience::Audience;
use crate::broadcast::{Broadcast, Membership};
use crate::line::Line;
use crate::order::Places;
use crate::position::Position;
use crate::room::{Occupant, Room};
use crate::session::SocketSession;
use crate::unconfirmed::{Arrived, Unconfirmed};

/// The sockets of a worker, and those that were its and may come back.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    /// Everything up to here is told.
    pub(crate) walked: Position,
    pub(crate) rooms: HashMap<ChannelId, Room>,
    /// By number of their sessions.
    pub(crate) seats: Vec<Seat>,
    /// Wakes of channels that were left since.
    pub(crate) left: Vec<Left>,
    /// Sessions that catch up with a channel, whether or not they are still in its room.
    pub(crate) joining: Vec<(u64, ChannelId)>,
}

/// A session of the worker.
#[derive(Debug)]
pub(crate) struct Seat {
    session: Arc<SocketSession>,
    /// `None` while the connection is lost.
    pub(crate) line: Option<Line>,
    /// What was told before it has already, or it is nothing to it.
    since: Position,
}

#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) session: Arc<SocketSession>,
    pub(crate) channel: ChannelId,
    pub(crate) wakes: Unconfirmed,
}

impl Seat {
    /// Answers whether the event was put on a live socket.
    pub(crate) fn tell(&self, event: &Broadcast) -> bool {
        if event.position <= self.since {
            return false;
        }
        let Some(line) = &self.line else { return false };
        let frame = event.frame(0, self.session.takes_offsets);
        frame.is_some_and(|frame| line.send(frame).is_ok())
    }
}

impl Crew {
    /// The room of a channel, which the worker sees the events of as long as there is one.
    pub(crate) fn room(&mut self, channel: &ChannelId, places: &mut Places, station: usize) -> &mut Room {
        match self.rooms.entry(channel.clone()) {
            Entry::Occupied(room) => room.into_mut(),
            Entry::Vacant(entry) => {
                places.hold(channel, station);
                let room = Room::new(entry.key().clone());
                entry.insert(room)
            }
        }
    }

    pub(crate) fn close_empty(&mut self, channel: &ChannelId, places: &mut Places, station: usize) {
        if self.rooms.get(channel).is_some_and(Room::is_empty) {
            self.rooms.remove(channel);
            places.release(channel, station);
        }
    }

    fn seat_place(&self, session: &SocketSession) -> Result<usize, usize> {
        self.seats.binary_search_by_key(&session.number, |seat| seat.session.number)
    }

    pub(crate) fn seat(&self, session: &SocketSession) -> Option<&Seat> {
        self.seat_place(session).ok().map(|at| &self.seats[at])
    }

    pub(crate) fn seat_mut(&mut self, session: &SocketSession) -> Option<&mut Seat> {
        self.seat_place(session).ok().map(|at| &mut self.seats[at])
    }

    /// From now on the session is told what everybody is told.
    pub(crate) fn sit_down(&mut self, session: &Arc<SocketSession>, since: Position) {
        if let Err(at) = self.seat_place(session) {
            let seat = Seat { session: Arc::clone(session), line: session.line(), since };
            self.seats.insert(at, seat);
        }
    }

    /// The session is not here any more.
    pub(crate) fn stand_up(&mut self, session: &SocketSession) {
        if let Ok(at) = self.seat_place(session) {
            self.seats.remove(at);
        }
        self.left.retain(|left| left.session.number != session.number);
        self.joining.retain(|(number, _)| *number != session.number);
        if self.seats.len() < self.seats.capacity() / 4 {
            self.seats.shrink_to(2 * self.seats.len());
        }
    }

    /// Takes out the wakes of a channel that a session has left.
    pub(crate) fn take_wakes(&mut self, session: &SocketSession, channel: &ChannelId) -> Unconfirmed {
        let is_it = |left: &mut Left| left.channel == *channel && left.session.number == session.number;
        self.left.extract_if(.., is_it).next().map(|left| left.wakes).unwrap_or_default()
    }

    /// Takes out the wakes of all channels that a session has left.
    pub(crate) fn take_left(&mut self, session: &SocketSession) -> Arrived {
        let theirs = self.left.extract_if(.., |left| left.session.number == session.number);
        theirs.map(|left| (left.channel, left.wakes.newest())).collect()
    }

    /// Up to where a session has been told everything.
    pub(crate) fn told_to(&self, session: &SocketSession) -> Position {
        self.seat(session).map_or(self.walked, |seat| seat.since.max(self.walked))
    }

    pub(crate) fn is_joining(&self, session: &SocketSession, channel: &ChannelId) -> bool {
        self.joining.iter().any(|(number, other)| *number == session.number && other == channel)
    }

    pub(crate) fn end_joining(&mut self, session: &SocketSession, channel: &ChannelId) {
        self.joining.retain(|(number, other)| *number != session.number || other != channel);
    }

    pub(crate) fn leave(&mut self, session: &SocketSession, channel: &ChannelId) {
        session.exit(channel);
        let left = self.rooms.get_mut(channel).and_then(|room| room.leave(session));
        let Some(occupant) = left else { return };
        occupant.close_the_books();
        if !occupant.wakes.is_empty() {
            let Occupant { session, wakes, .. } = occupant;
            self.left.push(Left { session, channel: channel.clone(), wakes });
        }
    }

    /// Takes a session into a channel, or out of it, and tells it so.
    pub(crate) fn change_member(
        &mut self,
        audience: &Audience,
        station: usize,
        session: &Arc<SocketSession>,
        channel: &ChannelId,
        change: Membership,
        event: &Broadcast,
    ) {
        // Another worker has it, or it came later.
        if self.seat(session).is_none_or(|seat| event.position <= seat.since) {
            return;
        }
        let is_member = change == Membership::Begun;
        let is_joining = self.is_joining(session, channel);
        let occupant = self.rooms.get_mut(channel).and_then(|room| room.get_mut(session));
        match (occupant, change) {
            (Some(occupant), Membership::Ended { may_read: false }) => {
                if event.position > occupant.since {
                    self.leave(session, channel);
                    self.close_empty(channel, &mut audience.order.lock(), station);
                }
            }
            (Some(occupant), _) => occupant.change_member(is_member, event.position),
            (None, Membership::Begun) if is_joining => {
                // It lost the room while it caught up, with what was held: it is to begin again.
                session.abandon();
            }
            (None, Membership::Begun) => {
                let mut places = audience.order.lock();
                let room = self.room(channel, &mut places, station);
                if session.enter(room.id.clone()) {
                    room.enter(Occupant::live(session, event.position));
                } else {
                    self.close_empty(channel, &mut places, station);
                }
            }
            (None, Membership::Ended { .. }) => {}
        }
        if let Some(seat) = self.seat(session)
            && seat.tell(event)
        {
            audience.metrics.deliveries.increment(1);
        }
    }
}
