//! What an application implements.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use super::{
    handshake::{Handshake, Previous},
    socket::{AckSender, Socket},
};
use crate::DisconnectReason;

/// The application's side of one namespace.
///
/// Calls for one socket never overlap and keep their order; different sockets run at the same
/// time. A slow handler delays its own socket only. Handlers run as tokio tasks of the worker that
/// has the connection: `tokio::spawn` works in them, actix's `rt::spawn` does not. A handler that
/// panics loses its connection.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// A client comes back after it lost its connection. Answering its former id (and, in
    /// [`Handler::connect`], emitting what it missed) is for applications with a log of their own;
    /// `None` leaves it to [`crate::Config::recovery`]. An id that is in use is ignored.
    async fn recover(&self, handshake: &Handshake, previous: &Previous) -> Option<String> {
        let _ = (handshake, previous);
        None
    }

    /// A client asks to join. Nothing is answered before this returns; what is emitted to the
    /// socket meanwhile follows the answer.
    async fn connect(&self, socket: &Socket, handshake: &Handshake) -> Result<(), ConnectError>;

    /// The client was told that it joined.
    async fn connected(&self, socket: &Socket) {
        let _ = socket;
    }

    /// An event arrived. `Some(args)` acknowledges it if the client asked for that; an
    /// acknowledgement with attachments, or one from elsewhere, is sent with [`Event::ack`].
    async fn event(&self, socket: &Socket, event: Event) -> Option<Vec<Value>>;

    /// The socket is gone. Called exactly once for every socket that [`Handler::connect`]
    /// returned `Ok` for, even if the client was gone before it could be told.
    async fn disconnected(&self, socket: &Socket, reason: DisconnectReason) {
        let _ = (socket, reason);
    }
}

/// An event of a client.
#[derive(Debug)]
#[non_exhaustive]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its arguments; `{"_placeholder": true, "num": n}` stands for attachment `n`.
    pub args: Vec<Value>,
    /// Its binary attachments.
    pub attachments: Vec<Bytes>,
    /// Set when the client wants an acknowledgement.
    pub ack: Option<AckSender>,
}

/// Why a client may not join, as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectError {
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

impl ConnectError {
    /// The client's `error.message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// The client's `error.data`.
    #[must_use]
    pub fn with_data(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }
}
