//! The events of a guild's sockets (spec/4).

use std::collections::HashMap;

use fabric_domain::model::{ChannelId, ChannelType, MessageId, PresenceStatus, Seq, UserId, WakeReason};
use serde::{Deserialize, Serialize};

use crate::fields::{Fields, FromFields};
use crate::guild::{Message, PostMessage, TurnCommand, TurnView};
use crate::{IsoTime, Open};

/// The Socket.IO namespace.
pub const NAMESPACE: &str = "/realtime";

/// Event names.
pub mod event {
    /// Client: take part in a channel. Ack: [`super::JoinAck`].
    pub const JOIN_CHANNEL: &str = "join_channel";
    /// Client: take part in many channels, or in all of one's own. Ack: [`super::JoinedChannels`].
    pub const JOIN_CHANNELS: &str = "join_channels";
    /// Client: stop taking part.
    pub const LEAVE_CHANNEL: &str = "leave_channel";
    /// Client and server: somebody types.
    pub const TYPING: &str = "typing";
    /// Client and server: somebody's presence.
    pub const PRESENCE: &str = "presence";
    /// Client: post a message. Ack: the answer of the REST route.
    pub const MESSAGE_POST: &str = "message.post";
    /// Client: the caller has nothing to say in their turn. Ack: the answer of the REST route.
    pub const TURN_PASS: &str = "turn.pass";
    /// Client: move the turn on. Ack: the answer of the REST route.
    pub const TURN_FORCE_PROCEED: &str = "turn.force_proceed";
    /// Client: a fresh token for a connected socket.
    pub const SESSION_REFRESH: &str = "session.refresh";
    /// Server: the token is about to end.
    pub const SESSION_EXPIRING: &str = "session.expiring";
    /// Server: a message.
    pub const MESSAGE_CREATED: &str = "message.created";
    /// Server: an edited message.
    pub const MESSAGE_UPDATED: &str = "message.updated";
    /// Server: a deleted message.
    pub const MESSAGE_DELETED: &str = "message.deleted";
    /// Server: you became a member.
    pub const CHANNEL_JOINED: &str = "channel.joined";
    /// Server: you are no longer a member.
    pub const CHANNEL_LEFT: &str = "channel.left";
    /// Server: the channel's row changed.
    pub const CHANNEL_UPDATED: &str = "channel.updated";
    /// Server: the turn moved.
    pub const TURN_UPDATED: &str = "turn.updated";
}

/// `message.created`: the message as one recipient gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageCreated {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// Its channel's type.
    #[serde(rename = "xType")]
    pub channel_type: Open<ChannelType>,
    /// Whether you are woken.
    pub wakeup: bool,
    /// Why; `null` when not woken.
    pub wake: Option<Wake>,
}

/// Why somebody is woken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wake {
    /// The rule.
    pub reason: Open<WakeReason>,
    /// The turn it is, where members speak in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// When that turn lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<IsoTime>,
    /// Consecutive messages by agents up to and including this one; 0 for a human's.
    pub hop: u32,
    /// How many more of them may wake anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_left: Option<u32>,
}

impl From<fabric_domain::model::Wake> for Wake {
    fn from(wake: fabric_domain::model::Wake) -> Self {
        let fabric_domain::model::Wake { reason, turn_number, deadline, hop, budget_left } = wake;
        Self { reason: reason.into(), turn: turn_number, deadline: deadline.map(IsoTime), hop, budget_left }
    }
}

/// `message.deleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageDeleted {
    /// Its channel.
    pub channel_id: ChannelId,
    /// Its id.
    pub id: MessageId,
    /// Its place.
    pub seq: Seq,
    /// When.
    pub deleted_at: Option<IsoTime>,
}

impl From<fabric_domain::model::Message> for MessageDeleted {
    fn from(message: fabric_domain::model::Message) -> Self {
        Self {
            channel_id: message.channel_id,
            id: message.id,
            seq: message.seq,
            deleted_at: message.deleted_at.map(IsoTime),
        }
    }
}

/// `channel.joined` and `channel.left`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MembershipChanged {
    /// The channel.
    pub channel_id: ChannelId,
    /// Whose membership.
    pub user_id: UserId,
    /// The channel's type.
    #[serde(rename = "xType")]
    pub channel_type: Open<ChannelType>,
    /// When.
    pub occurred_at: IsoTime,
}

/// `join_channel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinChannel {
    /// The channel.
    pub channel_id: ChannelId,
    /// The last seq that the client has: what came after it follows at once, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_seq: Option<Seq>,
}

impl FromFields for JoinChannel {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let channel_id = fields.required_text("channelId", UserId::MAX_CHARS);
        let since_seq = fields.number("sinceSeq", u64::from(u32::MAX)).map(Seq);
        Some(Self { channel_id: channel_id?.into(), since_seq })
    }
}

/// `join_channels`: many channels at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinChannels {
    /// These, [`Self::MOST`] at most.
    These(Vec<JoinChannel>),
    /// Every channel of which the user is a member.
    All(JoinAll),
}

