//! Lines of `channels.jsonl`.

use fabric_domain::decisions::TurnRecord;
use fabric_domain::model::{
    AgentMentions, Channel, ChannelId, ChannelSettings, ChannelType, GuildId, Seq, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

use super::turn::TurnOfLine;

/// A line of `channels.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChannelLine {
    pub(crate) id: ChannelId,
    guild_id: GuildId,
    name: String,
    #[serde(rename = "xType")]
    channel_type: ChannelType,
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

impl ChannelLine {
    pub(crate) fn new(channel: Channel, turn: Option<&TurnRecord>) -> Self {
        // Named one by one, here and below, so that a new field cannot be forgotten.
        let Channel {
            id,
            guild_id,
            name,
            channel_type,
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
            channel_type,
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

    pub(crate) fn into_channel(self) -> Result<(Channel, Option<TurnRecord>), String> {
        let turn = self.turn.map(TurnOfLine::into_turn).transpose()?;
        let SettingsOfLine { turn_timeout_seconds, offline_grace_seconds, autonomy_budget, agent_mentions } =
            self.settings;
        let channel = Channel {
            id: self.id,
            guild_id: self.guild_id,
            name: self.name,
            channel_type: self.channel_type,
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
