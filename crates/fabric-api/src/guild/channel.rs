//! Channels on the wire.

use fabric_domain::decisions::{ChannelSummary, TurnRecord};
use fabric_domain::model::{
    AgentMentions, Channel, ChannelId, ChannelSettings, ChannelType, GuildId, PresenceStatus, Seq,
    SettingsPatch, UserId,
};
use serde::{Deserialize, Serialize};

use crate::fields::{Fields, FromFields};
use crate::{IsoTime, Open};

/// The most characters of a channel's name.
pub const NAME_MAX_CHARS: usize = 100;
/// The most characters of a channel's purpose.
pub const PURPOSE_MAX_CHARS: usize = 2_000;
/// The largest time-out: 30 days, in seconds.
const MAX_SECONDS: u64 = 30 * 24 * 3_600;
const CHANNEL_TYPES: &str = "general, work, report, discuss, triage, custom, dm, announce";

/// A channel as a list shows it to one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelRow {
    /// The channel's id.
    pub id: ChannelId,
    /// Its guild.
    pub guild_id: GuildId,
    /// Display name.
    pub name: String,
    /// Decides who is woken.
    #[serde(rename = "xType")]
    pub channel_type: Open<ChannelType>,
    /// `dm` for direct messages, `text` for everything else.
    pub kind: String,
    /// What the channel is for.
    pub purpose: Option<String>,
    /// Whether any guild user may read, write and join.
    pub is_public: bool,
    /// Closed channels are read-only.
    pub closed: bool,
    /// Seq of the newest message; 0 when there is none.
    pub last_seq: Seq,
    /// Who created it.
    pub created_by: UserId,
    /// When.
    pub created_at: IsoTime,
    /// How many members it has.
    pub member_count: u64,
    /// Whether the asking user is one. Absent in pushes, which go to many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_member: Option<bool>,
    /// Messages after the asking user's read marker. Absent in pushes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_count: Option<u64>,
    /// Whether somebody's turn it is. Absent where there are no turns, and in pushes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Open<ChannelState>>,
    /// Its settings.
    pub settings: Settings,
}

/// A channel's settings as they are read (spec/2 section 9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Seconds until a silent speaker is skipped; 0 = never.
    pub turn_timeout_seconds: u32,
    /// Seconds without a live socket until the speaker is skipped; 0 = never.
    pub offline_grace_seconds: u32,
    /// Consecutive messages by agents that may wake anybody; 0 = any number.
    pub autonomy_budget: u32,
    /// What an agent's mention does.
    pub agent_mentions: Open<AgentMentions>,
}

impl From<ChannelSettings> for Settings {
    fn from(settings: ChannelSettings) -> Self {
        let ChannelSettings { turn_timeout_seconds, offline_grace_seconds, autonomy_budget, agent_mentions } =
            settings;
        Self {
            turn_timeout_seconds,
            offline_grace_seconds,
            autonomy_budget,
            agent_mentions: agent_mentions.into(),
        }
    }
}

/// Whether somebody's turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChannelState {
    /// Somebody's.
    Active,
    /// Nobody's: the next message begins a round.
    Settled,
}

impl From<&TurnRecord> for ChannelState {
    fn from(turn: &TurnRecord) -> Self {
        if turn.state.is_idle() { Self::Settled } else { Self::Active }
    }
}

impl ChannelRow {
    /// The row as everybody may see it.
    pub fn shared(channel: Channel, member_count: u64) -> Self {
        Self {
            id: channel.id,
            guild_id: channel.guild_id,
            name: channel.name,
            channel_type: channel.channel_type.into(),
            kind: if channel.channel_type == ChannelType::Dm { "dm" } else { "text" }.to_owned(),
            purpose: channel.purpose,
            is_public: channel.is_public,
            closed: channel.closed,
            last_seq: channel.last_seq,
            created_by: channel.created_by,
            created_at: channel.created_at.into(),
            member_count,
            is_member: None,
            unread_count: None,
            state: None,
            settings: channel.settings.into(),
        }
    }
}

impl From<ChannelSummary> for ChannelRow {
    fn from(summary: ChannelSummary) -> Self {
        Self {
            is_member: Some(summary.is_member),
            unread_count: Some(summary.unread_count),
            state: summary.turn.as_ref().map(|turn| Open::Known(turn.into())),
            ..Self::shared(summary.channel, summary.member_count)
        }
    }
}

/// POST /channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateChannel {
    /// The guild; must be this node's.
    pub guild_id: GuildId,
    /// 1 to [`NAME_MAX_CHARS`] characters.
    pub name: String,
    /// Its type.
    #[serde(rename = "xType")]
    pub channel_type: ChannelType,
    /// Whether any guild user may read, write and join. A `dm` never is.
    pub is_public: bool,
    /// Members besides the creator, in speaking order.
    pub member_user_ids: Vec<UserId>,
    /// `triage`: who is woken; becomes a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_duty: Option<UserId>,
    /// `custom`: who is woken; they become members.
    pub listeners: Vec<UserId>,
    /// `discuss`, `work`: members outside the rotation; others in the list are ignored.
    pub bypass_user_ids: Vec<UserId>,
    /// At most [`PURPOSE_MAX_CHARS`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Settings that differ from the defaults.
    pub settings: SettingsPatch,
}

