//! A Socket.IO server for actix-web: protocol 5 over Engine.IO 4, long-polling and websocket.
//!
//! The protocol is [`socketio_proto`]'s, re-exported as [`proto`]: state machines without sockets,
//! clocks or tasks. This crate is the thin layer that gives them all three: [`SocketIo`],
//! [`Handler`], [`Socket`] and rooms, and [`EngineIo`] for bare Engine.IO.
//!
//! [`HttpServer`] serves an actix-web application with it: connections that become websockets are
//! read and written by this crate.

mod broadcast;
mod config;
mod connection;
mod data;
mod dispatch;
mod engine_io;
mod error;
mod handler;
mod handshake;
mod http;
mod http_server;
mod network;
mod recovery;
mod rooms;
mod server;
mod socket;

pub use broadcast::{BroadcastOperator, Namespace};
pub use config::{Config, Origins, Recovery};
pub use connection::{Worker, WorkerGone, WorkerId};
pub use engine_io::{EngineHandler, EngineIo, EngineMessage, EngineSocket};
pub use error::{AckError, EmitError};
pub use handler::{ConnectError, Event, Handler};
pub use handshake::{Handshake, Previous};
pub use http_server::{Client, ClientLimits, Held, HttpServer, NoRoom};
pub use network::network;
pub use server::{Builder, SocketIo};
pub use socket::{AckSender, Socket};
pub use socketio_proto as proto;
pub use socketio_proto::{
    ArgError, Args, DisconnectReason, EncodeError, Heartbeat, Outgoing, Rate, SendError, SessionLimits,
};

/// The example of the README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
