#![doc = include_str!("../README.md")]

mod bucket;
pub mod client;
mod limits;
pub mod packet;
pub mod server;
mod setters;

use std::time::Duration;

pub use bucket::TokenBucket;
pub use client::{ClientEvent, ClientLimits, ClientSession};
pub use limits::{Rate, SessionLimits};
pub use packet::{ArgError, Args, DecodeError, EncodeError, Outgoing};
pub use server::{DisconnectReason, Heartbeat, SendError, ServerSession};

use setters::setters;

/// A point in time: what passed since any moment that stays the same for one session.
pub type Moment = Duration;
