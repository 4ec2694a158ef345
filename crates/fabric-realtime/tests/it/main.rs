//! The gateway as clients see it: a guild in memory, served on loopback.

mod client;
mod content;
mod joining;
mod presence;
mod recovery;
mod revocation;
mod typing;
mod wakes;
mod world;
