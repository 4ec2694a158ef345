//! Fabric's realtime side: who gets which event, in which order (spec/4).
//!
//! - [`Hub`]: the [`Publisher`](fabric_domain::ports::Publisher). Takes commits in order and has them delivered; knows
//!   which users are connected.
//! - [`Gateway`]: the namespace `/realtime`: lets sockets in, answers what clients ask.
//!
//! From the bottom up: an event (`broadcast.rs`) gets its place among all (`order.rs`), is kept for whoever loses the
//! connection (`ring.rs`), and goes to every worker that has somebody whom it concerns (`station.rs`), which takes it to
//! its own clients (`session.rs`) in the channel (`room.rs`). `sessions.rs` knows every user's clients. How a socket joins
//! a channel without missing or doubling a message is in `room.rs` and `joining.rs`, how it comes back after it lost its
//! connection in `returning.rs`; when a wake counts as delivered, in `unconfirmed.rs` and `settled.rs`.

mod audience;
mod broadcast;
mod crew;
#[cfg(test)]
mod fake;
mod gateway;
mod hub;
mod joining;
mod line;
mod metrics;
#[cfg(test)]
mod model_tests;
mod order;
mod person;
mod position;
mod presence;
mod returning;
mod ring;
mod room;
mod session;
mod sessions;
mod settled;
mod station;
mod typing;
mod unconfirmed;
mod watch;

pub use gateway::Gateway;
pub use hub::Hub;
