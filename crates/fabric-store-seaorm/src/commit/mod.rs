//! The one write path: every change goes through a queue into a transaction, and is published and answered after its
//! commit.
//!
//! On `SQLite` the [`Writer`] is the only one: it commits many waiting writes with one fsync. On the other databases
//! every channel has a lane ([`Lanes`]) of transactions that lock the channel's row. What a [`Write`] does inside its
//! transaction is the same everywhere (`apply.rs`, `batch.rs`).
//!
//! The words of this module:
//!
//! - A *write* is what a caller asks for; a *batch* is the writes of one transaction.
//! - The *writer* is the only writing task of a `SQLite` database. A *lane* is the writing task of one channel, or of
//!   one user, on the other databases.
//! - A *section* is the time from before a commit until everything in it is published (`sections.rs`).
//! - To *settle* a commit whose answer was lost is to find out whether it happened (`settle.rs`).

mod apply;
mod batch;
mod files;
mod lanes;
mod metrics;
mod retention;
mod sections;
mod settle;
mod wakes;
mod write;
mod writer;

pub(crate) use lanes::Lanes;
pub(crate) use write::{Answer, Write};
pub(crate) use writer::Writer;
