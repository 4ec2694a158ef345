//! Why a socket is closed.

use std::fmt;

use socketio_proto::client;

/// Why a socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it.
    Client,
    /// The server ended the session (a Socket.IO disconnect).
    Server,
    /// The server closed the connection, with the code and reason of the websocket where it gave them.
    Transport {
        /// The websocket's close code.
        code: Option<u16>,
        /// Why, if the server said so.
        reason: String,
    },
    /// The server stopped pinging.
    PingTimeout,
    /// The server sent what is not a packet, or a packet out of place.
    Malformed(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("closed by this side"),
            Self::Server => f.write_str("closed by the server"),
            Self::Transport { code: Some(code), reason } => write!(f, "connection closed ({code} {reason})"),
            Self::Transport { code: None, reason } => write!(f, "connection closed ({reason})"),
            Self::PingTimeout => f.write_str("the server stopped pinging"),
            Self::Malformed(what) => write!(f, "malformed packet: {what}"),
        }
    }
}

impl std::error::Error for CloseReason {}

impl From<client::CloseReason> for CloseReason {
    fn from(reason: client::CloseReason) -> Self {
        match reason {
            client::CloseReason::Client => Self::Client,
            client::CloseReason::Transport { code, reason } => Self::Transport { code, reason },
            client::CloseReason::PingTimeout => Self::PingTimeout,
            client::CloseReason::Protocol(error) => Self::Malformed(error.to_string()),
            // The server closed the Engine.IO session, or never opened it.
            other => Self::Transport { code: None, reason: other.to_string() },
        }
    }
}
