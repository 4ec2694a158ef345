//! The lines of an archive: types of their own, so that neither tables nor the wire are tied to them.
//!
//! What is optional and absent is left out. Instants are milliseconds since 1970. A field that is not known is
//! refused: a program that adds one counts up the version of the format.

use fabric_domain::decisions::TurnRecord;
use fabric_domain::model::IdempotencySlot;
use fabric_domain::model::{
    Ack, AckCause, AgentMentions, Attachment, Channel, ChannelId, ChannelSettings, CommandOutcome, Creditors,
    FileId, GuildId, Message, MessageId, PostOutcome, Presence, PresenceStatus, Rejection, Seq, Timestamp,
    UserId, WakeDebt, WakeReason, XType,
};
use fabric_domain::rules::turn::{RoundEvent, TurnState};
use serde::{Deserialize, Serialize};

use super::file_record::attachment;

/// A line of `channels.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChannelLine {
    pub(super) id: ChannelId,
    guild_id: GuildId,
    name: String,
    x_type: XType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    is_public: bool,
    closed: bool,
    last_seq: Seq,
    created_by: UserId,
    created_at: Timestamp,
    settings: SettingsOfLine,
    version: u64,
    agent_run: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<TurnOfLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingsOfLine {
    turn_timeout_seconds: u32,
    offline_grace_seconds: u32,
    autonomy_budget: u32,
    agent_mentions: AgentMentions,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TurnOfLine {
    order: Vec<UserId>,
    bypass: Vec<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<UserId>,
    round: Vec<RoundEvent>,
    pass_streak: u32,
    frames: Vec<FrameOfLine>,
    turn: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_seq: Option<Seq>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FrameOfLine {
    queue: Vec<UserId>,
    position: usize,
}

impl ChannelLine {
    pub(super) fn new(channel: Channel, turn: Option<&TurnRecord>) -> Self {
        // Named one by one, here and below, so that a new field cannot be forgotten.
        let Channel {
            id,
            guild_id,
            name,
            x_type,
            purpose,
            is_public,
            closed,
            last_seq,
            created_by,
            created_at,
            settings,
            version,
            agent_run,
        } = channel;
        let ChannelSettings { turn_timeout_seconds, offline_grace_seconds, autonomy_budget, agent_mentions } =
            settings;
        let settings =
            SettingsOfLine { turn_timeout_seconds, offline_grace_seconds, autonomy_budget, agent_mentions };
        let turn = turn.map(TurnOfLine::new);
        Self {
            id,
            guild_id,
            name,
            x_type,
            purpose,
            is_public,
            closed,
            last_seq,
            created_by,
            created_at,
            settings,
            version,
            agent_run,
            turn,
        }
    }

    pub(super) fn into_channel(self) -> Result<(Channel, Option<TurnRecord>), String> {
        let turn = self.turn.map(TurnOfLine::into_turn).transpose()?;
        let SettingsOfLine { turn_timeout_seconds, offline_grace_seconds, autonomy_budget, agent_mentions } =
            self.settings;
        let channel = Channel {
            id: self.id,
            guild_id: self.guild_id,
            name: self.name,
            x_type: self.x_type,
            purpose: self.purpose,
            is_public: self.is_public,
            closed: self.closed,
            last_seq: self.last_seq,
            created_by: self.created_by,
            created_at: self.created_at,
            settings: ChannelSettings {
                turn_timeout_seconds,
                offline_grace_seconds,
                autonomy_budget,
                agent_mentions,
            },
            version: self.version,
            agent_run: self.agent_run,
        };
        Ok((channel, turn))
    }
}

impl TurnOfLine {
    fn new(turn: &TurnRecord) -> Self {
        let TurnRecord { state, since, deadline, wake_seq } = turn;
        let frame = |frame: &fabric_domain::rules::turn::Frame| FrameOfLine {
            queue: frame.queue().to_vec(),
            position: frame.position(),
        };
        Self {
            order: state.order().to_vec(),
            bypass: state.bypass().to_vec(),
            cursor: state.cursor().cloned(),
            round: state.round().to_vec(),
            pass_streak: state.pass_streak(),
            frames: state.frames().iter().map(frame).collect(),
            turn: state.turn(),
            since: *since,
            deadline: *deadline,
            wake_seq: *wake_seq,
        }
    }

    fn into_turn(self) -> Result<TurnRecord, String> {
        let Self { since, deadline, wake_seq, .. } = self;
        // The engine checks what it is given before it believes it.
        let state = serde_json::json!({
            "order": self.order, "bypass": self.bypass, "cursor": self.cursor, "round": self.round,
            "passStreak": self.pass_streak, "frames": self.frames, "turn": self.turn,
        });
        let state: TurnState = serde_json::from_value(state).map_err(|error| error.to_string())?;
        Ok(TurnRecord { state, since, deadline, wake_seq })
    }
}

/// A line of `members.jsonl`. Members stand in the order in which they came.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MemberLine {
    pub(super) channel_id: ChannelId,
    pub(super) user_id: UserId,
    pub(super) wake_mapped: bool,
    /// Wakes of messages up to this one have reached them.
    pub(super) settled_seq: Seq,
}

/// A line of `messages.jsonl`. Its guild is its channel's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MessageLine {
    pub(super) channel_id: ChannelId,
    pub(super) seq: Seq,
    pub(super) id: MessageId,
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
    pub(super) fn new(message: Message) -> Self {
        let Message {
            id,
            channel_id,
            guild_id: _,
            seq,
            author,
            content,
            mentions,
            // They are a part of their own.
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

    pub(super) fn into_message(self, guild_id: GuildId) -> Message {
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
pub(super) struct SearchOrderLine {
    /// Where the message stands among all that can be found, in the order of storing.
    pub(super) number: i64,
    pub(super) message_id: MessageId,
}

/// A line of `revisions.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RevisionLine {
    pub(super) message_id: MessageId,
    /// The oldest first. Those of a deleted message are erased in time, so numbers may be missing.
    pub(super) number: u64,
    pub(super) content: String,
    pub(super) replaced_at: Timestamp,
    /// When its message was deleted: it is shown to nobody, and waits to be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deleted_at: Option<Timestamp>,
}

/// A line of `read-markers.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReadMarkerLine {
    pub(super) channel_id: ChannelId,
    pub(super) user_id: UserId,
    pub(super) seq: Seq,
}

/// A line of `presences.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PresenceLine {
    pub(super) user_id: UserId,
    status: PresenceStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    updated_at: Timestamp,
}

impl PresenceLine {
    pub(super) fn new(presence: Presence) -> Self {
        let Presence { user_id, status, source, updated_at } = presence;
        Self { user_id, status, source, updated_at: updated_at.unwrap_or_default() }
    }

    pub(super) fn into_presence(self) -> Presence {
        let Self { user_id, status, source, updated_at } = self;
        Presence { user_id, status, source, updated_at: Some(updated_at) }
    }
}

/// A line of `owed-wakes.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OwedWakeLine {
    pub(super) channel_id: ChannelId,
    pub(super) seq: Seq,
    hop: u32,
    author_user_id: UserId,
    owed: OwedOfLine,
    pub(super) created_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum OwedOfLine {
    Everybody(WakeReason),
    Users(Vec<(UserId, WakeReason)>),
}

impl OwedWakeLine {
    pub(super) fn new(channel_id: ChannelId, seq: Seq, debt: WakeDebt, created_at: Timestamp) -> Self {
        let WakeDebt { hop, author, owed } = debt;
        let owed = match owed {
            Creditors::Everybody(reason) => OwedOfLine::Everybody(reason),
            Creditors::Users(users) => OwedOfLine::Users(users),
        };
        Self { channel_id, seq, hop, author_user_id: author, owed, created_at }
    }

    pub(super) fn into_debt(self) -> WakeDebt {
        let owed = match self.owed {
            OwedOfLine::Everybody(reason) => Creditors::Everybody(reason),
            OwedOfLine::Users(users) => Creditors::Users(users),
        };
        WakeDebt { hop: self.hop, author: self.author_user_id, owed }
    }
}

/// A line of `idempotency-keys.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IdempotencyLine {
    pub(super) caller_user_id: UserId,
    pub(super) route: String,
    pub(super) key: String,
    pub(super) fingerprint: String,
    answer: AnswerOfLine,
    pub(super) created_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum AnswerOfLine {
    /// The message as it was then.
    Message(MessageOfAnswer),
    /// The `/ack` of an accepted command.
    Accepted(MessageOfAnswer),
    Rejected(Rejection),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MessageOfAnswer {
    guild_id: GuildId,
    message: MessageLine,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<KeptOfAnswer>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptOfAnswer {
    file_id: FileId,
    name: String,
    mime: String,
    size: u64,
}

impl MessageOfAnswer {
    fn new(message: Message) -> Self {
        let kept = |Attachment { id, name, mime, size }: &Attachment| KeptOfAnswer {
            file_id: id.clone(),
            name: name.as_str().to_owned(),
            mime: mime.as_str().to_owned(),
            size: *size,
        };
        let (guild_id, attachments) =
            (message.guild_id.clone(), message.attachments.iter().map(kept).collect());
        Self { guild_id, message: MessageLine::new(message), attachments }
    }

    fn into_message(self) -> Result<Box<Message>, String> {
        let kept = |kept: KeptOfAnswer| attachment(kept.file_id, kept.name, kept.mime, kept.size);
        let attachments = self.attachments.into_iter().map(kept).collect::<Result<_, _>>()?;
        Ok(Box::new(Message { attachments, ..self.message.into_message(self.guild_id) }))
    }
}

impl IdempotencyLine {
    pub(super) fn new(slot: IdempotencySlot, outcome: PostOutcome, created_at: Timestamp) -> Self {
        let IdempotencySlot { caller, route, key, fingerprint } = slot;
        let answer = match outcome {
            PostOutcome::Message(message) => AnswerOfLine::Message(MessageOfAnswer::new(*message)),
            PostOutcome::Command(CommandOutcome::Accepted { ack }) => {
                AnswerOfLine::Accepted(MessageOfAnswer::new(*ack))
            }
            PostOutcome::Command(CommandOutcome::Rejected { reason }) => AnswerOfLine::Rejected(reason),
        };
        Self { caller_user_id: caller, route, key, fingerprint, answer, created_at }
    }

    pub(super) fn into_answer(self) -> Result<(IdempotencySlot, PostOutcome), String> {
        let Self { caller_user_id: caller, route, key, fingerprint, answer, .. } = self;
        let outcome = match answer {
            AnswerOfLine::Message(message) => PostOutcome::Message(message.into_message()?),
            AnswerOfLine::Accepted(ack) => {
                PostOutcome::Command(CommandOutcome::Accepted { ack: ack.into_message()? })
            }
            AnswerOfLine::Rejected(reason) => PostOutcome::Command(CommandOutcome::Rejected { reason }),
        };
        Ok((IdempotencySlot { caller, route, key, fingerprint }, outcome))
    }
}
