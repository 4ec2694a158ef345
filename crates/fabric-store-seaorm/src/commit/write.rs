//! A write on its way: what is asked for, what it did, and what its caller is answered.

use std::sync::Arc;

use fabric_domain::decisions::{Change, Commit, NewChannel};
use fabric_domain::model::{ChannelId, File, Presence, Quota, Seq, Timestamp, UserId};
use fabric_domain::ports::{Decide, Scope, SettledWakes, UpdateError};

use crate::query::retention::Text;

/// A write that waits for its transaction. It may be tried more than once.
#[derive(Clone)]
pub(crate) enum Write {
    Create(Arc<NewChannel>),
    Update {
        scope: Arc<Scope>,
        decide: Decide,
        now: Timestamp,
    },
    MarkRead {
        channel: ChannelId,
        user: UserId,
        seq: Seq,
    },
    Presence(Arc<Presence>),
    SettleWakes(Arc<[SettledWakes]>),
    /// Forgets idempotency keys and owed wakes that have had their day.
    Sweep {
        keys_before: Timestamp,
        wakes_before: Timestamp,
    },
    /// Erases texts of deleted messages.
    Erase(Arc<[Text]>),
    /// Adds a file within a quota.
    AddFile {
        file: Arc<File>,
        quota: Quota,
    },
    /// Removes a file that nobody has attached meanwhile.
    RemoveFile(Arc<File>),
    /// Writes nothing: it is answered when everything before it, or of this channel, is published.
    Fence(Option<ChannelId>),
}

impl Write {
    /// The channel that it may have news of.
    pub(crate) fn news_of(&self) -> Option<&ChannelId> {
        match self {
            Self::Create(new) => Some(&new.channel.id),
            Self::Update { scope, .. } => Some(&scope.channel),
            _ => None,
        }
    }
}

/// What a write did, once it is committed.
#[derive(Default)]
pub(crate) struct Written {
    /// For updates: what was written.
    pub(crate) change: Option<Box<Change>>,
    /// What to publish.
    pub(crate) news: Option<News>,
}

impl Written {
    /// How many bytes of text were written.
    pub(crate) fn text_len(&self) -> usize {
        let Some(change) = &self.change else { return 0 };
        let texts = change.new_message.iter().chain(&change.updated_message);
        texts.map(|message| message.content.len()).sum()
    }
}

/// What a committed write has to tell.
pub(crate) enum News {
    Commit(Commit),
    Presence(Arc<Presence>),
}

/// What the caller of a write gets after its commit: for updates, what was changed.
pub(crate) type Answer = Result<Option<Box<Change>>, UpdateError>;

/// What became of a write inside its transaction, before it is published.
pub(crate) type Outcome = Result<Written, UpdateError>;
