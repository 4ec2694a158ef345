//! Time and randomness: parameters, so that tests can choose them.

use crate::model::{ChannelId, FileId, MessageId, Timestamp};
use crate::rules::turn::Seed;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The source of ids, and of the turn engine's seeds: what nobody can guess.
pub trait IdGenerator: Send + Sync {
    /// A new `UUIDv7` for a message created at `now`.
    fn message_id(&self, now: Timestamp) -> MessageId;
    /// A new `UUIDv7` for a channel created at `now`.
    fn channel_id(&self, now: Timestamp) -> ChannelId;
    /// A new `UUIDv7` for a file uploaded at `now`.
    fn file_id(&self, now: Timestamp) -> FileId;
    /// A seed for one step of the turn engine.
    fn turn_seed(&self) -> Seed;
}
