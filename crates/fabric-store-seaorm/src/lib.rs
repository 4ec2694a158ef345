//! Fabric's store on SQL databases: the ports [`ChannelStore`], [`MessageStore`], [`PresenceStore`] and
//! [`SearchStore`] over sea-orm.
//!
//! Reads go to a pool. How writes are queued and locked is the database's own affair: on `SQLite` one writer
//! commits many waiting updates with one fsync (`writer.rs`); on `MySQL`, `MariaDB` and `PostgreSQL` every
//! channel has a lane of transactions that lock its row (`lanes.rs`). What an update does inside its
//! transaction is the same everywhere (`apply.rs`).
//!
//! [`ChannelStore`]: fabric_domain::ports::ChannelStore
//! [`MessageStore`]: fabric_domain::ports::MessageStore
//! [`PresenceStore`]: fabric_domain::ports::PresenceStore
//! [`SearchStore`]: fabric_domain::ports::SearchStore

mod apply;
pub mod archive;
pub mod bulk;
mod connect;
mod convert;
mod entity;
mod fault;
mod file_store;
mod files;
mod lanes;
mod metrics;
pub mod migrate;
mod read;
mod retention;
mod search;
mod sections;
mod settle;
mod store;
mod wakes;
mod writer;

pub use migrate::SchemaError;
pub use store::{Observer, SqlStore};
