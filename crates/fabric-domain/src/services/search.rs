//! Searching (spec/3 section 8).

use super::{Guild, ServiceError};
use crate::model::{Caller, ChannelId, Message, MessageId, Refusal, UserId};
use crate::ports::{Reader, Search, fitting};
use crate::rules::search::{Part, Query};

/// What somebody looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// The words.
    pub query: Query,
    /// Only in this channel.
    pub channel: Option<ChannelId>,
    /// Only what this user wrote.
    pub author: Option<UserId>,
    /// Only what is older than this message.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
}

/// A found message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The message.
    pub message: Message,
    /// Its text around the first of the words.
    pub snippet: Vec<Part>,
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hits {
    /// The newest first.
    pub hits: Vec<Hit>,
    /// Whether there is more before the last one.
    pub has_more: bool,
}

impl Guild {
    /// Messages with these words in the channels that the caller may read, the newest first.
    pub async fn search(&self, caller: &Caller, find: Find) -> Result<Hits, ServiceError> {
        let Find { query, channel, author, before, limit } = find;
        if let Some(channel) = &channel {
            self.readable(caller, channel).await?;
        }
        let reader = Reader {
            reads_triage: self.admin().await.as_ref() == Some(&caller.user_id),
            user: caller.user_id.clone(),
        };
        // One more tells whether there is more.
        let search = Search { query, reader, channel, author, before, limit: limit.saturating_add(1) };
        let Some(mut messages) = self.ports.store.search(&search).await? else {
            return Err(Refusal::field("before", "is no message").into());
        };
        // Whoever sends them holds them in memory, as a page of messages.
        let lengths = messages.iter().map(|message| message.content.len() as u64);
        let fitting = fitting(lengths.take(limit as usize));
        let has_more = messages.len() > fitting;
        messages.truncate(fitting);
        let hits = messages
            .into_iter()
            .map(|message| Hit { snippet: search.query.snippet(&message.content), message })
            .collect();
        Ok(Hits { hits, has_more })
    }
}
