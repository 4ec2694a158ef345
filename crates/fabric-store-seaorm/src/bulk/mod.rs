//! A whole guild out of a database and into one: [`SqlBulkReader`] and [`SqlBulkWriter`] are the ports of
//! `fabric-archive`.
//!
//! A reader is one snapshot beside a running server. A writer fills an empty database with large statements in large
//! transactions. From [`SqlBulkWriter::begin`] to its end a mark in the database (table `unfinished_imports`,
//! `mark.rs`) says that the database is incomplete; the server does not start on it. An import that broke off leaves
//! the mark, and the next one begins by deleting what is there. The mark carries a token that every transaction of the
//! import checks, so that of two imports at once only the later one goes on.

mod error;
mod mark;
mod queue;
mod reader;
mod transaction;
mod writer;

pub use error::BeginError;
pub use reader::SqlBulkReader;
pub use writer::SqlBulkWriter;

/// The tables that hold a guild's data: what an import fills and an archive holds. The index for searching is made from
/// them.
pub const TABLES: &[&str] = &[
    "channels",
    "turn_seats",
    "channel_members",
    "messages",
    "message_attachments",
    "message_revisions",
    "read_markers",
    "presences",
    "owed_wakes",
    "idempotency_keys",
    "files",
];