impl CreateChannel {
    /// A private channel with these members.
    pub fn new(
        guild_id: GuildId,
        name: impl Into<String>,
        channel_type: ChannelType,
        members: Vec<UserId>,
    ) -> Self {
        Self {
            guild_id,
            name: name.into(),
            channel_type,
            is_public: false,
            member_user_ids: members,
            on_duty: None,
            listeners: Vec::new(),
            bypass_user_ids: Vec::new(),
            purpose: None,
            settings: SettingsPatch::default(),
        }
    }
}

impl FromFields for CreateChannel {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        // Every field is read before any may end the reading: all bad ones are to be listed.
        let guild_id = fields.required_text("guildId", UserId::MAX_CHARS);
        let name = fields.required_label("name", NAME_MAX_CHARS);
        let channel_type = fields.required_name::<ChannelType>("xType", CHANNEL_TYPES);
        let is_public = fields.flag("isPublic").unwrap_or_default();
        let member_user_ids = fields.users("memberUserIds").unwrap_or_default();
        let on_duty = fields.user("onDuty");
        let listeners = fields.users("listeners").unwrap_or_default();
        let bypass_user_ids = fields.users("bypassUserIds").unwrap_or_default();
        let purpose =
            fields.text_up_to("purpose", PURPOSE_MAX_CHARS).filter(|purpose| !purpose.trim().is_empty());
        let settings = fields.object("settings", read_settings).unwrap_or_default();
        let (guild_id, name, channel_type) = (guild_id?.into(), name?, channel_type?);
        if channel_type == ChannelType::Dm && is_public {
            fields.complain("isPublic", "a dm is never public");
        }
        if channel_type != ChannelType::Triage && on_duty.is_some() {
            fields.complain("onDuty", "only triage channels have somebody on duty");
        }
        if channel_type != ChannelType::Custom && !listeners.is_empty() {
            fields.complain("listeners", "only custom channels have listeners");
        }
        if !channel_type.has_turns() && !bypass_user_ids.is_empty() {
            fields.complain("bypassUserIds", "only discuss and work channels have a bypass");
        }
        Some(Self {
            guild_id,
            name,
            channel_type,
            is_public,
            member_user_ids,
            on_duty,
            listeners,
            bypass_user_ids,
            purpose,
            settings,
        })
    }
}

fn read_settings(fields: &mut Fields<'_>) -> SettingsPatch {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    SettingsPatch {
        turn_timeout_seconds: fields.number("turnTimeoutSeconds", MAX_SECONDS).map(small),
        offline_grace_seconds: fields.number("offlineGraceSeconds", MAX_SECONDS).map(small),
        autonomy_budget: fields.number("autonomyBudget", 1_000_000).map(small),
        agent_mentions: fields.name::<MentionsName>("agentMentions", "wake, text").map(|name| name.0),
    }
}

struct MentionsName(AgentMentions);

impl std::str::FromStr for MentionsName {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "wake" => Ok(Self(AgentMentions::Wake)),
            "text" => Ok(Self(AgentMentions::Text)),
            _ => Err(()),
        }
    }
}

/// PATCH /channels/:id. Absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PatchChannel {
    /// The new name (creator or admin).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new purpose (any participant); empty clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Settings to change (creator or admin).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsPatch>,
}

impl FromFields for PatchChannel {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name =
            if fields.is_present("name") { fields.required_label("name", NAME_MAX_CHARS) } else { None };
        let mut purpose = fields.text_up_to("purpose", PURPOSE_MAX_CHARS);
        if purpose.is_none() && fields.is_present("purpose") {
            // An explicit null clears, as an empty text does.
            purpose = Some(String::new());
        }
        Some(Self { name, purpose, settings: fields.object("settings", read_settings) })
    }
}

/// A row of GET /channels/:id/members.
#[expect(clippy::struct_excessive_bools, reason = "the wire has them side by side")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberRow {
    /// Who.
    pub user_id: UserId,
    /// Display name; `null` when Center does not tell.
    pub name: Option<String>,
    /// Whether Center knows them as active. Who is not is neither woken nor waited for.
    #[serde(default = "yes")]
    pub active: bool,
    /// Outside the rotation.
    pub bypass: bool,
    /// Woken in this `triage` channel.
    pub on_duty: bool,
    /// Woken in this `custom` channel.
    pub listener: bool,
    /// What they last said of themselves.
    pub presence: Open<PresenceStatus>,
    /// Whether they have a live socket.
    pub online: bool,
}

fn yes() -> bool {
    true
}

/// POST /channels/:id/members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddMembers {
    /// Who becomes a member.
    pub user_ids: Vec<UserId>,
}

impl FromFields for AddMembers {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let user_ids = fields.required_users("userIds")?;
        if user_ids.is_empty() {
            fields.complain("userIds", "must not be empty");
        }
        Some(Self { user_ids })
    }
}

/// PUT /channels/:id/wake-mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetWakeMapping {
    /// The whole wake list; they become members.
    pub user_ids: Vec<UserId>,
}

impl FromFields for SetWakeMapping {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        fields.required_users("userIds").map(|user_ids| Self { user_ids })
    }
}

/// POST /channels/:id/bypass and /unbypass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetBypass {
    /// The member to move.
    pub user_id: UserId,
}

impl FromFields for SetBypass {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        fields.required_user("userId").map(|user_id| Self { user_id })
    }
}