impl JoinChannels {
    /// The most channels that are named.
    pub const MOST: usize = 1_000;
}

impl FromFields for JoinChannels {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let all = fields.flag("all").unwrap_or_default();
        let these = fields.objects("channels", Self::MOST, JoinChannel::from_fields);
        match (all, these) {
            (true, None) => JoinAll::from_fields(fields).map(Self::All),
            (false, Some(these)) => Some(Self::These(these)),
            (true, Some(_)) => {
                fields.complain("channels", "says the same as \"all\": give one of them");
                None
            }
            (false, None) => {
                if !fields.is_bad("channels") {
                    fields.complain("channels", "is required, or \"all\": true");
                }
                None
            }
        }
    }
}

/// To join all of one's channels: by `join_channels`, or while connecting (`auth.join` = `all`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoinAll {
    /// The last seq of each channel that the client has: what came after it follows.
    pub since_seq: HashMap<ChannelId, Seq>,
}

impl FromFields for JoinAll {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let since = fields.numbers("sinceSeq", u64::from(u32::MAX)).unwrap_or_default();
        let since_seq = since.into_iter().map(|(channel, seq)| (channel.into(), Seq(seq))).collect();
        Some(Self { since_seq })
    }
}

/// What CONNECT's `auth` says of channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectJoin(pub Option<JoinAll>);

impl FromFields for ConnectJoin {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        match fields.text("join").as_deref() {
            Some("all") => JoinAll::from_fields(fields).map(|all| Self(Some(all))),
            Some(_) => {
                fields.complain("join", "must be \"all\"");
                None
            }
            None => Some(Self(None)),
        }
    }
}

/// The ack of `join_channels`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinedChannels {
    /// Always true: what became of each channel is in the results.
    pub ok: bool,
    /// One for each channel, in the order in which they were named.
    pub results: Vec<JoinedChannel>,
}

/// What became of one channel of `join_channels`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinedChannel {
    /// The channel.
    pub channel_id: ChannelId,
    /// As the ack of `join_channel`.
    #[serde(flatten)]
    pub ack: JoinAck,
}

/// The ack of `join_channel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinAck {
    /// Whether it worked.
    pub ok: bool,
    /// Seq of the channel's newest message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<Seq>,
    /// The turn, where members speak in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnView>,
    /// A stable code, when it did not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `leave_channel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaveChannel {
    /// The channel.
    pub channel_id: ChannelId,
}

impl FromFields for LeaveChannel {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        fields.required_text("channelId", UserId::MAX_CHARS).map(|id| Self { channel_id: id.into() })
    }
}

/// `message.post`: the body of the REST route, and the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SocketPost {
    /// The channel.
    pub channel_id: ChannelId,
    /// As the `Idempotency-Key` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The message.
    #[serde(flatten)]
    pub message: PostMessage,
}

impl FromFields for SocketPost {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let channel_id = fields.required_text("channelId", UserId::MAX_CHARS);
        let idempotency_key = fields.text("idempotencyKey");
        let message = PostMessage::from_fields(fields);
        Some(Self { channel_id: channel_id?.into(), idempotency_key, message: message? })
    }
}

/// `turn.pass` and `turn.force_proceed`: the body of the REST route, and the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SocketTurnCommand {
    /// The channel.
    pub channel_id: ChannelId,
    /// As the `Idempotency-Key` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Which turn, and why.
    #[serde(flatten)]
    pub command: TurnCommand,
}

impl FromFields for SocketTurnCommand {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let channel_id = fields.required_text("channelId", UserId::MAX_CHARS);
        let idempotency_key = fields.text("idempotencyKey");
        let command = TurnCommand::from_fields(fields);
        Some(Self { channel_id: channel_id?.into(), idempotency_key, command: command? })
    }
}

/// `typing`, from a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetTyping {
    /// Where.
    pub channel_id: ChannelId,
    /// Whether they type now.
    pub typing: bool,
}

impl FromFields for SetTyping {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let channel_id = fields.required_text("channelId", UserId::MAX_CHARS);
        let typing = fields.flag("typing").unwrap_or(true);
        Some(Self { channel_id: channel_id?.into(), typing })
    }
}

/// `typing`, from the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Typing {
    /// Where.
    pub channel_id: ChannelId,
    /// Who.
    pub user_id: UserId,
    /// Whether they type now.
    pub typing: bool,
}

/// `presence`, from the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresenceChanged {
    /// Who.
    pub user_id: UserId,
    /// What they last said of themselves.
    pub status: Open<PresenceStatus>,
    /// Whether they have a live socket.
    pub online: bool,
}

/// `session.refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefreshSession {
    /// A fresh guild access token of the same user.
    pub token: String,
}

impl FromFields for RefreshSession {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        fields.required_text("token", 16_384).map(|token| Self { token })
    }
}

/// `session.expiring`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionExpiring {
    /// When the token ends, and with it the socket.
    pub expires_at: IsoTime,
}
