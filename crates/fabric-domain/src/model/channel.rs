//! Channels, their settings and their members.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{ChannelId, GuildId, Seq, Timestamp, UserId};

/// The type of a channel: decides who is woken (spec/2 section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelType {
    /// Everybody is woken, or just the mentioned.
    General,
    /// Members speak in turn; meant for work.
    Work,
    /// Nobody is woken.
    Report,
    /// Members speak in turn.
    Discuss,
    /// The one on duty is woken.
    Triage,
    /// The listeners are woken.
    Custom,
    /// Everybody is woken, whatever is mentioned.
    Dm,
    /// Nobody is woken, the busy are left out.
    Announce,
}

/// Not one of the channel types.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown channel type {0:?}")]
pub struct UnknownChannelType(pub String);

impl ChannelType {
    /// Every type, in the order of the specification.
    pub const ALL: [Self; 8] = [
        Self::General,
        Self::Work,
        Self::Report,
        Self::Discuss,
        Self::Triage,
        Self::Custom,
        Self::Dm,
        Self::Announce,
    ];

    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Work => "work",
            Self::Report => "report",
            Self::Discuss => "discuss",
            Self::Triage => "triage",
            Self::Custom => "custom",
            Self::Dm => "dm",
            Self::Announce => "announce",
        }
    }

    /// Whether members of such a channel speak in turn (spec/2 section 3).
    pub fn has_turns(self) -> bool {
        matches!(self, Self::Discuss | Self::Work)
    }

    /// Whether such a channel has an explicit wake list (glossary: wake mapping).
    pub fn has_wake_mapping(self) -> bool {
        matches!(self, Self::Triage | Self::Custom)
    }
}

impl fmt::Display for ChannelType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ChannelType {
    type Err = UnknownChannelType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|t| t.as_str() == name).ok_or_else(|| UnknownChannelType(name.to_owned()))
    }
}

/// What an agent's mention does (spec/2 section 9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentMentions {
    /// It summons, as a person's does.
    #[default]
    Wake,
    /// It is only a word.
    Text,
}

/// Per-channel settings (spec/2 section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
// A setting that came later has its default in rows from before.
#[serde(rename_all = "camelCase", default)]
pub struct ChannelSettings {
    /// Seconds until a silent speaker is skipped; 0 = never.
    pub turn_timeout_seconds: u32,
    /// Seconds without a live socket until the speaker is skipped; 0 = never.
    pub offline_grace_seconds: u32,
    /// Consecutive messages by agents that may wake anybody; 0 = any number.
    pub autonomy_budget: u32,
    /// What an agent's mention does.
    pub agent_mentions: AgentMentions,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            turn_timeout_seconds: 900,
            offline_grace_seconds: 60,
            autonomy_budget: 60,
            agent_mentions: AgentMentions::Wake,
        }
    }
}

/// Settings to change; the others stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsPatch {
    /// Seconds until a silent speaker is skipped; 0 = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_timeout_seconds: Option<u32>,
    /// Seconds without a live socket until the speaker is skipped; 0 = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_grace_seconds: Option<u32>,
    /// Consecutive messages by agents that may wake anybody; 0 = any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autonomy_budget: Option<u32>,
    /// What an agent's mention does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_mentions: Option<AgentMentions>,
}

impl SettingsPatch {
    /// The settings with these changes.
    #[must_use]
    pub fn apply(self, to: ChannelSettings) -> ChannelSettings {
        ChannelSettings {
            turn_timeout_seconds: self.turn_timeout_seconds.unwrap_or(to.turn_timeout_seconds),
            offline_grace_seconds: self.offline_grace_seconds.unwrap_or(to.offline_grace_seconds),
            autonomy_budget: self.autonomy_budget.unwrap_or(to.autonomy_budget),
            agent_mentions: self.agent_mentions.unwrap_or(to.agent_mentions),
        }
    }
}

/// A channel's own row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// `UUIDv7`.
    pub id: ChannelId,
    /// The guild it belongs to.
    pub guild_id: GuildId,
    /// Display name, 1..=100 characters.
    pub name: String,
    /// Decides who is woken.
    pub channel_type: ChannelType,
    /// What the channel is for.
    pub purpose: Option<String>,
    /// Whether any guild user may read, write and join.
    pub is_public: bool,
    /// Closed channels are read-only.
    pub closed: bool,
    /// Seq of the newest message.
    pub last_seq: Seq,
    /// Who created it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Its settings.
    pub settings: ChannelSettings,
    /// Grows by one with every committed change; delivery is put in order by it.
    pub version: u64,
    /// Consecutive messages by agents since a human last wrote.
    pub agent_run: u32,
}
