//! Finding messages by their words.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{ChannelId, Message, MessageId, UserId};
use crate::rules::search::Query;

/// Who searches: finds only what they may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Reads public channels and those that they are a member of.
    pub user: UserId,
    /// Reads every `triage` besides, as the admin does.
    pub reads_triage: bool,
}

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The words.
    pub query: Query,
    /// Who asks.
    pub reader: Reader,
    /// Only in this channel.
    pub channel: Option<ChannelId>,
    /// Only what this user wrote.
    pub author: Option<UserId>,
    /// Only what is older than this message, which may be one that the reader cannot see, or a tombstone.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
}

/// The index of words. What a store writes is found from the moment when it is acknowledged, an edit by its new
/// words only, and a deleted message not at all.
#[async_trait]
pub trait SearchStore: Send + Sync {
    /// The messages whose [document](crate::rules::search::document) the query finds, in channels that the reader
    /// reads now, the newest first. `None` when [`Search::before`] is no message that could ever be found.
    ///
    /// Newest means stored last. The order of two messages never changes, so whoever goes on `before` the last
    /// message of a page sees every message that was there at the beginning once, whatever is posted meanwhile.
    async fn search(&self, search: &Search) -> Result<Option<Vec<Message>>, StoreError>;
}
