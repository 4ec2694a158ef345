//! One connection of a client as a state machine without I/O.
//!
//! A [`ClientSession`] speaks Socket.IO over one websocket. Its owner tells it what arrived and what
//! time it is (`handle_…`), says what to send ([`ClientSession::emit`] and the like), and after each
//! of these calls takes what is to be written ([`ClientSession::poll_transmit`]) and what happened
//! ([`ClientSession::poll_event`]). Long-polling is not spoken: what can run this can open a
//! websocket, and every server that offers long-polling offers that too. The [crate's documentation](crate) has an example.

mod namespaces;
mod session;

use std::{fmt, time::Duration};

use bytes::Bytes;
use serde_json::Value;

pub use session::ClientSession;

use crate::packet::{Args, DecodeError, EncodeError};

/// What a client accepts from its server, and how long it waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Time the server has for its handshake. Default 20 s, as the reference client has it.
    pub open_timeout: Duration,
    /// Largest number of attachments of one packet. Default 10.
    pub max_attachments: usize,
    /// Largest number of bytes in all attachments of one packet. Default 10,000,000.
    pub max_attachment_bytes: usize,
    /// Largest number of JSON values in one packet: parsed, each takes up to 700 bytes. Default
    /// no limit but that of the message's size, which is the websocket's to enforce.
    pub max_values: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            open_timeout: Duration::from_secs(20),
            max_attachments: 10,
            max_attachment_bytes: 10_000_000,
            max_values: usize::MAX,
        }
    }
}

impl ClientLimits {
    crate::setters! {
        with_open_timeout => open_timeout: Duration,
        with_max_attachments => max_attachments: usize,
        with_max_attachment_bytes => max_attachment_bytes: usize,
        with_max_values => max_values: usize,
    }
}

/// What is to be written to the websocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// Nothing more: the websocket is to be closed, with code 1000.
    Close,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The server has opened the session.
    Opened {
        /// The session's id (not that of a socket).
        sid: String,
    },
    /// The server pinged, and the answer is to be transmitted.
    Pinged,
    /// A namespace was joined.
    Connected {
        /// The namespace.
        namespace: String,
        /// The socket's id.
        sid: String,
        /// Whether the server has recovered the socket of an earlier session: its id and rooms are
        /// the same, and the events that were missed follow.
        recovered: bool,
    },
    /// The server refused to let the client into a namespace.
    Refused {
        /// The namespace.
        namespace: String,
        /// Why.
        message: String,
        /// More about it, as the server's application likes.
        data: Option<Value>,
    },
    /// An event of the server.
    Event {
        /// The namespace.
        namespace: String,
        /// The event's name.
        name: String,
        /// Its arguments.
        args: Args,
        /// Set when the server wants an acknowledgement: see [`ClientSession::acknowledge`].
        ack: Option<u64>,
    },
    /// The server acknowledged an event.
    Acknowledged {
        /// The namespace.
        namespace: String,
        /// What [`ClientSession::emit_with_ack`] returned.
        ack: u64,
        /// The arguments.
        args: Args,
    },
    /// The server disconnected the client from a namespace.
    Disconnected {
        /// The namespace.
        namespace: String,
    },
    /// The session is over; nothing follows.
    Closed(CloseReason),
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it.
    Client,
    /// The server closed the session (an Engine.IO close packet).
    Server,
    /// The websocket was closed or lost.
    Transport {
        /// Its close code, if the server sent one.
        code: Option<u16>,
        /// Why, as far as it is known.
        reason: String,
    },
    /// The server did not open the session in time.
    OpenTimeout,
    /// The server stopped pinging.
    PingTimeout,
    /// The server broke the rules of the protocol.
    Protocol(ProtocolError),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("closed by this side"),
            Self::Server => f.write_str("closed by the server"),
            Self::Transport { code: Some(code), reason } => write!(f, "connection closed ({code} {reason})"),
            Self::Transport { code: None, reason } => write!(f, "connection closed ({reason})"),
            Self::OpenTimeout => f.write_str("the server did not open the session in time"),
            Self::PingTimeout => f.write_str("the server stopped pinging"),
            Self::Protocol(error) => write!(f, "protocol error: {error}"),
        }
    }
}

/// How a server broke the rules of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// It sent what is not a packet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It sent a packet that has no place where it came, such as a second answer to a CONNECT.
    #[error("packet out of place")]
    OutOfPlace,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The session is over.
    #[error("the session is closed")]
    Closed,
    /// The namespace was not joined, or was left.
    #[error("namespace {0:?} is not connected")]
    NotConnected(String),
    /// The namespace was joined already, or the answer to that is not there yet.
    #[error("namespace {0:?} is connected already")]
    AlreadyConnected(String),
    /// What was to be sent cannot be written as a packet.
    #[error("the packet cannot be encoded")]
    Encode(#[from] EncodeError),
}

/// By what a server knows a client that comes back, and what it missed: to be handed from an old
/// session ([`ClientSession::recovery`]) to a new one ([`ClientSession::connect`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The private id that the server gave the socket.
    pub pid: String,
    /// The offset of the last event that had one.
    pub offset: Option<String>,
}
