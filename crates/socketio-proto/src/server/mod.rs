//! One connection of a server as a state machine without I/O.
//!
//! [`ServerSession`] is told what happened ([`Input`]) and when, and answers what is to be done
//! ([`Output`]). It holds no socket, task or clock, so every state can be tested exactly.

mod engine;
mod queue;
mod reason;
mod session;
mod spaces;

use bytes::Bytes;
use serde_json::{Map, Value};

pub use reason::DisconnectReason;
pub use session::{Pull, ServerSession, Transport};

/// What happened to a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A long poll arrived; `poll` is its number, never used twice.
    Poll {
        /// The poll's number.
        poll: u64,
    },
    /// The client gave up a poll that was not answered yet.
    PollAborted {
        /// The poll's number.
        poll: u64,
    },
    /// The head of a POST arrived; answered by [`Output::PostRefused`] or not at all.
    PostStarted,
    /// The whole body of the POST arrived; answered by [`Output::PostAnswer`].
    PostBody {
        /// The body, an Engine.IO payload.
        body: &'a str,
    },
    /// The body of the POST was too large; it is forgotten and the session goes on.
    PostTooLarge,
    /// The POST broke off or its body is not UTF-8; the session ends.
    PostBroken,
    /// A websocket for this session arrived; `conn` is its number, never used twice.
    WebSocket {
        /// The websocket's number.
        conn: u64,
    },
    /// A text message arrived on a websocket.
    Text {
        /// The websocket's number.
        conn: u64,
        /// The message.
        text: &'a str,
    },
    /// A binary message arrived on a websocket.
    Binary {
        /// The websocket's number.
        conn: u64,
        /// The message.
        bytes: Bytes,
    },
    /// A websocket was closed by the client.
    WebSocketClosed {
        /// The websocket's number.
        conn: u64,
    },
    /// A websocket broke the framing rules and is to be closed with this code.
    WebSocketBroken {
        /// The websocket's number.
        conn: u64,
        /// The close code (RFC 6455 section 7.4).
        code: u16,
    },
    /// Time passed; to be called at [`ServerSession::deadline`] at the latest.
    Time,
}

/// What is to be done, in this order. Exhaustive on purpose: whoever runs a session does all of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Answer a poll: 200 with the payload, or 400 without.
    AnswerPoll {
        /// The poll's number.
        poll: u64,
        /// The payload; `None` refuses the poll.
        body: Option<Vec<u8>>,
    },
    /// The POST that just started is refused with 400.
    PostRefused,
    /// The POST is answered: 200 `ok`, or 400.
    PostAnswer {
        /// Whether the payload was well-formed.
        ok: bool,
    },
    /// The websocket has something to [`ServerSession::pull`], or is to end.
    Wake,
    /// A client asks to join a namespace; to be answered by [`ServerSession::accept`] or
    /// [`ServerSession::refuse`].
    Connect {
        /// The namespace.
        namespace: String,
        /// What the client sent along.
        auth: Map<String, Value>,
    },
    /// An event arrived.
    Event {
        /// The namespace.
        namespace: String,
        /// The event's name.
        name: String,
        /// Its arguments.
        args: Vec<Value>,
        /// Its attachments.
        attachments: Vec<Bytes>,
        /// Set when the client wants an acknowledgement.
        ack: Option<u64>,
        /// Received bytes, for whoever bounds the memory of waiting events.
        size: usize,
    },
    /// An acknowledgement arrived. It may be one nobody waits for.
    Ack {
        /// The namespace.
        namespace: String,
        /// Its id.
        ack: u64,
        /// Its arguments.
        args: Vec<Value>,
        /// Its attachments.
        attachments: Vec<Bytes>,
    },
    /// A namespace was left, by either side. Once per [`Output::Connect`] that was not refused.
    Left {
        /// The namespace.
        namespace: String,
        /// Why.
        reason: DisconnectReason,
    },
    /// A message of a bare Engine.IO session.
    Message(Message),
    /// The session ended. A last poll may still be answered.
    Closed {
        /// Why.
        reason: DisconnectReason,
    },
    /// Nothing will come of this session any more: it can be dropped.
    Forget,
}

/// A message of Engine.IO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// How the pings of a connection fared. Transports keep the order, so the answer to a ping proves that the client
/// has everything that was sent before it: an event that was emitted when `sent` was n has arrived when
/// `answered` is greater than n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heartbeat {
    /// Pings sent.
    pub sent: u64,
    /// Of these, how many are answered; all but the last always are.
    pub answered: u64,
}

impl Heartbeat {
    /// So many pings sent, and so many answered.
    pub fn new(sent: u64, answered: u64) -> Self {
        Self { sent, answered }
    }
}

/// Why something was not queued for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The socket is not connected (any more).
    #[error("socket is closed")]
    Closed,
    /// The client does not read fast enough; its connection is being closed because of it.
    #[error("queue is full")]
    QueueFull,
    /// The event was encoded for another namespace.
    #[error("event belongs to another namespace")]
    WrongNamespace,
}
