//! One client of one user: its socket, or the memory of it while its connection is lost.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_socketio::{DisconnectReason, SendError, Socket};
use fabric_domain::model::{Caller, ChannelId, Seq, Timestamp, UserId};
use parking_lot::Mutex;

use crate::frames::EncodedEvent;
use crate::unconfirmed::{Arrived, Unconfirmed};

/// So many events, and bytes of them, are kept for a client that may lose its connection. Less than a socket's
/// queue takes at once, since all of them may have to be sent again.
const KEPT_EVENTS: usize = 400;
const KEPT_BYTES: usize = 512 * 1024;
/// How long before its token ends a client gets a notice.
const NOTICE: Duration = Duration::from_mins(1);

/// A client, whose it is, and which channels it has joined.
#[derive(Debug)]
pub(crate) struct SocketSession {
    /// Its socket's id, which it keeps when it recovers.
    id: String,
    pub(crate) caller: Caller,
    /// `None` once it is gone for good: from then on it joins nothing.
    joined: Mutex<Option<HashSet<ChannelId>>>,
    token: Mutex<Token>,
    line: Mutex<Line>,
}

/// The way to the client.
#[derive(Debug)]
struct Line {
    /// `None` while the connection is lost.
    socket: Option<Socket>,
    /// What was sent last; `None` for clients that do not recover their connection.
    kept: Option<Kept>,
    /// When the connection was lost.
    lost_at: Option<Timestamp>,
    /// Since the client came back: what it was sent of each channel, until it joins there again.
    resumed: Option<HashMap<ChannelId, Resumed>>,
    /// Wakes that were sent.
    unconfirmed: Unconfirmed,
}

/// What a client that came back has got of a channel without asking.
#[derive(Debug, Clone, Copy)]
enum Resumed {
    /// Everything from this message on.
    From(Seq),
    /// It has joined or left since: what it asks for again it wants again.
    Joined,
}

impl Line {
    fn note_resumed(&mut self, event: &EncodedEvent) {
        if let (Some(resumed), Some(place)) = (&mut self.resumed, event.place()) {
            resumed.entry(place.channel.clone()).or_insert(Resumed::From(place.seq));
        }
    }

    fn note_wake(&mut self, event: &EncodedEvent) {
        if let (Some(socket), Some(place)) = (&self.socket, event.place())
            && place.wakes
        {
            self.unconfirmed.sent(&place.channel, place.seq, socket.heartbeat());
        }
    }
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<EncodedEvent>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, event: EncodedEvent) {
        self.bytes += event.size();
        self.events.push_back(event);
        while self.events.len() > KEPT_EVENTS || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.size();
        }
    }

    /// How many of the kept events the client has, if the last one it got is among them.
    fn received(&self, offset: &str) -> Option<usize> {
        self.events.iter().rposition(|event| event.offset() == offset).map(|last| last + 1)
    }
}

/// What lets a client in, and for how long.
#[derive(Clone)]
pub(crate) struct Token {
    text: Arc<str>,
    ends: Timestamp,
    /// Whether the client was told that it is about to end.
    announced: bool,
}

impl Token {
    pub(crate) fn new(text: &str, ends: Timestamp) -> Self {
        Self { text: text.into(), ends, announced: false }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("ends", &self.ends).finish_non_exhaustive()
    }
}

/// What a session's token asks for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenState {
    Fine,
    /// About to end, and the client does not know yet.
    Expiring(Timestamp),
    Expired,
}

