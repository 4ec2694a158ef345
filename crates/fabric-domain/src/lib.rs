//! The rules of Fabric, and the use cases on top of them.
//!
//! Read from the inside out; each layer knows only those before it:
//!
//! - [`model`]: ids, users, channels, messages: data whose impossible states cannot be written down.
//! - [`rules`]: whose turn it is ([`rules::turn`]), who is woken ([`rules::delivery`]), what is a mention
//!   ([`rules::mention`]) and a command ([`rules::command`]), what a message is found by ([`rules::search`]).
//! - [`decisions`]: what a write does: a channel as it is, and what somebody asks for, become a
//!   [`Change`](decisions::Change) or a [`Refusal`](model::Refusal).
//! - `ports` (feature `ports`): the traits a service needs from its surroundings.
//! - `services` (feature `services`): one use case, one function.
//!
//! The first three are plain functions and data: no clock, no I/O, no async, no logging; time, ids and
//! randomness come in as values. With `default-features = false` nothing else remains, and the dependency tree
//! has no runtime, clock or I/O crate, so another service can embed the engine as it is.

pub mod decisions;
pub mod model;
#[cfg(feature = "ports")]
pub mod ports;
pub mod rules;
#[cfg(feature = "services")]
pub mod services;
