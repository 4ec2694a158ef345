//! How a socket joins a channel: what it missed, what it is owed, and what comes meanwhile. `room.rs` says in which
//! order.

use std::collections::HashSet;
use std::sync::Arc;

use fabric_api::error_answer::ErrorAnswer;
use fabric_api::guild::TurnView;
use fabric_api::realtime::{JoinAck, JoinAll, JoinChannel, JoinedChannel, JoinedChannels, Wake};
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
        match self.enter(session, request).await {
            Ok(Some(start)) => {
                // The acknowledgement goes first: what follows it is what was missed.
                ack(to_value(&start.ack()));
                self.bring_up(session, &start).await;
            }
            Ok(None) => {}
            Err(error) => ack(failed(error)),
        }
    }

    /// `join_channels`: the same for many, and one acknowledgement before all that was missed in them.
    pub(crate) async fn join_many(
        &self,
        session: &Arc<SocketSession>,
        requests: &[JoinChannel],
        ack: impl FnOnce(Value),
    ) {
        let (mut results, mut starts) = (Vec::with_capacity(requests.len()), Vec::new());
        // A channel that is named twice is joined once.
        let mut seen = HashSet::new();
        for request in requests.iter().filter(|request| seen.insert(&request.channel_id)) {
            let channel_id = request.channel_id.clone();
            let ack = match self.enter(session, request).await {
                Ok(Some(start)) => {
                    let ack = start.ack();
                    starts.push(start);
                    ack
                }
                Ok(None) => return,
                Err(error) => {
                    let error = Some(ErrorAnswer::from(error).code.to_owned());
                    JoinAck { ok: false, last_seq: None, turn: None, error }
                }
            };
            results.push(JoinedChannel { channel_id, ack });
        }
        ack(to_value(&JoinedChannels { ok: true, results }));
        for start in &starts {
            self.bring_up(session, start).await;
        }
    }

    /// All channels of which the user is a member, as requests to join them.
    pub(crate) async fn all_of(
        &self,
        session: &SocketSession,
        mut all: JoinAll,
    ) -> Result<Vec<JoinChannel>, ServiceError> {
        let rows = self.guild.channels(&session.caller).await?;
        let mine = rows.into_iter().filter(|row| row.is_member).map(|row| row.channel.id);
        Ok(mine
            .map(|channel_id| JoinChannel { since_seq: all.since_seq.remove(&channel_id), channel_id })
            .collect())
    }

    /// The socket enters the channel, and it is read where it begins. `None`: it is gone.
    async fn enter(
        &self,
        session: &Arc<SocketSession>,
        request: &JoinChannel,
    ) -> Result<Option<Start>, ServiceError> {
        let channel = &request.channel_id;
        // Checked before the socket enters, so that a stranger is never in the room; what is read after
        // the entry is what counts.
        self.guild.readable(&session.caller, channel).await?;
        if !session.station().enter(&self.hub.audience, session, channel) {
            return Ok(None);
        }
        let start = self.start_catching_up(session, request).await;
        start.map(Some).inspect_err(|_| self.leave(session, channel))
    }

    /// Sends what was missed.
    async fn bring_up(&self, session: &Arc<SocketSession>, start: &Start) {
        if let Err(error) = self.catch_up(session, start).await {
            let channel = &start.aggregate.channel.id;
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

impl Start {
    fn ack(&self) -> JoinAck {
        let Self { aggregate, .. } = self;
        let turn = aggregate.turn.as_ref().map(|turn| TurnView::new(aggregate.channel.id.clone(), turn));
        JoinAck { ok: true, last_seq: Some(aggregate.channel.last_seq), turn, error: None }
    }
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
