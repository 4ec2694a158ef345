//! What an application implements.

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    ArgError, Args, DisconnectReason,
    handshake::{Handshake, Previous},
    socket::{AckSender, Socket},
};

/// The application's side of one namespace.
///
/// Calls for one socket never overlap and keep their order; different sockets run at the same
/// time. A slow handler delays its own socket only. Handlers run on the actix worker that has the
/// connection: `tokio::spawn` and actix's `rt::spawn` both work in them. A handler that panics loses
/// its connection.
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
    /// Its arguments, with its binary attachments.
    pub args: Args,
    /// Set when the client wants an acknowledgement.
    pub ack: Option<AckSender>,
}

impl Event {
    /// Reads the argument at `index`, counted from 0. Where `T` has [`Bytes`](bytes::Bytes), they
    /// come from the attachments.
    pub fn arg<T: DeserializeOwned>(&self, index: usize) -> Result<T, ArgError> {
        self.args.get(index)
    }
}

/// Why a client may not join, as it is told.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
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
