//! How a client that lost its connection comes back to its session: what it missed, in order, once.
//!
//! What was told after the offset that the client names is in the rings of the channels that it is in, in the one of
//! everybody, and in its user's own. All rings are written where events get their places, so under that lock it is known
//! of everything whether it was missed or is yet to come, whichever worker the client comes back to, and however far
//! that one or the former has got. Where a ring does not reach back far enough it is a fresh connection.

use std::collections::HashMap;
use std::sync::Arc;

use actix_socketio::Outgoing;
use fabric_domain::model::{ChannelId, Seq};
use parking_lot::MutexGuard;

use crate::audience::Audience;
use crate::broadcast::{Broadcast, Recipients};
use crate::crew::Crew;
use crate::line::Line;
use crate::order::Places;
use crate::position::{Offset, Position};
use crate::ring;
use crate::room::{Due, Resumed};
use crate::session::{SocketSession, Token};
use crate::station::Station;
use crate::unconfirmed::Arrived;

/// Why a client does not come back, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotBack {
    /// A membership has changed, and its former worker has not seen to that yet.
    NotYet,
    /// What it missed is not kept any more.
    Never,
}

/// What a client missed, in order, and up to where.
struct Missed {
    due: Vec<Due>,
    until: Position,
}

impl Audience {
    /// Whether a client that got this can come back.
    pub(crate) async fn can_come_back(&self, session: &SocketSession, offset: Offset) -> bool {
        self.once_ready(session, || {
            let station = session.station();
            let crew = station.lock();
            missed(session, &crew, &self.order.lock(), offset).map(drop)
        })
        .await
        .is_ok()
    }

    /// Gives a client its session back, on this worker: on its new line it gets what came after this, and from then on everything.
    /// Answers the wakes that it has got, as it says.
    pub(crate) async fn come_back(
        &self,
        session: &Arc<SocketSession>,
        station: &Arc<Station>,
        line: &Line,
        offset: Offset,
        token: &Token,
    ) -> Result<Arrived, NotBack> {
        self.once_ready(session, || self.move_session(session, station, line, offset, token)).await
    }

    /// Tries until the session's former worker has seen to what concerns its place in channels.
    async fn once_ready<T>(
        &self,
        session: &SocketSession,
        attempt: impl Fn() -> Result<T, NotBack>,
    ) -> Result<T, NotBack> {
        loop {
            match attempt() {
                Err(NotBack::NotYet) => session.station().passed().await,
                done => return done,
            }
        }
    }

    pub(crate) fn move_session(
        &self,
        session: &Arc<SocketSession>,
        station: &Arc<Station>,
        line: &Line,
        offset: Offset,
        token: &Token,
    ) -> Result<Arrived, NotBack> {
        let former = session.station();
        let (mut there, mut here) = lock_both(&former, station);
        let mut places = self.order.lock();
        let Missed { due: lost, until } = missed(session, &there, &places, offset)?;
        session.come_back(line.clone(), station, token.clone());

        let mut changed: HashMap<&ChannelId, Changed> = HashMap::new();
        for due in &lost {
            if let Recipients::Room(channel, _) = &due.event.to {
                changed.entry(channel).or_default().note(due);
            }
        }
        let mut arrived = there.take_left(session);
        there.stand_up(session);
        for channel in session.joined() {
            let left = there.rooms.get_mut(&channel).and_then(|room| room.leave(session));
            let Some(mut occupant) = left else { continue };
            let Changed { first, last, first_wake, last_wake } =
                changed.get(&channel).copied().unwrap_or_default();
            let sent = std::mem::take(&mut occupant.wakes).newest();
            // Of what was on its way it has got what came before the first wake that it missed.
            let got = first_wake.map_or(sent, |seq| sent.min(Seq(seq.0.saturating_sub(1))));
            if got > Seq::ZERO {
                arrived.push((channel.clone(), got));
            }
            if let Some(seq) = last_wake {
                occupant.wakes.sent_unanswered(seq, line.heartbeat());
            }
            occupant.line = Some(line.clone());
            occupant.last = occupant.last.max(last);
            occupant.resumed = first.map_or(Resumed::Yes, Resumed::From);
            let here = here.as_deref_mut().unwrap_or(&mut there);
            here.room(&channel, &mut places, station.number).enter(occupant);
            there.close_empty(&channel, &mut places, former.number);
        }
        let here = here.as_deref_mut().unwrap_or(&mut there);
        here.sit_down(session, until);
        drop(places);
        for due in &lost {
            // It is closed, if it fails.
            let sent = frame(due, session).map(|frame| line.send(frame));
            if let Some(Err(error)) = sent {
                tracing::debug!(socket = session.id(), %error, "cannot send a missed event again");
                break;
            }
        }
        Ok(arrived)
    }
}

