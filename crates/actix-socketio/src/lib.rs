//! A Socket.IO server for actix-web: protocol 5 over Engine.IO 4, long-polling and websocket.
//!
//! Three layers, each usable without the one above:
//!
//! - [`packet`]: the packets of both protocols, to and from text, with strict limits. A *client* can
//!   use this alone (`default-features = false`).
//! - [`protocol`]: one connection as a state machine without sockets, clocks or tasks:
//!   [`protocol::Session::handle`] takes what happened and the time, and answers what to do.
//! - `server` (feature `server`, on by default): the actix-web adapter with [`SocketIo`],
//!   [`Handler`], [`Socket`] and rooms, and [`EngineIo`] for bare Engine.IO.
//!
//! Two settings of the actix `HttpServer` matter: `tcp_nodelay(true)` (events are small; without it
//! each waits for the other side's delayed acknowledgement) and `h1_allow_half_closed(false)` (so
//! that an aborted long poll is noticed when it happens).

mod config;
pub mod packet;
pub mod protocol;
#[cfg(feature = "server")]
mod server;

pub use config::{Config, Origins, Rate, Recovery};
pub use packet::{EncodeError, Outgoing};
pub use protocol::{DisconnectReason, Heartbeat};
#[cfg(feature = "server")]
pub use server::{
    AckError, AckSender, BroadcastOperator, Builder, ConnectError, EngineHandler, EngineIo, EngineMessage,
    EngineSocket, Event, Handler, Handshake, Namespace, Previous, SendError, Socket, SocketIo,
};

/// The example of the README is compiled.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
