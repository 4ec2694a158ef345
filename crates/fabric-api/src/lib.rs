//! Wire types of Fabric: one definition for servers, clients and tests.
//!
//! - [`guild`]: what a guild node's REST routes take and give (spec/3).
//! - [`realtime`]: the events of a guild's sockets (spec/4).
//! - [`center`]: Center's routes (spec/5).
//! - [`error`]: the one shape of every error; [`error_answer`]: what a server tells in it.
//! - [`fields`]: reading request bodies so that every bad field is listed, the same over HTTP and sockets.
//!
//! Field names are `camelCase`; instants are ISO-8601 UTC with milliseconds ([`IsoTime`]); unknown fields
//! of a request are ignored. The wire grows: what only clients read has names as [`Open`], so that a client meets a name
//! that came after it without losing the rest.

pub mod center;
pub mod error;
pub mod error_answer;
pub mod fields;
pub mod guild;
mod open;
pub mod realtime;
mod time;

pub use open::Open;
pub use time::IsoTime;
