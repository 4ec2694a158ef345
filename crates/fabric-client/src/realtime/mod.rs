//! One live socket of a guild (spec/4): Socket.IO 5 over Engine.IO 4, websocket only.

mod driver;
mod event;
mod wire;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use fabric_api::guild::{PostAnswer, PostMessage, TurnView};
use fabric_api::realtime::{
    JoinAck, JoinChannel, LeaveChannel, RefreshSession, SetTyping, SocketPost, event as names,
};
use futures_util::Stream;
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

pub use event::Event;

use crate::close::CloseReason;
use crate::error::{ApiError, Error};
use crate::http::Timeouts;
use crate::model::{ChannelId, PresenceStatus, Seq};
use driver::{Command, Driver};
use wire::Wire;

/// So many events wait for their reader; then the socket is not read until there is room again.
const EVENTS: usize = 1_024;
const COMMANDS: usize = 64;

/// The answer to joining a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Seq of the channel's newest message.
    pub last_seq: Seq,
    /// The turn, where members speak in turn.
    pub turn: Option<TurnView>,
}

/// The sending half of a socket. Cheap to clone. The socket lives as long as its [`Events`].
#[derive(Debug, Clone)]
pub struct Realtime {
    commands: mpsc::Sender<Command>,
    closed: watch::Receiver<Option<CloseReason>>,
    ack_timeout: Duration,
}

/// The receiving half of a socket: its events, in the order in which they arrived. Dropping it closes
/// the socket.
///
/// Keep reading: while events wait unread, nothing else is taken from the socket either,
/// acknowledgements and pings included, and the server closes sockets that do not keep up.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
    closed: watch::Receiver<Option<CloseReason>>,
}

impl Events {
    /// The next event, or why there will be none. Cancel safe.
    pub async fn recv(&mut self) -> Result<Event, CloseReason> {
        match self.events.recv().await {
            Some(event) => Ok(event),
            None => Err(reason(&self.closed)),
        }
    }
}

/// Ends when the socket is closed; [`Events::recv`] says why.
impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_recv(cx)
    }
}

impl Realtime {
    pub(crate) async fn connect(
        endpoint: &Url,
        token: &str,
        timeouts: Timeouts,
    ) -> Result<(Self, Events), Error> {
        let opening = Wire::open(endpoint, token, timeouts.connect);
        let wire = timeout(timeouts.answer, opening).await.map_err(|_| Error::Timeout)??;
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (event_queue, events) = mpsc::channel(EVENTS);
        let (close, closed) = watch::channel(None);
        tokio::spawn(Driver::new(wire, command_queue, event_queue).run(close));
        let socket = Self { commands, closed: closed.clone(), ack_timeout: timeouts.answer };
        Ok((socket, Events { events, closed }))
    }

    /// Takes part in a channel. With `since`, the last seq the caller has, everything after it
    /// follows as events before anything newer.
    pub async fn join(&self, channel: &ChannelId, since: Option<Seq>) -> Result<Joined, Error> {
        let request = JoinChannel { channel_id: channel.clone(), since_seq: since };
        let ack: JoinAck = self.ask(names::JOIN_CHANNEL, &request).await?;
        match ack.last_seq {
            Some(last_seq) => Ok(Joined { last_seq, turn: ack.turn }),
            None => Err(Error::unexpected(names::JOIN_CHANNEL, "no lastSeq")),
        }
    }

    /// Stops taking part in a channel.
    pub async fn leave(&self, channel: &ChannelId) -> Result<(), Error> {
        self.done(names::LEAVE_CHANNEL, &LeaveChannel { channel_id: channel.clone() }).await
    }

    /// Posts over the socket: the same as [`crate::GuildClient::post`].
    pub async fn post(
        &self,
        channel: &ChannelId,
        message: PostMessage,
        idempotency_key: Option<&str>,
    ) -> Result<PostAnswer, Error> {
        let request = SocketPost {
            channel_id: channel.clone(),
            idempotency_key: idempotency_key.map(str::to_owned),
            message,
        };
        self.ask(names::MESSAGE_POST, &request).await
    }

    /// Shows that the caller types, or no longer.
    pub async fn typing(&self, channel: &ChannelId, typing: bool) -> Result<(), Error> {
        self.emit(names::TYPING, &SetTyping { channel_id: channel.clone(), typing }).await
    }

    /// Says how the caller is doing.
    pub async fn presence(&self, status: PresenceStatus) -> Result<(), Error> {
        self.done(names::PRESENCE, &serde_json::json!({ "status": status })).await
    }

    /// Gives the server a fresh token, so that the socket lives on when the old one ends.
    pub async fn refresh_session(&self, token: &str) -> Result<(), Error> {
        self.done(names::SESSION_REFRESH, &RefreshSession { token: token.into() }).await
    }

    /// Sends any event and does not wait for an answer.
    pub async fn emit(&self, event: &'static str, payload: &impl Serialize) -> Result<(), Error> {
        self.send(event, payload, None).await
    }

    /// Sends any event and reads the first argument of its acknowledgement. A refusal (`ok: false`, or
    /// the error answer of the REST route) is an error.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        event: &'static str,
        payload: &impl Serialize,
    ) -> Result<T, Error> {
        let (ack, answer) = oneshot::channel();
        self.send(event, payload, Some(ack)).await?;
        let args = timeout(self.ack_timeout, answer).await.map_err(|_| Error::Timeout)?;
        let args = args.map_err(|_| Error::Closed(reason(&self.closed)))?;
        let answer = accepted(event, args.into_iter().next().unwrap_or(Value::Null))?;
        serde_json::from_value(answer).map_err(|error| Error::unexpected(event, error))
    }

    /// Closes the socket. Events that have arrived can still be read.
    pub async fn close(&self) {
        // Where the queue is gone, the socket is closed already.
        let _ = self.commands.send(Command::Close).await;
    }

    /// What a success says beyond itself does not matter.
    async fn done(&self, event: &'static str, payload: &impl Serialize) -> Result<(), Error> {
        self.ask::<Value>(event, payload).await.map(drop)
    }

    async fn send(
        &self,
        event: &'static str,
        payload: &impl Serialize,
        ack: Option<oneshot::Sender<Vec<Value>>>,
    ) -> Result<(), Error> {
        let payload = serde_json::to_value(payload).map_err(|error| Error::Request(error.into()))?;
        let command = Command::Emit { event, payload, ack };
        self.commands.send(command).await.map_err(|_| Error::Closed(reason(&self.closed)))
    }
}

/// An answer that is no refusal.
fn accepted(event: &'static str, answer: Value) -> Result<Value, Error> {
    if let Some(status) = answer.get("statusCode").and_then(Value::as_u64) {
        let status = u16::try_from(status).unwrap_or(500);
        return Err(ApiError::read(status, answer.to_string().as_bytes()).into());
    }
    if answer.get("ok") == Some(&Value::Bool(false)) {
        let code = answer.get("error").and_then(Value::as_str).unwrap_or("unknown").to_owned();
        return Err(Error::EventRefused { event, code });
    }
    Ok(answer)
}

/// The driver says why before it drops the queues.
fn reason(closed: &watch::Receiver<Option<CloseReason>>) -> CloseReason {
    closed.borrow().clone().unwrap_or(CloseReason::Client)
}
