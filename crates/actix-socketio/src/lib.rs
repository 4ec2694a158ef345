//! A Socket.IO server for actix-web: protocol 5 over Engine.IO 4, long-polling and websocket.
//!
//! The protocol is [`socketio_proto`]'s, re-exported as [`proto`]: state machines without sockets,
//! clocks or tasks. This crate is the thin layer that gives them all three: [`SocketIo`],
//! [`Handler`], [`Socket`] and rooms, and [`EngineIo`] for bare Engine.IO.
//!
//! Two settings of the actix `HttpServer` matter: `tcp_nodelay(true)` (events are small; without it
//! each waits for the other side's delayed acknowledgement) and `h1_allow_half_closed(false)` (so
//! that an aborted long poll is noticed when it happens).

mod config;
mod server;

pub use config::{Config, Origins, Recovery};
pub use server::{
    AckError, AckSender, BroadcastOperator, Builder, ConnectError, EngineHandler, EngineIo, EngineMessage,
    EngineSocket, Event, Handler, Handshake, Namespace, Previous, Socket, SocketIo,
};
pub use socketio_proto as proto;
pub use socketio_proto::{
    DisconnectReason, EncodeError, Heartbeat, Outgoing, Rate, SendError, SessionLimits,
};

/// The example of the README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
