//! Messages and what posting one leads to.

use serde::{Deserialize, Serialize};

use super::{Attachment, ChannelId, GuildId, MessageId, Seq, Timestamp, UserId};

/// A stored message. Whether it woke anybody is not part of it (spec/2 section 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `UUIDv7`.
    pub id: MessageId,
    /// The channel it stands in.
    pub channel_id: ChannelId,
    /// The guild of that channel.
    pub guild_id: GuildId,
    /// Its place in the channel.
    pub seq: Seq,
    /// Who wrote it; [`UserId::system`] for the guild itself.
    pub author: UserId,
    /// The text, after names were translated. Empty once deleted.
    pub content: String,
    /// Mentioned ids as parsed, in first-seen order; members or not.
    pub mentions: Vec<UserId>,
    /// Attached files as they were when it was posted, in that order. None once deleted.
    // Answers that were kept before there were files have none.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// The message this one answers, in the same channel.
    pub reply_to: Option<MessageId>,
    /// When it was committed.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted; it stays as a tombstone, so seq has no gaps.
    pub deleted_at: Option<Timestamp>,
    /// Set on the system's answer to an accepted command.
    pub ack: Option<Ack>,
}

/// What a system `/ack` message answers (spec/2 section 7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// What moved the turn.
    pub cause: AckCause,
    /// Who did it.
    pub by: UserId,
}

/// What moved the turn without a message of its own. The `/ack` that tells of it wakes the next speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AckCause {
    /// The active speaker passed.
    #[serde(rename = "/no-reply")]
    NoReply,
    /// Somebody moved the turn on.
    #[serde(rename = "/force-proceed")]
    ForceProceed,
    /// The active speaker was silent until the turn's deadline (spec/2 section 9).
    #[serde(rename = "timeout")]
    Timeout,
    /// The active speaker is no longer a member; without this their successor would never be woken.
    #[serde(rename = "member_left")]
    MemberLeft,
    /// The active speaker left the rotation.
    #[serde(rename = "moved_to_bypass")]
    MovedToBypass,
    /// The channel was reopened while it was somebody's turn: they may not have been woken yet, or their answer was
    /// refused.
    #[serde(rename = "reopened")]
    Reopened,
    /// Center no longer knows the active speaker as active: nobody waits for them.
    #[serde(rename = "inactive")]
    Inactive,
}

/// A former text of an edited or deleted message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The text before the edit or the deletion.
    pub content: String,
    /// When it was replaced.
    pub replaced_at: Timestamp,
}

/// Why a command was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// `/no-reply` by somebody who is not the active speaker.
    NotCurrentSpeaker,
    /// `/force-proceed` in an idle channel whose order has nobody but the caller.
    NobodyToProceedTo,
    /// The turn that the command names is no longer the current one.
    TurnOver,
}

impl Rejection {
    /// The stable code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotCurrentSpeaker => "not_current_speaker",
            Self::NobodyToProceedTo => "nobody_to_proceed_to",
            Self::TurnOver => "turn_over",
        }
    }
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandOutcome {
    /// It took effect; the system's `/ack` message says so to everybody.
    Accepted {
        /// The `/ack`.
        ack: Box<Message>,
    },
    /// It had no effect.
    Rejected {
        /// Why.
        reason: Rejection,
    },
}

/// The answer to a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostOutcome {
    /// Stored as a message.
    Message(Box<Message>),
    /// Intercepted as a command.
    Command(CommandOutcome),
}
