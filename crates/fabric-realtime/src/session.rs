//! One client of one user: its socket, or the memory of it while its connection is lost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fabric_domain::model::{Caller, ChannelId, Timestamp, UserId};
use parking_lot::Mutex;

use crate::line::Line;
use crate::person::Person;
use crate::position::{Offset, Position};
use crate::station::Station;

/// How long before its token ends a client gets a notice.
const NOTICE: Duration = Duration::from_mins(1);

/// A client, whose it is, and which channels it has joined.
#[derive(Debug)]
pub(crate) struct SocketSession {
    /// Its socket's id, which it keeps when it recovers.
    id: Box<str>,
    /// Sessions that came later have greater numbers.
    pub(crate) number: u64,
    pub(crate) caller: Caller,
    pub(crate) person: Arc<Person>,
    /// Whether its client takes the offsets of events, and so may come back to this very session.
    pub(crate) takes_offsets: bool,
    token: Mutex<Token>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` while the connection is lost.
    line: Option<Line>,
    /// The worker that has the socket, or had it.
    station: Arc<Station>,
    /// `None` once it is gone for good: from then on it joins nothing.
    joined: Option<Vec<ChannelId>>,
    /// When the connection was lost.
    lost_at: Option<Timestamp>,
    /// What was told before concerned nobody who was there.
    since: Position,
    way_back: WayBack,
}

/// Whether the client may come back to this session.
#[derive(Debug, Clone, Copy)]
enum WayBack {
    /// If it got at least this: what it was sent before that is kept nowhere, so it would have a hole.
    From(Offset),
    /// Never: something that it should have got is missing.
    Closed,
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

/// What is known of a client that connects.
pub(crate) struct NewSession {
    pub(crate) id: Box<str>,
    pub(crate) line: Line,
    pub(crate) caller: Caller,
    pub(crate) token: Token,
    pub(crate) takes_offsets: bool,
}

impl SocketSession {
    pub(crate) fn new(new: NewSession, person: Arc<Person>, number: u64, station: &Arc<Station>) -> Self {
        let NewSession { id, line, caller, token, takes_offsets } = new;
        let way_back = if takes_offsets { WayBack::From(Offset::default()) } else { WayBack::Closed };
        let state = State {
            line: Some(line),
            station: Arc::clone(station),
            joined: Some(Vec::new()),
            lost_at: None,
            since: Position::default(),
            way_back,
        };
        Self { id, number, caller, person, takes_offsets, token: Mutex::new(token), state: Mutex::new(state) }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn user(&self) -> &UserId {
        &self.caller.user_id
    }

    /// The way to the client, unless its connection is lost.
    pub(crate) fn line(&self) -> Option<Line> {
        self.state.lock().line.clone()
    }

    /// The worker that has the socket, or had it.
    pub(crate) fn station(&self) -> Arc<Station> {
        Arc::clone(&self.state.lock().station)
    }

    /// Notes that the channel is joined. False when the client is gone.
    pub(crate) fn enter(&self, channel: ChannelId) -> bool {
        let mut state = self.state.lock();
        let Some(joined) = &mut state.joined else { return false };
        joined.push(channel);
        true
    }

    pub(crate) fn exit(&self, channel: &ChannelId) {
        if let Some(joined) = &mut self.state.lock().joined {
            joined.retain(|other| other != channel);
            if joined.is_empty() {
                *joined = Vec::new();
            }
        }
    }

    /// The channels it has joined.
    pub(crate) fn joined(&self) -> Vec<ChannelId> {
        self.state.lock().joined.clone().unwrap_or_default()
    }

    /// The client is gone for good: which channels it was in.
    pub(crate) fn close(&self) -> Vec<ChannelId> {
        let mut state = self.state.lock();
        (state.line, state.lost_at, state.way_back) = (None, None, WayBack::Closed);
        state.joined.take().unwrap_or_default()
    }

    /// What was told before concerned nobody who was there.
    pub(crate) fn since(&self) -> Position {
        self.state.lock().since
    }

    pub(crate) fn begin_at(&self, since: Position) {
        self.state.lock().since = since;
    }

    /// Waits until the client has read what was sent, or is not connected any more.
    pub(crate) async fn flushed(&self) {
        if let Some(line) = self.line() {
            line.flushed().await;
        }
    }

    /// Whether its connection still stands. (A lost one is noted only when the handler at work has ended.)
    pub(crate) fn is_connected(&self) -> bool {
        self.state.lock().line.as_ref().is_some_and(Line::is_connected)
    }

    /// Something that the client should have got is missing: it is to connect anew, and never comes back to this
    /// session, which would be deaf or have a hole.
    pub(crate) fn abandon(&self) {
        self.state.lock().way_back = WayBack::Closed;
        self.disconnect();
    }

    /// Ends the connection.
    pub(crate) fn disconnect(&self) {
        if let Some(line) = self.line() {
            line.disconnect();
        }
    }

    /// The connection is lost. True when the client may come back to this session.
    pub(crate) fn lose(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        (state.line, state.lost_at) = (None, Some(now));
        matches!(state.way_back, WayBack::From(_))
    }

    /// Whether the connection was lost before this moment, and has not come back.
    pub(crate) fn is_lost_before(&self, moment: Timestamp) -> bool {
        let state = self.state.lock();
        state.line.is_none() && state.lost_at.is_some_and(|lost_at| lost_at < moment)
    }

    /// From now on only who got at least this may come back.
    pub(crate) fn come_back_from(&self, least: Offset) {
        let mut state = self.state.lock();
        if let WayBack::From(offset) = &mut state.way_back {
            *offset = least.max(*offset);
        }
    }

    /// What to give the client with the last of what it is sent as it catches up: then it has everything up to this
    /// position, and only with that it may come back.
    pub(crate) fn catch_up_to(&self, position: Position) -> Offset {
        let mut state = self.state.lock();
        let WayBack::From(offset) = &mut state.way_back else { return position.into() };
        offset.part = if offset.position == position { offset.part + 1 } else { 1 };
        offset.position = position;
        *offset
    }

    /// Whether the connection is lost and a client that got this may come back, as far as the session knows.
    pub(crate) fn is_awaited_from(&self, offset: Offset) -> bool {
        let state = self.state.lock();
        state.line.is_none() && matches!(state.way_back, WayBack::From(least) if offset >= least)
    }

    /// The client is back.
    pub(crate) fn come_back(&self, line: Line, station: &Arc<Station>, token: Token) {
        {
            let mut state = self.state.lock();
            (state.line, state.lost_at) = (Some(line), None);
            state.station = Arc::clone(station);
        }
        self.refresh(token);
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
            tracing::info!(socket = self.id(), user = %self.caller.user_id, "token revoked: disconnecting the socket");
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