impl SocketSession {
    /// A client that has just connected; `recovers` says whether it may come back to this very session.
    pub(crate) fn new(socket: Socket, caller: Caller, token: Token, recovers: bool) -> Self {
        let unconfirmed = Unconfirmed::new(socket.heartbeat());
        Self {
            id: socket.id().to_owned(),
            caller,
            joined: Mutex::new(Some(HashSet::new())),
            token: Mutex::new(token),
            line: Mutex::new(Line {
                socket: Some(socket),
                kept: recovers.then(Kept::default),
                lost_at: None,
                resumed: None,
                unconfirmed,
            }),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn user(&self) -> &UserId {
        &self.caller.user_id
    }

    /// Notes that the channel is joined. False when the client is gone.
    pub(crate) fn enter(&self, channel: &ChannelId) -> bool {
        match self.joined.lock().as_mut() {
            Some(joined) => {
                joined.insert(channel.clone());
                true
            }
            None => false,
        }
    }

    pub(crate) fn exit(&self, channel: &ChannelId) {
        if let Some(joined) = self.joined.lock().as_mut() {
            joined.remove(channel);
        }
        // From here on something may be missed: what it asks for again it wants again.
        if let Some(resumed) = &mut self.line.lock().resumed {
            resumed.insert(channel.clone(), Resumed::Joined);
        }
    }

    /// The client is gone for good: which channels it was in.
    pub(crate) fn close(&self) -> HashSet<ChannelId> {
        let nothing = Line {
            socket: None,
            kept: None,
            lost_at: None,
            resumed: None,
            unconfirmed: Unconfirmed::default(),
        };
        *self.line.lock() = nothing;
        self.joined.lock().take().unwrap_or_default()
    }

    /// Sends an event, or keeps it for a client whose connection is lost. Answers whether it was put on a live
    /// socket. One that is gone, or too slow and therefore closed, is no concern of the sender.
    pub(crate) fn send(&self, event: &EncodedEvent) -> bool {
        // Sent under the lock, so that a client that comes back meanwhile gets everything once and in order.
        let line = &mut *self.line.lock();
        let encoded = match &mut line.kept {
            Some(kept) => {
                kept.push(event.clone());
                event.with_offset()
            }
            None => event.plain(),
        };
        let Some(socket) = &line.socket else { return false };
        match socket.send(encoded) {
            Ok(()) => {
                line.note_resumed(event);
                line.note_wake(event);
                return true;
            }
            Err(SendError::Closed) => {}
            Err(error) => tracing::debug!(socket = self.id, %error, "cannot send an event"),
        }
        false
    }

    /// Up to which message the wakes of a channel are on their way on this very socket: to send them again makes
    /// them arrive no sooner.
    pub(crate) fn under_way(&self, channel: &ChannelId) -> Seq {
        self.line.lock().unconfirmed.newest(channel).unwrap_or_default()
    }

    /// Hands over the wakes of which it has become known that they arrived. Under the lock, so that at every moment
    /// they are either [`Self::under_way`] or settled.
    pub(crate) fn arrived(&self, settle: impl FnOnce(Arrived)) {
        let line = &mut *self.line.lock();
        if let Some(socket) = &line.socket
            && !line.unconfirmed.is_empty()
        {
            settle(line.unconfirmed.take_arrived(socket.heartbeat()));
        }
    }

    /// The same when the socket is gone. Who left by their own word was there until then; what was sent last to
    /// any other may have been lost with the connection.
    pub(crate) fn arrived_in_the_end(&self, reason: DisconnectReason, settle: impl FnOnce(Arrived)) {
        match reason {
            DisconnectReason::ClientNamespaceDisconnect => settle(self.line.lock().unconfirmed.take_all()),
            _ => self.arrived(settle),
        }
    }

    /// Waits until the client has read what was sent, or is not connected any more.
    pub(crate) async fn flushed(&self) {
        let socket = self.line.lock().socket.clone();
        if let Some(socket) = socket {
            socket.flushed().await;
        }
    }

    /// Whether its connection still stands. (A lost one is noted only when the handler at work has ended.)
    pub(crate) fn is_connected(&self) -> bool {
        self.line.lock().socket.as_ref().is_some_and(Socket::is_connected)
    }

    /// Something that the client should have got is missing: it is to connect anew, and never comes back to this
    /// session, which would be deaf or have a hole.
    pub(crate) fn abandon(&self) {
        self.line.lock().kept = None;
        self.disconnect();
    }

    /// Ends the connection.
    pub(crate) fn disconnect(&self) {
        let socket = self.line.lock().socket.clone();
        if let Some(socket) = socket {
            socket.disconnect(true);
        }
    }

    /// The connection is lost. True when the client may come back to this session.
    pub(crate) fn lose(&self, now: Timestamp) -> bool {
        let mut line = self.line.lock();
        line.socket = None;
        line.lost_at = Some(now);
        line.kept.is_some()
    }

    /// Whether the connection was lost before this moment, and has not come back.
    pub(crate) fn is_lost_before(&self, moment: Timestamp) -> bool {
        let line = self.line.lock();
        line.socket.is_none() && line.lost_at.is_some_and(|lost_at| lost_at < moment)
    }

    /// Whether everything after this event is still kept.
    pub(crate) fn can_resume_after(&self, offset: &str) -> bool {
        let line = self.line.lock();
        line.socket.is_none() && line.kept.as_ref().is_some_and(|kept| kept.received(offset).is_some())
    }

    /// The client is back: it gets what came after the event that it got last, and from then on everything.
    /// Answers the wakes that it has got, as it says; `None` when what it missed is not kept any more.
    pub(crate) fn resume(&self, socket: &Socket, offset: &str, token: Token) -> Option<Arrived> {
        let line = &mut *self.line.lock();
        let kept = line.kept.as_ref()?;
        let received = kept.received(offset)?;
        let missed: Vec<EncodedEvent> = kept.events.iter().skip(received).cloned().collect();
        let arrived = without(line.unconfirmed.take_all(), &missed);
        line.resumed = Some(HashMap::new());
        line.unconfirmed = Unconfirmed::new(socket.heartbeat());
        (line.socket, line.lost_at) = (Some(socket.clone()), None);
        for event in &missed {
            match socket.send(event.with_offset()) {
                Ok(()) => line.note_wake(event),
                Err(error) => tracing::debug!(socket = self.id, %error, "cannot send a missed event again"),
            }
            line.note_resumed(event);
        }
        self.refresh(token);
        Some(arrived)
    }

    /// The client joins a channel. Where it has come back and has been sent what it missed there, the first of
    /// these messages: it need not be sent them again, though it cannot know of them yet.
    pub(crate) fn take_resumed(&self, channel: &ChannelId) -> Option<Seq> {
        let mut line = self.line.lock();
        match line.resumed.as_mut()?.insert(channel.clone(), Resumed::Joined) {
            Some(Resumed::From(seq)) => Some(seq),
            Some(Resumed::Joined) | None => None,
        }
    }

    /// A fresh token of the same user.
    pub(crate) fn refresh(&self, token: Token) {
        *self.token.lock() = token;
    }

    /// The token's text. It is a secret.
    pub(crate) fn token(&self) -> Arc<str> {
        Arc::clone(&self.token.lock().text)
    }

    /// Center does not know this token any more: the client is out, unless it has a fresh one by now.
    pub(crate) fn revoke(&self, token: &str) {
        if *self.token.lock().text == *token {
            tracing::info!(socket = self.id, user = %self.caller.user_id, "token revoked: disconnecting the socket");
            self.disconnect();
        }
    }

    /// Looks at the token; [`TokenState::Expiring`] is answered once.
    pub(crate) fn token_state(&self, now: Timestamp) -> TokenState {
        let mut token = self.token.lock();
        if now >= token.ends {
            TokenState::Expired
        } else if !token.announced && token.ends <= now.plus(NOTICE) {
            token.announced = true;
            TokenState::Expiring(token.ends)
        } else {
            TokenState::Fine
        }
    }
}

/// Of these wakes those before the first one of their channel that was missed.
fn without(wakes: Arrived, missed: &[EncodedEvent]) -> Arrived {
    let mut first_missed = HashMap::new();
    for place in missed.iter().filter_map(EncodedEvent::place).filter(|place| place.wakes) {
        let first = first_missed.entry(&place.channel).or_insert(place.seq);
        *first = place.seq.min(*first);
    }
    let until = |(channel, seq): (ChannelId, Seq)| {
        let end = first_missed.get(&channel).map_or(seq, |first| seq.min(Seq(first.0.saturating_sub(1))));
        (channel, end)
    };
    wakes.into_iter().map(until).collect()
}
