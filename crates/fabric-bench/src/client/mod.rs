//! Clients of a guild.

pub(crate) mod frame;
mod journal;
mod peer;
mod wire;

pub use frame::{Frame, Inbox, masked};
pub use journal::{Created, Journal, State, run_of};
pub use peer::{Cut, Options, Peer, connect_all, join_all};
pub use wire::{End, Wire, message};
