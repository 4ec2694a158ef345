//! The one write path: every change goes through a queue into a transaction, and is published and answered after its
//! commit.
//!
//! On `SQLite` the [`Writer`] is the only one: it commits many waiting writes with one fsync. On the other databases
//! every channel has a lane ([`Lanes`]) of transactions that lock the channel's row. What a [`Write`] does inside its
//! transaction is the same everywhere: decisions are made on channels in memory (`batch.rs`, `cache.rs`), what they want
//! written is collected and written together (`rows.rs`), and other writes go one by one (`rest.rs`, `apply.rs`).
//!
//! The words of this module:
//!
//! - A *write* is what a caller asks for; a *batch* is the writes of one transaction.
//! - The *writer* is the only writing task of a `SQLite` database. A *lane* is the writing task of one channel, or of
//!   one user, on the other databases.
//! - A commit is *in flight* from before it is asked for until everything in it is published (`in_flight.rs`).
//! - A commit is *in doubt* when its answer was lost, until the database says whether it happened (`in_doubt.rs`).
//! - A *fence* is a write of nothing: it is answered once what was committed before it is published.

mod apply;
mod batch;
mod cache;
mod files;
mod in_doubt;
mod in_flight;
mod lanes;
mod metrics;
mod one_statement;
mod part;
mod rest;
mod retention;
mod rows;
mod session;
mod wakes;
mod write;
mod writer;

pub(crate) use lanes::Lanes;
pub(crate) use session::Session;
pub(crate) use write::{Answer, Write};
pub(crate) use writer::Writer;
