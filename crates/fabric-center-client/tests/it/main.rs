//! The client against a Center on a real socket: one that counts, goes down and comes back; and the real one.

mod fake;
mod identity;
mod outage;
mod real_center;
