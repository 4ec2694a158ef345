//! What a server program of Fabric is made of, once: Center and a guild node both use it, and nothing in it knows
//! either of them.
//!
//! - Always there, and light: [`Secret`], the system's clock and randomness ([`system`]), files that only their owner
//!   may read ([`private`]).
//! - `program`: what a process needs, in [`program`]: configuration, log lines, the signal to stop.
//! - `web`: what an HTTP server needs, in [`web`]: request ids, JSON bodies, errors in one shape, routes that name
//!   their methods, and how long connections may rest.

pub mod private;
#[cfg(feature = "program")]
pub mod program;
mod secret;
pub mod system;
#[cfg(feature = "web")]
pub mod web;

pub use secret::Secret;
