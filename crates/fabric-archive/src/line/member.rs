//! Lines about users: as members of channels, what they have read, and their presence.

use fabric_domain::model::{ChannelId, Presence, PresenceStatus, Seq, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A line of `members.jsonl`. Members stand in the order in which they came.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MemberLine {
    pub(crate) channel_id: ChannelId,
    pub(crate) user_id: UserId,
    pub(crate) wake_mapped: bool,
    /// Wakes of messages up to this one have reached them.
    pub(crate) settled_seq: Seq,
}

/// A line of `read-markers.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReadMarkerLine {
    pub(crate) channel_id: ChannelId,
    pub(crate) user_id: UserId,
    pub(crate) seq: Seq,
}

/// A line of `presences.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PresenceLine {
    pub(crate) user_id: UserId,
    status: PresenceStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    updated_at: Timestamp,
}

impl PresenceLine {
    pub(crate) fn new(presence: Presence) -> Self {
        let Presence { user_id, status, source, updated_at } = presence;
        Self { user_id, status, source, updated_at: updated_at.unwrap_or_default() }
    }

    pub(crate) fn into_presence(self) -> Presence {
        let Self { user_id, status, source, updated_at } = self;
        Presence { user_id, status, source, updated_at: Some(updated_at) }
    }
}
