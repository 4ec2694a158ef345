//! The sockets of one actix worker, and who of them is in which channel.
//!
//! A connection belongs to a worker, for its whole life. So a worker goes through its own sockets, on its own thread;
//! nobody else touches them meanwhile, and what it queued for a socket is written when it is done.

use std::fmt;
use std::sync::{Arc, Weak};

use fabric_domain::model::{ChannelId, Seq, UserId};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::audience::Audience;
use crate::broadcast::{Broadcast, Membership, Recipients};
use crate::crew::Crew;
use crate::metrics::{self, Metrics};
use crate::position::Position;
use crate::room::{Due, Occupant, Room, Unsent};
use crate::session::SocketSession;
use crate::unconfirmed::{Arrived, Unconfirmed};

/// So many events are gone through before what was queued for the sockets is written: less than a socket's queue takes.
const AT_ONCE: usize = 64;

/// Room in the queues for one commit, until all workers are done with it.
pub(crate) type Ticket = Arc<OwnedSemaphorePermit>;

/// What waits for a worker.
enum Queued {
    Event(Arc<Broadcast>, Ticket),
    /// Answered when everything before it is told.
    Barrier(oneshot::Sender<()>),
}

/// What one worker has.
pub(crate) struct Station {
    /// Locks of several stations are taken in the order of their numbers.
    pub(crate) number: usize,
    queue: mpsc::UnboundedSender<Queued>,
    state: Mutex<Crew>,
}

/// Whether a socket that caught up is live.
#[derive(Debug)]
pub(crate) enum GoLive {
    /// It is, or it has gone.
    Live,
    /// These have to be sent first, no faster than the client reads.
    NotYet(Vec<Due>),
}

impl Station {
    /// The station of the worker that calls this; its task ends with the worker, or with the audience.
    pub(crate) fn start(number: usize, audience: Weak<Audience>) -> Arc<Self> {
        let (station, waiting) = Self::new(number);
        tokio::spawn(serve(Arc::downgrade(&station), waiting, audience));
        station
    }

    fn new(number: usize) -> (Arc<Self>, mpsc::UnboundedReceiver<Queued>) {
        let (queue, waiting) = mpsc::unbounded_channel();
        (Arc::new(Self { number, queue, state: Mutex::default() }), waiting)
    }

