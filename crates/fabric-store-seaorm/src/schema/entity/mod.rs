//! The tables as sea-orm sees them; the schema itself is in `migration/`. One file a table.

pub(crate) mod attachment;
pub(crate) mod channel;
pub(crate) mod file;
pub(crate) mod file_usage;
pub(crate) mod idempotency_key;
pub(crate) mod member;
pub(crate) mod message;
pub(crate) mod owed_wake;
pub(crate) mod presence;
pub(crate) mod read_marker;
pub(crate) mod revision;
pub(crate) mod search_document;
pub(crate) mod turn_seats;
pub(crate) mod unfinished_import;
