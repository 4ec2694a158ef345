//! The store: the one write path and the reads (design/architecture.md).
//!
//! # Adding a backend
//!
//! Implement [`ChannelStore`], [`MessageStore`], [`PresenceStore`], [`FileStore`] and [`SearchStore`], and run
//! `fabric_testkit::store_contract_tests!` on it unchanged.

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use super::{FileStore, SearchStore};
use crate::decisions::{Change, ChannelAggregate, ChannelSummary, ChannelView, NewChannel};
use crate::model::IdempotencySlot;
use crate::model::{
    ChannelId, FileId, Message, MessageId, MissedWake, Presence, Refusal, Revision, Seq, Timestamp, UserId,
};

/// The store failed. Nothing was written; but see [`StoreError::Unavailable`].
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database could not be reached or refused; worth another try. Where it went away between being asked
    /// for a commit and answering, and stayed away for longer than anybody waits, the write may have happened:
    /// a retry with the same idempotency key tells.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// What is stored contradicts itself: a bug or a damaged database.
    #[error("inconsistent data: {0}")]
    Inconsistent(String),
}

/// Why an update did not happen.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// There is no such channel.
    #[error("no such channel")]
    NoSuchChannel,
    /// The decision refused.
    #[error(transparent)]
    Refused(Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an update needs to see besides the channel itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The channel.
    pub channel: ChannelId,
    /// A message that the decision is about.
    pub message: Option<MessageId>,
    /// Files that the decision may attach. They stay as the decision sees them until the write is over.
    pub files: Vec<FileId>,
    /// The request's idempotency key.
    pub idempotency: Option<IdempotencySlot>,
}

impl Scope {
    /// Only the channel.
    pub fn channel(id: &ChannelId) -> Self {
        Self { channel: id.clone(), message: None, files: Vec::new(), idempotency: None }
    }
}

/// A pure decision: sees the channel under the store's lock and says what to write. It may be called
/// again (after a conflict), and must then depend on nothing but its argument.
pub type Decide = Arc<dyn Fn(&ChannelAggregate) -> Result<Change, Refusal> + Send + Sync>;

/// A member has got their wakes of messages up to `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledWakes {
    /// In this channel.
    pub channel: ChannelId,
    /// The member.
    pub user: UserId,
    /// Up to this message.
    pub seq: Seq,
}

/// Inclusive bounds of a page by seq. Neither: the newest messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeqRange {
    /// From this seq on.
    pub from: Option<Seq>,
    /// Up to this seq.
    pub to: Option<Seq>,
}

/// Channels and the one write path.
///
/// What a caller may rely on: an `Ok` is durable; the decision saw the latest committed state and nobody
/// else's write came between; seq and version grow by one without gaps; an error wrote nothing (with the one
/// exception that [`StoreError::Unavailable`] tells of); the events of every committed change reach the
/// [`Publisher`](super::Publisher) after the commit, per channel in the order of versions, whether or not the
/// caller still waits.
#[async_trait]
pub trait ChannelStore: Send + Sync {
    /// Stores a new channel.
    async fn create(&self, new: NewChannel) -> Result<(), StoreError>;

    /// Everything that changes a channel: loads the aggregate under a lock, asks `decide`, writes what it
    /// says, commits, publishes. Answers what was written.
    async fn update(&self, scope: Scope, decide: Decide) -> Result<Change, UpdateError>;

    /// The channel as committed now.
    async fn load(&self, id: &ChannelId) -> Result<Option<ChannelAggregate>, StoreError>;

    /// The channel as committed now, as this user comes to it. Costs the same however many members it has.
    async fn view(&self, id: &ChannelId, user: &UserId) -> Result<Option<ChannelView>, StoreError>;

    /// Public channels and the user's own, closed ones too, by creation.
    async fn list(&self, user: &UserId) -> Result<Vec<ChannelSummary>, StoreError>;

    /// One channel as [`Self::list`] would show it, whether or not the user may see it.
    async fn summary(&self, id: &ChannelId, user: &UserId) -> Result<Option<ChannelSummary>, StoreError>;

    /// Open channels whose turn has a deadline that is not after `now`: the earliest ones, a hundred at most,
    /// those of the same moment by id.
    async fn due_turns(&self, now: Timestamp) -> Result<Vec<ChannelId>, StoreError>;

    /// Returns once everything that was committed to this channel before the call has been handed to the publisher.
    async fn published(&self, channel: &ChannelId) -> Result<(), StoreError>;

    /// The wakes that a member has missed, ascending by seq: those of [`Change::pending_wake`] that were not
    /// settled, without those from before the member's own newest message (spec/2 section 8).
    async fn missed_wakes(&self, id: &ChannelId, user: &UserId) -> Result<Vec<MissedWake>, StoreError>;

    /// Settles what live sockets have got. Settled seqs never move back; who is no member is left out.
    async fn settle_wakes(&self, settled: Vec<SettledWakes>) -> Result<(), StoreError>;

    /// Moves the user's read marker; never back.
    async fn mark_read(&self, id: &ChannelId, user: &UserId, seq: Seq) -> Result<(), StoreError>;
}

/// The texts of a page have so many bytes together at most, unless one alone has more: whoever sends it holds it in
/// memory for as long as its reader takes.
pub const PAGE_BYTES: u64 = 8 << 20;

/// How many messages a page takes whose texts have these lengths, in bytes: at least one.
pub fn fitting(lengths: impl IntoIterator<Item = u64>) -> usize {
    let mut sum = 0_u64;
    let fits = lengths.into_iter().take_while(|length| {
        let is_first = sum == 0;
        sum = sum.saturating_add((*length).max(1));
        is_first || sum <= PAGE_BYTES
    });
    fits.count()
}

/// Messages.
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// One message of a channel.
    async fn message(&self, channel: &ChannelId, id: &MessageId) -> Result<Option<Message>, StoreError>;

    /// At most `limit` messages, ascending by seq. With `from`, or both bounds: the first ones from there;
    /// with only `to`, or neither: the last ones up to there. Of long messages it is fewer ([`fitting`]).
    async fn page(
        &self,
        channel: &ChannelId,
        range: SeqRange,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError>;

    /// Former texts, oldest first; of a deleted message what is kept of it, its last text included.
    async fn revisions(&self, message: &MessageId) -> Result<Vec<Revision>, StoreError>;

    /// Erases for good what is kept of messages that were deleted no later than `until`: the texts of the
    /// earliest deletions first, [`ERASED_AT_ONCE`] at most. Answers how many texts that were.
    async fn erase_deleted(&self, until: Timestamp) -> Result<usize, StoreError>;
}

/// The most texts that [`MessageStore::erase_deleted`] erases in one go.
pub const ERASED_AT_ONCE: usize = 100;

/// Stored presence.
#[async_trait]
pub trait PresenceStore: Send + Sync {
    /// Writes a presence, and publishes it; two first writes at once both succeed.
    async fn set_presence(&self, presence: &Presence) -> Result<(), StoreError>;

    /// One user's presence.
    async fn presence(&self, user: &UserId) -> Result<Option<Presence>, StoreError>;

    /// Everybody's.
    async fn presences(&self) -> Result<Vec<Presence>, StoreError>;

    /// Answers when the database does.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// A complete store.
pub trait Store: ChannelStore + MessageStore + PresenceStore + FileStore + SearchStore {}

impl<T: ChannelStore + MessageStore + PresenceStore + FileStore + SearchStore> Store for T {}
