//! A write on its way: what is asked for, what it did, and what its caller is answered.

use std::sync::Arc;

use fabric_domain::decisions::{Change, Commit, NewChannel};
use fabric_domain::model::{ChannelId, File, IdempotencySlot, Presence, Quota, Seq, Timestamp, UserId};
use fabric_domain::ports::{Decide, Scope, SettledWakes, UpdateError};

use crate::query::retention::Text;
use crate::search::Batch;

/// A write that waits for its transaction. It may be tried more than once.
#[derive(Clone)]
pub(crate) enum Write {
    /// Creates a channel.
    Create(Arc<NewChannel>),
    /// Changes a channel as the decision says.
    Update { scope: Arc<Scope>, decide: Decide, now: Timestamp },
    /// Moves a read marker forward.
    MarkRead { channel: ChannelId, user: UserId, seq: Seq },
    /// Replaces a presence.
    Presence(Arc<Presence>),
    /// Notes which wakes have arrived.
    SettleWakes(Arc<[SettledWakes]>),
    /// Deletes expired idempotency keys and owed wakes.
    Sweep { keys_before: Timestamp, wakes_before: Timestamp },
    /// Erases texts of deleted messages.
    Erase(Arc<[Text]>),
    /// Adds a file within a quota.
    AddFile { file: Arc<File>, quota: Quota },
    /// Removes a file, unless somebody has attached it meanwhile.
    RemoveFile(Arc<File>),
    /// Puts messages of the tail into the index for searching.
    Index(Batch),
    /// Writes nothing: it is answered when everything before it, or of this channel, is published.
    Fence(Option<ChannelId>),
}

impl Write {
    /// The channel whose commit it may publish.
    pub(crate) fn channel(&self) -> Option<&ChannelId> {
        match self {
            Self::Create(new) => Some(&new.channel.id),
            Self::Update { scope, .. } => Some(&scope.channel),
            _ => None,
        }
    }

    /// The idempotency key of its request.
    pub(crate) fn slot(&self) -> Option<&IdempotencySlot> {
        match self {
            Self::Update { scope, .. } => scope.idempotency.as_ref(),
            _ => None,
        }
    }
}

/// What a write did inside its transaction.
#[derive(Default)]
pub(crate) struct Written {
    /// For updates: what was written.
    pub(crate) change: Option<Box<Change>>,
    /// What to publish once it is committed.
    pub(crate) publication: Option<Publication>,
}

impl Written {
    /// How many bytes of text were written.
    pub(crate) fn text_len(&self) -> usize {
        let Some(change) = &self.change else { return 0 };
        let texts = change.new_message.iter().chain(&change.updated_message);
        texts.map(|message| message.content.len()).sum()
    }
}

/// What a committed write publishes.
pub(crate) enum Publication {
    Commit(Commit),
    Presence(Arc<Presence>),
}

/// What the caller of a write gets after its commit: for updates, what was changed.
pub(crate) type Answer = Result<Option<Box<Change>>, UpdateError>;

/// What became of a write inside its transaction, before it is published.
pub(crate) type Outcome = Result<Written, UpdateError>;
