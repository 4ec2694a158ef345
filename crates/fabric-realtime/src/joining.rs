//! How a socket joins a channel: what it missed, what it is owed, and what comes meanwhile. `room.rs` says in which
//! order.

use std::sync::Arc;

use fabric_api::guild::TurnView;
use fabric_api::realtime::{JoinAck, JoinChannel, Wake};
use fabric_domain::decisions::{ChannelView, MissedWakes};
use fabric_domain::model::{ChannelId, Seq};
use fabric_domain::ports::SeqRange;
use fabric_domain::services::ServiceError;
use serde_json::Value;

use crate::broadcast::created;
use crate::gateway::{Gateway, failed, to_value};
use crate::room::{Resumed, Unsent};
use crate::session::SocketSession;
use crate::station::GoLive;

/// Messages read at a time for a socket that catches up.
const PAGE: u32 = 200;

impl Gateway {
    /// `join_channel`: see `room.rs` for the order of things.
    pub(crate) async fn join(
        &self,
        session: &Arc<SocketSession>,
        request: &JoinChannel,
        ack: impl FnOnce(Value),
    ) {
        let channel = &request.channel_id;
        // Checked before the socket enters, so that a stranger is never in the room; what is read after
        // the entry is what counts.
        if let Err(error) = self.guild.readable(&session.caller, channel).await {
            return ack(failed(error));
        }
        if !session.station().enter(&self.hub.audience, session, channel) {
            return;
        }
        let start = match self.start_catching_up(session, request).await {
            Ok(start) => start,
            Err(error) => {
                self.leave(session, channel);
                return ack(failed(error));
            }
        };
        let Start { aggregate, .. } = &start;
        let turn = aggregate.turn.as_ref().map(|turn| TurnView::new(channel.clone(), turn));
        let joined = JoinAck { ok: true, last_seq: Some(aggregate.channel.last_seq), turn, error: None };
        // The acknowledgement goes first: what follows it is what was missed.
        ack(to_value(&joined));
        if let Err(error) = self.catch_up(session, &start).await {
            // It was told that it joined: so that it does not wait in vain, it is to come again.
            tracing::warn!(%channel, %error, "cannot read what a joining socket missed: disconnecting it");
            session.abandon();
        }
    }

    /// Reads the channel, and which messages the socket has to be sent before those that are held for it.
    async fn start_catching_up(
        &self,
        session: &Arc<SocketSession>,
        request: &JoinChannel,
    ) -> Result<Start, ServiceError> {
        let channel = &request.channel_id;
        let aggregate = self.guild.readable(&session.caller, channel).await?;
        let station = session.station();
        let told = self.hub.audience.order.told(channel, aggregate.channel.version);
        if told.is_none_or(|position| !station.has_told(position)) {
            // Perhaps the newest commits are on their way, perhaps nobody was here to see them.
            self.guild.published(channel).await?;
            station.passed().await;
        }
        let place = station.with(session, channel, |occupant| {
            (occupant.first_held(), std::mem::replace(&mut occupant.resumed, Resumed::No))
        });
        // It need not be sent again what came with its way back, though it cannot know of that yet.
        let (first_held, resumed) = match place {
            Some((first_held, Resumed::From(seq))) => (first_held, Some(seq)),
            Some((first_held, Resumed::No | Resumed::Yes)) => (first_held, None),
            None => (None, None),
        };
        let after_last = aggregate.channel.last_seq.next();
        let end = first_held.into_iter().chain(resumed).chain([after_last]).min().unwrap_or(after_last);
        let wakes = self.missed_wakes(&aggregate, session, request.since_seq).await?;
        let first_missed = request.since_seq.map_or(end, Seq::next);
        Ok(Start { aggregate, wakes, first_missed, end })
    }