/// What a client that got this has missed.
fn missed(session: &SocketSession, crew: &Crew, places: &Places, offset: Offset) -> Result<Missed, NotBack> {
    if crew.told_to(session) < session.person.changed() {
        return Err(if session.station().has_ended() { NotBack::Never } else { NotBack::NotYet });
    }
    if !session.is_awaited_from(offset) || offset.position > places.position() {
        return Err(NotBack::Never);
    }
    let due = due_after(session, crew, places, offset.position).ok_or(NotBack::Never)?;
    let bytes: usize = due.iter().filter_map(|due| frame(due, session)).map(Outgoing::size).sum();
    if due.len() > ring::EVENTS || bytes > ring::BYTES {
        return Err(NotBack::Never);
    }
    Ok(Missed { due, until: places.position() })
}

/// What a client missed in one channel.
#[derive(Debug, Clone, Copy, Default)]
struct Changed {
    first: Option<Seq>,
    last: Position,
    first_wake: Option<Seq>,
    last_wake: Option<Seq>,
}

impl Changed {
    fn note(&mut self, due: &Due) {
        self.last = due.event.position;
        let Some(seq) = due.event.seq() else { return };
        self.first = self.first.or(Some(seq));
        if due.event.wakes(due.version).is_some() {
            self.first_wake = self.first_wake.or(Some(seq));
            self.last_wake = Some(seq);
        }
    }
}

fn frame<'a>(due: &'a Due, session: &SocketSession) -> Option<&'a Outgoing> {
    due.event.frame(due.version, session.takes_offsets)
}

/// What was due to a session after this position; `None` when some of it is not kept any more.
fn due_after(session: &SocketSession, crew: &Crew, places: &Places, position: Position) -> Option<Vec<Due>> {
    let mut due = Vec::new();
    for channel in session.joined() {
        let occupant = crew.rooms.get(&channel)?.get(session)?;
        if !occupant.is_live() {
            return None;
        }
        for event in places.in_channel_after(&channel, position.max(occupant.since))? {
            due.extend(occupant.due(event).map(|version| Due { event: Arc::clone(event), version }));
        }
    }
    let begin = position.max(session.since());
    let whole = |event: &Arc<Broadcast>| Due { event: Arc::clone(event), version: 0 };
    due.extend(places.everybody_after(begin)?.map(whole));
    let own = session.person.after(begin)?;
    due.extend(own.iter().filter(|event| concerns(session, crew, event)).map(whole));
    due.sort_unstable_by_key(|due| due.event.position);
    Some(due)
}

/// Whether an event of a user goes to this session of theirs.
fn concerns(session: &SocketSession, crew: &Crew, event: &Broadcast) -> bool {
    match &event.to {
        Recipients::Outside { channel, .. } => {
            let place = crew.rooms.get(channel).and_then(|room| room.get(session));
            place.is_none_or(|place| place.since > event.position)
        }
        _ => true,
    }
}

/// Locks two stations, the second one only if it is another.
fn lock_both<'a>(
    one: &'a Station,
    other: &'a Station,
) -> (MutexGuard<'a, Crew>, Option<MutexGuard<'a, Crew>>) {
    if one.number == other.number {
        return (one.lock(), None);
    }
    if one.number < other.number {
        let one = one.lock();
        (one, Some(other.lock()))
    } else {
        let other = other.lock();
        (one.lock(), Some(other))
    }
}
