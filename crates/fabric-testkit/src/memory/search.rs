//! Searching by looking at everything.

use async_trait::async_trait;
use fabric_domain::model::{ChannelType, Message};
use fabric_domain::ports::{Reader, Search, SearchStore, StoreError};
use fabric_domain::rules::search::document;

use super::{MemoryStore, State, StoredChannel};

impl StoredChannel {
    fn is_read_by(&self, reader: &Reader) -> bool {
        self.channel.is_public
            || self.members.contains(&reader.user)
            || (reader.reads_triage && self.channel.channel_type == ChannelType::Triage)
    }
}

impl State {
    /// All messages that can be found by anything, the newest first.
    fn newest_first(&self) -> impl Iterator<Item = (&StoredChannel, &Message, String)> {
        self.posted.iter().rev().filter_map(|(channel, id)| {
            let stored = self.find(channel)?;
            let message = stored.messages.iter().find(|message| message.id == *id)?;
            Some((stored, message, document(message)?))
        })
    }
}

#[async_trait]
impl SearchStore for MemoryStore {
    async fn search(&self, search: &Search) -> Result<Option<Vec<Message>>, StoreError> {
        let Search { query, reader, channel, author, before, limit } = search;
        let state = self.state.lock().await;
        let mut all = state.newest_first();
        if let Some(before) = before
            && !all.any(|(_, message, _)| message.id == *before)
        {
            return Ok(None);
        }
        let found = all.filter(|(stored, message, document)| {
            stored.is_read_by(reader)
                && channel.as_ref().is_none_or(|channel| message.channel_id == *channel)
                && author.as_ref().is_none_or(|author| message.author == *author)
                && query.finds(document)
        });
        Ok(Some(found.map(|(_, message, _)| message.clone()).take(*limit as usize).collect()))
    }
}
