//! The lines of an archive: types of their own, so that neither tables nor the wire are tied to them.
//!
//! What is optional and absent is left out. Instants are milliseconds since 1970. A field that is not known is
//! refused: a program that adds one counts up the version of the format.

mod channel;
mod file;
mod idempotency;
mod member;
mod message;
mod turn;
mod wake;

pub(crate) use channel::ChannelLine;
pub(crate) use file::{AttachmentLine, FileLine};
pub(crate) use idempotency::IdempotencyLine;
pub(crate) use member::{MemberLine, PresenceLine, ReadMarkerLine};
pub(crate) use message::{MessageLine, RevisionLine, SearchOrderLine};
pub(crate) use wake::OwedWakeLine;
