//! Fabric's store on SQL databases: the ports [`ChannelStore`], [`MessageStore`], [`PresenceStore`] and
//! [`SearchStore`] over sea-orm.
//!
//! From the bottom up:
//!
//! - `schema`: opening a database, migrating it, its tables, and rows as the domain's types;
//! - `query`: what is read;
//! - `search`: the words of messages in each database's own full-text index, and messages that are not in it yet;
//! - `commit`: the one write path, with one writer on `SQLite` and a lane for each channel on the others;
//! - `store`: [`SqlStore`], which is the ports on top of these;
//! - [`bulk`]: a whole guild into an empty database, and out of one, as `fabric-archive` wants it.
//!
//! [`ChannelStore`]: fabric_domain::ports::ChannelStore
//! [`MessageStore`]: fabric_domain::ports::MessageStore
//! [`PresenceStore`]: fabric_domain::ports::PresenceStore
//! [`SearchStore`]: fabric_domain::ports::SearchStore

pub mod bulk;
mod commit;
mod error;
mod query;
mod schema;
mod search;
mod store;

pub use schema::migrate::{self, SchemaError};
pub use store::{Observer, Options, SqlStore};
