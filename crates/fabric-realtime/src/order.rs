//! The one order of all events.
//!
//! Every event that somebody is to be told gets its place under one lock, is kept for whoever loses the connection,
//! and is put into the queue of each worker that has somebody whom it may concern. So all workers see events in the
//! same order, and the place of one is enough to say what came after it.
//!
//! Locks are taken in this order: stations, by their numbers; the order; sessions; whatever is inside of one of them.

use std::collections::HashMap;
use std::sync::Arc;

use fabric_api::guild::{self, ChannelRow, TurnView};
use fabric_api::realtime::{MembershipChanged, MessageDeleted, event};
use fabric_domain::decisions::{Commit, Event};
use fabric_domain::model::{ChannelId, ChannelType, DeliveryPlan, Message, Timestamp, UserId};
use parking_lot::{Mutex, MutexGuard};

use crate::broadcast::{Broadcast, Choice, Draft, Membership, Recipients};
use crate::position::Position;
use crate::ring::{Kept, Ring};
use crate::session::SocketSession;
use crate::sessions::Sessions;
use crate::station::{Station, Ticket};

/// Gives every event its place, and takes it to the workers whom it concerns.
#[derive(Debug, Default)]
pub(crate) struct Order(Mutex<Places>);

/// What the order knows, under its lock.
#[derive(Debug)]
pub(crate) struct Places {
    /// Of the newest event.
    position: Position,
    channels: HashMap<ChannelId, Channel>,
    /// What everybody is told.
    everybody: Ring,
    kept: Kept,
    /// By number. One whose worker has ended keeps its number.
    stations: Vec<Arc<Station>>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            position: Position::default(),
            channels: HashMap::new(),
            everybody: Ring::new(Position::default()),
            kept: Kept::default(),
            stations: Vec::new(),
        }
    }
}

/// A channel that somebody is in.
#[derive(Debug)]
struct Channel {
    ring: Ring,
    /// The newest version of which everybody was told, and where that was.
    version: u64,
    last: Position,
    /// The workers that are to see its events, each with how many reasons there are for it: its room, and every new
    /// member on the way to it.
    holds: Vec<(usize, usize)>,
}

impl Order {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock()
    }

    /// A station for a worker that has none.
    pub(crate) fn add_station(&self, make: impl FnOnce(usize) -> Arc<Station>) -> Arc<Station> {
        let mut places = self.lock();
        let station = make(places.stations.len());
        places.stations.push(Arc::clone(&station));
        station
    }

    /// Takes what a commit did to whom it concerns, in its order.
    pub(crate) fn commit(&self, commit: Commit, sessions: &Sessions, ticket: &Ticket) {
        let Commit { channel_id: id, version, events } = commit;
        let mut places = self.lock();
        for event in events {
            places.tell(&id, event, sessions, ticket);
        }
        let position = places.position;
        if let Some(channel) = places.channels.get_mut(&id) {
            (channel.version, channel.last) = (version, position);
        }
    }

    /// Tells everybody.
    pub(crate) fn tell_everybody(&self, draft: Draft, ticket: &Ticket) {
        let places = &mut *self.lock();
        let event = places.place(draft, Recipients::Everybody);
        places.everybody.push(Arc::clone(&event), &mut places.kept);
        for station in &places.stations {
            station.push(&event, ticket);
        }
    }

    /// Tells the others in a channel.
    pub(crate) fn tell_others(&self, channel: &ChannelId, user: Option<u64>, draft: Draft, ticket: &Ticket) {
        self.lock().tell_room(channel, ticket, || (draft, Choice::all_but(user)));
    }

    /// Where everybody in the channel was told of this version of it, if they were.
    pub(crate) fn told(&self, channel: &ChannelId, version: u64) -> Option<Position> {
        let places = self.lock();
        places.channels.get(channel).filter(|channel| channel.version >= version).map(|channel| channel.last)
    }
}

