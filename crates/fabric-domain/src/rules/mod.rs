//! The rules: pure functions of (state, input, randomness). One rule, one place (spec/2).
//!
//! - [`turn`]: whose turn it is in a `discuss` or `work` channel.
//! - [`delivery`]: who is woken by a message, who observes it, who does not get it.
//! - [`mention`]: what counts as a mention in a text.
//! - [`command`]: `/no-reply` and `/force-proceed`.
//! - [`search`]: what a message is found by.

pub mod command;
pub mod delivery;
mod markdown;
pub mod mention;
pub mod search;
pub mod turn;