    /// Sends what was missed, then what was held, and no faster than the client reads: however much that is,
    /// it neither fills the socket's queue nor our memory.
    async fn catch_up(&self, session: &Arc<SocketSession>, start: &Start) -> Result<(), ServiceError> {
        let Start { aggregate, wakes, first_missed, end } = start;
        let channel = &aggregate.channel.id;
        let station = session.station();
        let mut replay = Replay::new(session, channel);
        let mut next = wakes.first().unwrap_or(*end).min(*first_missed);
        while next < *end {
            if !session.is_connected() {
                // Nobody is to read on for it; when it comes back it joins again.
                session.abandon();
                self.leave(session, channel);
                return Ok(());
            }
            let last = Seq(next.0 + u64::from(PAGE) - 1).min(Seq(end.0 - 1));
            let range = SeqRange { from: Some(next), to: Some(last) };
            let messages = self.guild.missed_messages(aggregate, range, PAGE).await?;
            // Of long messages it is fewer.
            let last = messages.last().map_or(last, |message| message.seq);
            for message in messages {
                let (seq, wake) = (message.seq, wakes.of(&message).map(Wake::from));
                let wakes = wake.is_some().then_some(seq);
                if wakes.is_none() && seq < *first_missed {
                    continue;
                }
                if let Some(frame) = created(message, aggregate.channel.channel_type, wake) {
                    replay.send(Unsent { frame, wakes }).await;
                }
            }
            next = last.next();
        }
        let is_member = aggregate.is_member;
        loop {
            if replay.has_sent() {
                session.flushed().await;
            }
            // What is left goes at once, under the worker's lock, so that nothing comes in between.
            match station.go_live(session, channel, is_member, &mut replay.last) {
                GoLive::Live => return Ok(()),
                GoLive::NotYet(held) => {
                    for due in &held {
                        if let Some(unsent) = due.unsent() {
                            replay.send(unsent).await;
                        }
                    }
                }
            }
        }
    }

    /// Wakes that this user has not got yet (spec/2 section 8). With `sinceSeq` a client says which messages it has, and
    /// so which wakes of messages.
    async fn missed_wakes(
        &self,
        channel: &ChannelView,
        session: &SocketSession,
        since: Option<Seq>,
    ) -> Result<MissedWakes, ServiceError> {
        let (id, user) = (&channel.channel.id, session.user());
        // In this order: what arrives meanwhile is in one of the two, and the store is asked last.
        let under_way = session.station().under_way(session, id);
        let settled = under_way.max(self.hub.settled.of(id, user));
        let mut missed = self.guild.missed_wakes(channel, user).await?;
        missed.receive(settled);
        // Nobody has what does not exist yet.
        let has = since.unwrap_or_default().min(channel.channel.last_seq);
        if missed.receive(has) {
            self.hub.settled.settle(id, user, has);
        }
        Ok(missed)
    }
}

/// Where a joining socket begins.
struct Start {
    /// The channel as it was read.
    aggregate: ChannelView,
    /// Wakes that are sent again.
    wakes: MissedWakes,
    /// The first message that is sent whether or not it wakes.
    first_missed: Seq,
    /// The message before which reading ends: from here on they are held, or do not exist yet.
    end: Seq,
}

/// What is sent to a socket that catches up: waits now and then until the client has read. The last of it is kept back,
/// since that is to say that the client has everything.
#[derive(Debug)]
struct Replay<'a> {
    session: &'a SocketSession,
    channel: &'a ChannelId,
    last: Option<Unsent>,
    events: usize,
    bytes: usize,
}

impl<'a> Replay<'a> {
    /// So much goes at once: a part of the socket's queue, which others write to as well.
    const EVENTS: usize = 200;
    const BYTES: usize = 256 * 1024;

    fn new(session: &'a SocketSession, channel: &'a ChannelId) -> Self {
        Self { session, channel, last: None, events: 0, bytes: 0 }
    }

    fn has_sent(&self) -> bool {
        self.events > 0
    }

    async fn send(&mut self, next: Unsent) {
        let Some(Unsent { frame, wakes }) = self.last.replace(next) else { return };
        if self.events >= Self::EVENTS || self.bytes + frame.size() > Self::BYTES {
            self.session.flushed().await;
            (self.events, self.bytes) = (0, 0);
        }
        self.events += 1;
        self.bytes += frame.size();
        let sent = self.session.line().is_some_and(|line| line.send(&frame).is_ok());
        if let Some(seq) = wakes.filter(|_| sent) {
            self.session.station().sent_wake(self.session, self.channel, seq);
        }
    }
}
