//! Searching.

use std::collections::HashMap;

use fabric_domain::model::{ChannelId, MessageId, Refusal, UserId};
use fabric_domain::rules::search::{Part, Query};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Message;
use crate::fields::{Fields, FromFields, read};

/// GET /search: what its query string says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    /// The words of `q`.
    pub query: Query,
    /// Only in this channel.
    pub channel_id: Option<ChannelId>,
    /// Only what this user wrote.
    pub author_user_id: Option<UserId>,
    /// Only what is older than this message.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
}

impl SearchQuery {
    /// How many hits there are where nobody says.
    pub const DEFAULT_LIMIT: u32 = 20;
    /// The most hits at once.
    pub const MAX_LIMIT: u32 = 100;

    /// Reads a query string; every bad field is named in the refusal.
    pub fn from_query(query: &HashMap<String, String>) -> Result<Self, Refusal> {
        read(&Value::Object(query.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect()))
    }
}

impl FromFields for SearchQuery {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let query = fields.required_text("q", usize::MAX).and_then(|text| {
            Query::parse(&text).map_err(|error| fields.complain("q", error.to_string())).ok()
        });
        let channel_id = fields.user("channelId").map(|id| ChannelId::new(id.as_str()));
        let author_user_id = fields.user("authorUserId");
        let before = fields.user("before").map(|id| MessageId::new(id.as_str()));
        let limit = fields.text("limit").map(|text| {
            let limit = text.parse().ok().filter(|limit| (1..=Self::MAX_LIMIT).contains(limit));
            if limit.is_none() {
                fields.complain("limit", format!("must be a whole number from 1 to {}", Self::MAX_LIMIT));
            }
            limit.unwrap_or_default()
        });
        let limit = limit.unwrap_or(Self::DEFAULT_LIMIT);
        Some(Self { query: query?, channel_id, author_user_id, before, limit })
    }
}

/// The answer to GET /search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchPage {
    /// The newest first.
    pub hits: Vec<SearchHit>,
    /// Whether there is more `before` the last one.
    pub has_more: bool,
}

/// A found message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    /// The channel it stands in.
    pub channel_id: ChannelId,
    /// The message.
    pub message: Message,
    /// Its text around the first of the words, in parts: at most about 200 characters, on one line.
    pub snippet: Vec<SnippetPart>,
}

/// A part of a snippet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnippetPart {
    /// Plain text: whoever shows it as HTML must escape it.
    pub text: String,
    /// Whether it is what was searched for.
    pub hit: bool,
}

impl From<Part> for SnippetPart {
    fn from(part: Part) -> Self {
        Self { text: part.text, hit: part.is_hit }
    }
}
