//! Fabric's realtime side: who gets which event, in which order (spec/4).
//!
//! - [`Hub`]: the [`Publisher`](fabric_domain::ports::Publisher). Takes commits in order and has them delivered; knows
//!   which users are connected.
//! - [`Gateway`]: the namespace `/realtime`: lets sockets in, answers what clients ask.
//!
//! From the bottom up: a message is encoded (`frames.rs`) for a client (`session.rs`) in a channel (`room.rs`). `rooms.rs`
//! knows every channel's room, `sessions.rs` every user's clients, and `delivery.rs` puts a commit's events on those whom
//! they concern. How a socket joins a channel without missing or doubling a message is in `room.rs` and `joining.rs`; when
//! a wake counts as delivered, in `unconfirmed.rs` and `settled.rs`.

mod delivery;
mod frames;
mod gateway;
mod hub;
mod joining;
mod metrics;
mod presence;
mod room;
mod rooms;
mod session;
mod sessions;
mod settled;
mod typing;
mod unconfirmed;
mod watch;

pub use gateway::Gateway;
pub use hub::Hub;
