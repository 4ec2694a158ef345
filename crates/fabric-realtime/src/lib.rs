//! Fabric's realtime side: who gets which event, in which order (spec/4).
//!
//! - [`Hub`]: the [`Publisher`](fabric_domain::ports::Publisher). Takes commits in order and puts their
//!   events on the sockets that have joined; knows who is online.
//! - [`Gateway`]: the namespace `/realtime`: lets sockets in, answers what clients ask.
//!
//! How a socket joins a channel without missing or doubling a message is in `room.rs`; when a wake counts as
//! delivered, in `unconfirmed.rs`.

mod frames;
mod gateway;
mod hub;
mod joining;
mod metrics;
mod room;
mod session;
mod typing;
mod unconfirmed;
mod watch;

pub use gateway::Gateway;
pub use hub::Hub;
