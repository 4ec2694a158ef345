//! A guild node's view of Center (spec/5 section 4): who a token stands for, who the members are, who is the admin.
//!
//! [`CenterClient`] implements the port [`IdentityCenter`](fabric_domain::ports::IdentityCenter). It is made so that
//! neither a slow nor a dead Center is felt where that can be helped:
//!
//! - Answers are remembered (`cached.rs`): tokens for 60 s at most, refused ones for 5 s, names 5 min, the admin a day.
//!   Look-ups of one token at the same time are one request. Every cache is bounded.
//! - While Center cannot be asked, tokens that it confirmed before go on to work for the grace (5 min), never past
//!   their own end. Unknown ones get [`CenterError::Unavailable`](fabric_domain::ports::CenterError::Unavailable).
//! - A call takes 3 s at most, with one retry inside (`api.rs`); after several failures in a row a circuit breaker
//!   (`breaker.rs`) answers at once, and lets one call through from time to time to see whether Center is back.
//!
//! Time comes from a [`Clock`](fabric_domain::ports::Clock), so tests need not wait.

mod api;
mod breaker;
mod cached;
mod client;
mod config;

pub use client::CenterClient;
pub use config::{BuildError, Config};
