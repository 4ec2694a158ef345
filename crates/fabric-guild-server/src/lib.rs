//! A guild node: configuration, wiring and sub-commands. Everything else lives in the crates it wires.

mod archive;
pub mod cli;
pub mod config;
pub mod dev;
mod files;
mod ids;
mod metrics;
mod node;
mod terminal;

pub use node::{Node, StartError};

/// The README's examples, which so cannot say what is not true.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
