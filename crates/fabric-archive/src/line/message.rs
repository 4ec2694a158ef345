//! Lines about messages: as they are now, their order in a search, and their former texts.

use fabric_domain::model::{
    Ack, AckCause, ChannelId, GuildId, Message, MessageId, Revision, Seq, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

/// A line of `messages.jsonl`. Its guild is its channel's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MessageLine {
    pub(crate) channel_id: ChannelId,
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    author_user_id: UserId,
    content: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<MessageId>,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ack: Option<AckOfLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AckOfLine {
    command: AckCause,
    by_user_id: UserId,
}

impl MessageLine {
    pub(crate) fn new(message: Message) -> Self {
        let Message {
            id,
            channel_id,
            guild_id: _,
            seq,
            author,
            content,
            mentions,
            // They are in a part of their own.
            attachments: _,
            reply_to,
            created_at,
            edited_at,
            deleted_at,
            ack,
        } = message;
        let ack = ack.map(|Ack { cause, by }| AckOfLine { command: cause, by_user_id: by });
        Self {
            channel_id,
            seq,
            id,
            author_user_id: author,
            content,
            mentions,
            reply_to,
            created_at,
            edited_at,
            deleted_at,
            ack,
        }
    }

    pub(crate) fn into_message(self, guild_id: GuildId) -> Message {
        Message {
            id: self.id,
            channel_id: self.channel_id,
            guild_id,
            seq: self.seq,
            author: self.author_user_id,
            content: self.content,
            mentions: self.mentions,
            attachments: Vec::new(),
            reply_to: self.reply_to,
            created_at: self.created_at,
            edited_at: self.edited_at,
            deleted_at: self.deleted_at,
            ack: self.ack.map(|ack| Ack { cause: ack.command, by: ack.by_user_id }),
        }
    }
}

/// A line of `search-order.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SearchOrderLine {
    /// Where the message stands among all that can be found, in the order of storing.
    pub(crate) number: i64,
    pub(crate) message_id: MessageId,
}

/// A line of `revisions.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RevisionLine {
    pub(crate) message_id: MessageId,
    /// The oldest first. Those of a deleted message are erased in time, so numbers may be missing.
    pub(crate) number: u64,
    pub(crate) content: String,
    pub(crate) replaced_at: Timestamp,
    /// When its message was deleted: it is shown to nobody, and waits to be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deleted_at: Option<Timestamp>,
}

impl RevisionLine {
    pub(crate) fn new(
        message_id: MessageId,
        number: u64,
        revision: Revision,
        deleted_at: Option<Timestamp>,
    ) -> Self {
        let Revision { content, replaced_at } = revision;
        Self { message_id, number, content, replaced_at, deleted_at }
    }
}