    /// Whether its worker has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.queue.is_closed()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Crew> {
        self.state.lock()
    }

    /// Queues an event. In the order of positions: called under the lock of the order.
    pub(crate) fn push(&self, event: &Arc<Broadcast>, ticket: &Ticket) {
        // Of a worker that has ended nobody waits for anything.
        let _ = self.queue.send(Queued::Event(Arc::clone(event), Arc::clone(ticket)));
    }

    /// Waits until everything that was queued before the call is told.
    pub(crate) async fn passed(&self) {
        let (passed, waiting) = oneshot::channel();
        if self.queue.send(Queued::Barrier(passed)).is_ok() {
            // An error means that the worker ends.
            let _ = waiting.await;
        }
    }

    /// A session that has just connected: from now on it is told what everybody is told.
    pub(crate) fn seat(&self, audience: &Audience, session: &Arc<SocketSession>) {
        let mut crew = self.lock();
        let since = audience.order.lock().position();
        session.begin_at(since);
        crew.sit_down(session, since);
    }

    /// A session enters a channel, in which it is about to read what it missed. False when it is gone.
    pub(crate) fn enter(
        &self,
        audience: &Audience,
        session: &Arc<SocketSession>,
        channel: &ChannelId,
    ) -> bool {
        let crew = &mut *self.lock();
        crew.end_joining(session, channel);
        if let Some(occupant) = crew.rooms.get_mut(channel).and_then(|room| room.get_mut(session)) {
            occupant.catch_up_again();
            crew.joining.push((session.number, channel.clone()));
            return true;
        }
        let wakes = crew.take_wakes(session, channel);
        let mut places = audience.order.lock();
        let since = places.position();
        let room = crew.room(channel, &mut places, self.number);
        let is_there = session.enter(room.id.clone());
        if is_there {
            room.enter(Occupant::catching_up(session, since, wakes));
            crew.joining.push((session.number, channel.clone()));
        } else {
            crew.close_empty(channel, &mut places, self.number);
        }
        is_there
    }

    /// A session leaves a channel.
    pub(crate) fn leave(&self, audience: &Audience, session: &SocketSession, channel: &ChannelId) {
        let crew = &mut *self.lock();
        crew.end_joining(session, channel);
        crew.leave(session, channel);
        crew.close_empty(channel, &mut audience.order.lock(), self.number);
    }

    /// A session is gone for good.
    pub(crate) fn dismiss(&self, audience: &Audience, session: &SocketSession) {
        let crew = &mut *self.lock();
        let mut places = audience.order.lock();
        for channel in session.close() {
            if let Some(room) = crew.rooms.get_mut(&channel) {
                room.leave(session);
            }
            crew.close_empty(&channel, &mut places, self.number);
        }
        crew.stand_up(session);
    }

    /// The connection of a session is lost; its place is kept.
    pub(crate) fn lose(&self, session: &SocketSession) {
        let crew = &mut *self.lock();
        crew.joining.retain(|(number, _)| *number != session.number);
        if let Some(seat) = crew.seat_mut(session) {
            seat.line = None;
        }
        for channel in session.joined() {
            if let Some(occupant) = crew.rooms.get_mut(&channel).and_then(|room| room.get_mut(session)) {
                occupant.line = None;
            }
        }
    }

    /// Whether a session is in a channel.
    pub(crate) fn is_in(&self, session: &SocketSession, channel: &ChannelId) -> bool {
        self.lock().rooms.get(channel).is_some_and(|room| room.get(session).is_some())
    }

    /// Does something with a session's place in a channel, if it has one.
    pub(crate) fn with<T>(
        &self,
        session: &SocketSession,
        channel: &ChannelId,
        act: impl FnOnce(&mut Occupant) -> T,
    ) -> Option<T> {
        self.lock().rooms.get_mut(channel)?.get_mut(session).map(act)
    }

    /// Whether everything up to here is told.
    pub(crate) fn has_told(&self, position: Position) -> bool {
        self.lock().walked >= position
    }

    /// Up to which message the wakes of a channel are on their way on the session's very socket: to send them again
    /// makes them arrive no sooner.
    pub(crate) fn under_way(&self, session: &SocketSession, channel: &ChannelId) -> Seq {
        self.with(session, channel, |occupant| occupant.wakes.newest()).unwrap_or_default()
    }

    /// A wake was sent to a session that catches up.
    pub(crate) fn sent_wake(&self, session: &SocketSession, channel: &ChannelId, seq: Seq) {
        if let Some(room) = self.lock().rooms.get_mut(channel)
            && let Some(occupant) = room.get_mut(session)
        {
            occupant.wakes.sent(seq);
            room.note_unconfirmed();
        }
    }

    /// Sends a session what is `unsent` and what was held for it, and it is live; or hands out what was held, where it
    /// is too much to be sent at once. `is_member` is what the store says of its user.
    pub(crate) fn go_live(
        &self,
        session: &SocketSession,
        channel: &ChannelId,
        is_member: bool,
        unsent: &mut Option<Unsent>,
    ) -> GoLive {
        let crew = &mut *self.lock();
        let told = crew.told_to(session);
        let mut place = crew.rooms.get_mut(channel).and_then(|room| {
            room.note_unconfirmed();
            room.get_mut(session)
        });
        let gone = (Vec::new(), true);
        let (due, is_live) = place.as_mut().map_or(gone, |occupant| occupant.go_live(is_member));
        if !is_live {
            return GoLive::NotYet(due);
        }
        crew.joining.retain(|(number, other)| *number != session.number || other != channel);
        let mut frames: Vec<_> =
            unsent.take().into_iter().chain(due.iter().filter_map(Due::unsent)).collect();
        // With the last of it the client has everything, in this channel and in all others.
        if let Some(Unsent { frame, .. }) = frames.last_mut()
            && session.takes_offsets
        {
            *frame = frame.with_offset(&session.catch_up_to(told).to_string());
        }
        let Some(line) = session.line() else { return GoLive::Live };
        // It is closed when one fails.
        for Unsent { wakes, .. } in frames.iter().take_while(|unsent| line.send(&unsent.frame).is_ok()) {
            if let (Some(seq), Some(occupant)) = (wakes, place.as_mut()) {
                occupant.wakes.sent(*seq);
            }
        }
        GoLive::Live
    }

    /// Hands over the wakes of which it has become known that they arrived. Under the lock, so that at every moment
    /// they are either [`Self::under_way`] or settled.
    pub(crate) fn settle(&self, mut settle: impl FnMut(&UserId, &ChannelId, Seq)) {
        let crew = &mut *self.lock();
        for room in crew.rooms.values_mut() {
            let Room { id, .. } = &*room;
            let id = id.clone();
            room.settle(|session, seq| settle(session.user(), &id, seq));
        }
        crew.left.retain_mut(|left| {
            let Some(line) = left.session.line() else { return true };
            if let Some(seq) = left.wakes.look(line.heartbeat()) {
                settle(left.session.user(), &left.channel, seq);
            }
            !left.wakes.is_empty()
        });
    }

    /// The same for one session, whose socket is gone; with `all` of them everything that was sent has arrived.
    pub(crate) fn settle_in_the_end(&self, session: &SocketSession, all: bool, settle: impl FnOnce(Arrived)) {
        let crew = &mut *self.lock();
        let line = session.line();
        let mut arrived = Arrived::new();
        let mut look = |channel: &ChannelId, wakes: &mut Unconfirmed| {
            let seq = match &line {
                _ if wakes.is_empty() => None,
                _ if all => Some(std::mem::take(wakes).newest()),
                Some(line) => wakes.look(line.heartbeat()),
                None => None,
            };
            arrived.extend(seq.map(|seq| (channel.clone(), seq)));
        };
        for channel in session.joined() {
            if let Some(occupant) = crew.rooms.get_mut(&channel).and_then(|room| room.get_mut(session)) {
                look(&channel, &mut occupant.wakes);
            }
        }
        for left in crew.left.iter_mut().filter(|left| left.session.number == session.number) {
            look(&left.channel, &mut left.wakes);
        }
        settle(arrived);
    }

    /// Tells an event to those whom it concerns.
    fn walk(&self, audience: &Audience, event: &Arc<Broadcast>) {
        let crew = &mut *self.lock();
        let Metrics { deliveries, lag, .. } = &audience.metrics;
        match &event.to {
            Recipients::Room(channel, choice) => {
                if let Some(room) = crew.rooms.get_mut(channel) {
                    let walked = room.walk(event, choice);
                    deliveries.increment(walked.delivered);
                    walked.woken(event).for_each(|(reason, users)| metrics::woken(reason, users));
                }
            }
            Recipients::Everybody => {
                let delivered = crew.seats.iter().filter(|seat| seat.tell(event)).count();
                deliveries.increment(delivered as u64);
            }
            Recipients::Member { user, channel, change } => {
                for session in audience.sessions.of(user) {
                    crew.change_member(audience, self.number, &session, channel, *change, event);
                }
                if *change == Membership::Begun {
                    // The room holds the channel now, or nobody is there any more.
                    audience.order.lock().release(channel, self.number);
                }
            }
            Recipients::Outside { user, channel } => {
                let room = crew.rooms.get(channel);
                let theirs = audience.sessions.of(user);
                let has_got = |session: &SocketSession| {
                    room.and_then(|room| room.get(session)).is_some_and(|place| place.since < event.position)
                };
                let outside = theirs.iter().filter(|session| !has_got(session));
                let seats = outside.filter_map(|session| crew.seat(session));
                deliveries.increment(seats.filter(|seat| seat.tell(event)).count() as u64);
            }
        }
        crew.walked = event.position;
        lag.record(event.at.elapsed());
    }
}

