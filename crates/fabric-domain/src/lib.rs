//! The rules of Fabric, and the use cases on top of them.
//!
//! Read from the inside out:
//!
//! - [`model`]: ids, channels, messages: data whose impossible states cannot be written down.
//! - [`rules`]: whose turn it is ([`rules::turn`]), who is woken ([`rules::delivery`]), what is a
//!   mention ([`rules::mention`]) and a command ([`rules::command`]), what a message is found by
//!   ([`rules::search`]). Plain functions: no clock, no
//!   I/O, no async, no logging; randomness comes in as a seed.
//! - `ports` (feature `ports`): the traits a service needs from its surroundings.
//! - `services` (feature `services`): one use case, one function.
//!
//! With `default-features = false` only [`model`] and [`rules`] remain; their dependency tree has no
//! runtime, clock or I/O crate, so another service can embed the engine as it is.

pub mod model;
#[cfg(feature = "ports")]
pub mod ports;
pub mod rules;
#[cfg(feature = "services")]
pub mod services;
