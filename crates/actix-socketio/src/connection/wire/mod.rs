//! The wire of a connection: a websocket on a TCP connection of our own.

mod decoder;
mod outbox;
mod receiver;
mod websocket;

pub(super) use outbox::Outbox;
pub(crate) use websocket::{Taken, WebSocket};
