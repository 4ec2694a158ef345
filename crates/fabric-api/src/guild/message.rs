//! Messages on the wire.

use fabric_domain::model::{
    self, AckCause, ChannelId, CommandOutcome, FileId, GuildId, MessageId, PostOutcome, Rejection, Seq,
    UserId,
};
use serde::{Deserialize, Serialize};

use super::Attachment;
use crate::fields::{Fields, FromFields};
use crate::{IsoTime, Open};

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its channel.
    pub channel_id: ChannelId,
    /// Its guild.
    pub guild_id: GuildId,
    /// Its place in the channel.
    pub seq: Seq,
    /// Who wrote it; `00000000-0000-0000-0000-000000000000` for the guild itself.
    pub author_user_id: UserId,
    /// The text; empty once deleted.
    pub content: String,
    /// Mentioned ids, in first-seen order.
    pub mentions: Vec<UserId>,
    /// Attached files.
    pub attachments: Vec<Attachment>,
    /// The message this one answers.
    pub reply_to: Option<MessageId>,
    /// When it was posted.
    pub created_at: IsoTime,
    /// When it was last edited.
    pub edited_at: Option<IsoTime>,
    /// When it was deleted.
    pub deleted_at: Option<IsoTime>,
    /// Set on the guild's answer to an accepted command.
    pub ack: Option<Ack>,
}

/// What a `/ack` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ack {
    /// The command, or what else moved the turn.
    pub command: Open<AckCause>,
    /// Who gave it.
    pub by_user_id: UserId,
}

impl From<model::Message> for Message {
    fn from(message: model::Message) -> Self {
        Self {
            id: message.id,
            channel_id: message.channel_id,
            guild_id: message.guild_id,
            seq: message.seq,
            author_user_id: message.author,
            content: message.content,
            mentions: message.mentions,
            attachments: message.attachments.into_iter().map(Attachment::from).collect(),
            reply_to: message.reply_to,
            created_at: message.created_at.into(),
            edited_at: message.edited_at.map(IsoTime),
            deleted_at: message.deleted_at.map(IsoTime),
            ack: message.ack.map(|ack| Ack { command: ack.cause.into(), by_user_id: ack.by }),
        }
    }
}

/// POST /channels/:id/messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PostMessage {
    /// The text; may be empty where there are files.
    pub content: String,
    /// Files of the author's to attach, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachment_ids: Vec<FileId>,
    /// A message of the same channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The turn that it takes. Once that is over the message counts as a queue jump, so a late answer uses up
    /// nobody's place. Absent: whichever turn it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// Whom a system post is meant to wake; ignored from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wakeup_user_id: Option<UserId>,
}

impl PostMessage {
    /// Just a text.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }
}

impl FromFields for PostMessage {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let content = fields.text("content");
        let reply_to = fields.text_up_to("replyTo", UserId::MAX_CHARS).map(MessageId::from);
        let turn = fields.turn();
        let wakeup_user_id = fields.user("wakeupUserId");
        let attachment_ids: Vec<FileId> =
            fields.texts("attachmentIds").unwrap_or_default().into_iter().map(FileId::from).collect();
        if content.is_none() && !fields.is_bad("content") {
            // Files may speak for themselves.
            if !attachment_ids.is_empty() {
                return Some(Self { attachment_ids, reply_to, turn, wakeup_user_id, ..Self::default() });
            }
            fields.complain("content", "is required");
        }
        Some(Self { content: content?, attachment_ids, reply_to, turn, wakeup_user_id })
    }
}

/// PATCH /channels/:id/messages/:messageId.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EditMessage {
    /// The new text.
    pub content: String,
}

impl FromFields for EditMessage {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let content = fields.text("content");
        if content.is_none() && !fields.is_bad("content") {
            fields.complain("content", "is required");
        }
        // Whether it may be empty depends on the message.
        content.map(|content| Self { content })
    }
}

/// PUT /channels/:id/read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MarkRead {
    /// Everything up to here is read.
    pub seq: Seq,
}

impl FromFields for MarkRead {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let seq = fields.number("seq", u64::from(u32::MAX));
        if seq.is_none() && !fields.is_bad("seq") {
            fields.complain("seq", "is required");
        }
        Some(Self { seq: Seq(seq?) })
    }
}

/// The answer to a command, 202.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// Whether it took effect.
    pub accepted: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Open<Rejection>>,
    /// The guild's message that says so to everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<Message>,
}

impl From<CommandOutcome> for CommandAnswer {
    fn from(outcome: CommandOutcome) -> Self {
        match outcome {
            CommandOutcome::Accepted { ack } => {
                Self { accepted: true, reason: None, ack: Some((*ack).into()) }
            }
            CommandOutcome::Rejected { reason } => {
                Self { accepted: false, reason: Some(reason.into()), ack: None }
            }
        }
    }
}

/// The answer to a post: 201 with the message, or 202 for a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PostAnswer {
    /// An intercepted command.
    Command(Box<CommandAnswer>),
    /// A stored message.
    Message(Box<Message>),
}

impl From<PostOutcome> for PostAnswer {
    fn from(outcome: PostOutcome) -> Self {
        match outcome {
            PostOutcome::Message(message) => Self::Message(Box::new((*message).into())),
            PostOutcome::Command(outcome) => Self::Command(Box::new(outcome.into())),
        }
    }
}

/// GET /channels/:id/messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePage {
    /// Ascending by seq.
    pub messages: Vec<Message>,
    /// Where the page lies.
    pub page: PageInfo,
}

/// Where a page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    /// Seq of the page's first message; `null` when it is empty.
    pub seq_from: Option<Seq>,
    /// Seq of the page's last message; `null` when it is empty.
    pub seq_to: Option<Seq>,
    /// The most messages that were asked for.
    pub limit: u32,
    /// Seq of the channel's newest message.
    pub last_seq: Seq,
    /// The seq to ask for next, going forward.
    pub next_expected_seq: Seq,
    /// Whether the asked range has more in the direction of reading.
    pub has_more: bool,
}

/// A former text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The text before the edit.
    pub content: String,
    /// When it was replaced.
    pub replaced_at: IsoTime,
}

impl From<model::Revision> for Revision {
    fn from(revision: model::Revision) -> Self {
        Self { content: revision.content, replaced_at: revision.replaced_at.into() }
    }
}