impl Places {
    /// Of the newest event.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Whether nobody is in any channel, and nothing is kept for anybody.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.channels.is_empty()
    }

    /// From now on a worker sees the events of a channel, until that is taken back.
    pub(crate) fn hold(&mut self, id: &ChannelId, station: usize) {
        let begin = self.position;
        let channel = self.channels.entry(id.clone()).or_insert_with(|| Channel {
            ring: Ring::new(begin),
            version: 0,
            last: begin,
            holds: Vec::new(),
        });
        match channel.holds.iter_mut().find(|(number, _)| *number == station) {
            Some((_, reasons)) => *reasons += 1,
            None => channel.holds.push((station, 1)),
        }
    }

    /// Takes back one [`Self::hold`].
    pub(crate) fn release(&mut self, id: &ChannelId, station: usize) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        if let Some((_, reasons)) = channel.holds.iter_mut().find(|(number, _)| *number == station) {
            *reasons -= 1;
        }
        channel.holds.retain(|(_, reasons)| *reasons > 0);
        if channel.holds.is_empty()
            && let Some(channel) = self.channels.remove(id)
        {
            channel.ring.forget(&mut self.kept);
        }
    }

    /// What was told in a channel after this position; `None` when some of it is not kept any more.
    pub(crate) fn in_channel_after(
        &self,
        channel: &ChannelId,
        position: Position,
    ) -> Option<impl Iterator<Item = &Arc<Broadcast>>> {
        self.channels.get(channel)?.ring.after(position)
    }

    /// What everybody was told after this position; `None` when some of it is not kept any more.
    pub(crate) fn everybody_after(
        &self,
        position: Position,
    ) -> Option<impl Iterator<Item = &Arc<Broadcast>>> {
        self.everybody.after(position)
    }

    fn place(&mut self, draft: Draft, to: Recipients) -> Arc<Broadcast> {
        self.position = self.position.next();
        Arc::new(draft.placed(self.position, to))
    }

    /// Nothing is made of an event that nobody is there for.
    fn tell_room(&mut self, id: &ChannelId, ticket: &Ticket, make: impl FnOnce() -> (Draft, Choice)) {
        if !self.channels.contains_key(id) {
            return;
        }
        let (draft, choice) = make();
        let event = self.place(draft, Recipients::Room(id.clone(), choice));
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.ring.push(Arc::clone(&event), &mut self.kept);
        for (station, _) in &channel.holds {
            self.stations[*station].push(&event, ticket);
        }
    }

    fn tell(&mut self, channel: &ChannelId, event: Event, sessions: &Sessions, ticket: &Ticket) {
        let all = |name, payload| move || (Draft::new(name, payload), Choice::all());
        match event {
            Event::MessageCreated { message, channel_type, plan } => {
                self.tell_message(channel, message, channel_type, &plan, sessions, ticket);
            }
            Event::MessageUpdated(message) => {
                self.tell_room(channel, ticket, || {
                    (Draft::new(event::MESSAGE_UPDATED, guild::Message::from(message)), Choice::all())
                });
            }
            Event::MessageDeleted(message) => {
                self.tell_room(channel, ticket, all(event::MESSAGE_DELETED, MessageDeleted::from(message)));
            }
            Event::ChannelUpdated { channel: row, member_count } => {
                self.tell_room(channel, ticket, || {
                    (Draft::new(event::CHANNEL_UPDATED, ChannelRow::shared(row, member_count)), Choice::all())
                });
            }
            Event::TurnUpdated(turn) => {
                self.tell_room(channel, ticket, || {
                    (Draft::new(event::TURN_UPDATED, TurnView::new(channel.clone(), &turn)), Choice::all())
                });
            }
            Event::MemberJoined { user, channel_type, at } => {
                let joined = membership(channel, &user, channel_type, at);
                let draft = || Draft::new(event::CHANNEL_JOINED, joined);
                self.tell_member(channel, user, Membership::Begun, draft, sessions, ticket);
            }
            Event::MemberLeft { user, channel_type, at, may_read } => {
                let left = membership(channel, &user, channel_type, at);
                let draft = || Draft::new(event::CHANNEL_LEFT, left);
                self.tell_member(channel, user, Membership::Ended { may_read }, draft, sessions, ticket);
            }
        }
    }

    fn tell_message(
        &mut self,
        id: &ChannelId,
        message: Message,
        channel_type: ChannelType,
        plan: &DeliveryPlan,
        sessions: &Sessions,
        ticket: &Ticket,
    ) {
        let outside = plan.outside_observer.as_ref().map(|user| (user, sessions.of(user)));
        let outside = outside.filter(|(_, sessions)| !sessions.is_empty());
        if outside.is_none() && !self.channels.contains_key(id) {
            return;
        }
        let message = Arc::new(guild::Message::from(message));
        self.tell_room(id, ticket, || {
            Draft::message(Arc::clone(&message), channel_type, plan, |user| sessions.number(user))
        });
        if let Some((user, theirs)) = outside
            && let Some(draft) = Draft::message_to(message, channel_type, plan, user)
        {
            let to = Recipients::Outside { user: user.clone(), channel: id.clone() };
            let event = self.place(draft, to);
            theirs[0].person.keep(&event);
            for station in stations_of(&theirs) {
                station.push(&event, ticket);
            }
        }
    }

    /// A new member's sockets are in the room before anybody can post after this commit: they miss nothing.
    fn tell_member(
        &mut self,
        channel: &ChannelId,
        user: UserId,
        change: Membership,
        draft: impl FnOnce() -> Draft,
        sessions: &Sessions,
        ticket: &Ticket,
    ) {
        let theirs = sessions.of(&user);
        let Some(session) = theirs.first() else { return };
        let person = Arc::clone(&session.person);
        let to = Recipients::Member { user, channel: channel.clone(), change };
        let event = self.place(draft(), to);
        person.note_change(event.position);
        person.keep(&event);
        for station in stations_of(&theirs) {
            if change == Membership::Begun {
                self.hold(channel, station.number);
            }
            station.push(&event, ticket);
        }
    }
}

/// The workers that have these sessions.
fn stations_of(sessions: &[Arc<SocketSession>]) -> Vec<Arc<Station>> {
    let mut stations: Vec<_> = sessions.iter().map(|session| session.station()).collect();
    stations.sort_unstable_by_key(|station| station.number);
    stations.dedup_by_key(|station| station.number);
    stations
}

/// That a user has become a member, or is none any more.
fn membership(
    channel: &ChannelId,
    user: &UserId,
    channel_type: ChannelType,
    at: Timestamp,
) -> MembershipChanged {
    MembershipChanged {
        channel_id: channel.clone(),
        user_id: user.clone(),
        channel_type: channel_type.into(),
        occurred_at: at.into(),
    }
}
