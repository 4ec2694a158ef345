//! What a write does to a channel, as plain functions: the channel as it is, what somebody asks for, and the
//! [`Moment`] become a [`Change`] or a [`Refusal`](crate::model::Refusal).
//!
//! - [`channels`]: create, change, close, reopen.
//! - [`members`]: join, add, leave, remove, wake mapping, seats in the turn.
//! - [`messages`]: post, edit, delete.
//! - [`turns`]: the two commands, and turns whose time is over.
//! - [`files`]: which files a message may attach.
//! - [`MissedWakes`]: what a member who comes back is woken by again.
//!
//! A store that loads a [`ChannelAggregate`] under a lock, calls one of these, writes the [`Change`] and then tells
//! its [`Event`]s has all of Fabric's behaviour. Decisions depend on nothing but their arguments, so it may call
//! them again after a conflict. `writing.rs` appends a message, whoever wrote it.

mod access;
mod aggregate;
mod change;
pub mod channels;
pub mod files;
mod idempotency;
mod limits;
pub mod members;
pub mod messages;
mod turn_record;
pub mod turns;
mod wakes;
mod writing;

#[cfg(test)]
mod tests;

pub use access::Access;
pub use aggregate::{ChannelAggregate, ChannelSummary, ChannelView};
pub use change::{Change, Commit, Event, NewChannel};
pub use channels::{ChannelPatch, CreateChannel};
pub use idempotency::once;
pub use limits::Limits;
pub use messages::Post;
pub use turn_record::{Moment, StoredTurn, TurnRecord};
pub use wakes::MissedWakes;