/// Tells a worker's sockets what waits for them, as long as both are there.
async fn serve(
    station: Weak<Station>,
    mut waiting: mpsc::UnboundedReceiver<Queued>,
    audience: Weak<Audience>,
) {
    let mut queued = Vec::new();
    while waiting.recv_many(&mut queued, AT_ONCE).await > 0 {
        let (Some(station), Some(audience)) = (station.upgrade(), audience.upgrade()) else { break };
        for queued in queued.drain(..) {
            match queued {
                Queued::Event(event, ticket) => {
                    station.walk(&audience, &event);
                    drop(ticket);
                }
                Queued::Barrier(passed) => {
                    // Whoever waited may be gone.
                    let _ = passed.send(());
                }
            }
        }
        // What is queued for the sockets is written now.
        tokio::task::yield_now().await;
    }
}

/// A worker of tests, which tells what waits for it when it is asked to.
#[cfg(test)]
pub(crate) struct Pump {
    pub(crate) station: Arc<Station>,
    waiting: mpsc::UnboundedReceiver<Queued>,
}

#[cfg(test)]
impl Pump {
    pub(crate) fn new(audience: &Audience) -> Self {
        let mut waiting = None;
        let station = audience.order.add_station(|number| {
            let (station, queue) = Station::new(number);
            waiting = Some(queue);
            station
        });
        Self { station, waiting: waiting.expect("just made") }
    }

    /// Tells so many events, if there are as many.
    pub(crate) fn walk(&mut self, audience: &Audience, events: usize) {
        for _ in 0..events {
            match self.waiting.try_recv() {
                Ok(Queued::Event(event, _)) => self.station.walk(audience, &event),
                Ok(Queued::Barrier(_)) => {}
                Err(_) => break,
            }
        }
    }
}

impl fmt::Debug for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Station").field("number", &self.number).finish_non_exhaustive()
    }
}
