//! Presence on the wire.

use fabric_domain::model::{PresenceStatus, UserId};
use serde::{Deserialize, Serialize};

use crate::fields::{Fields, FromFields};
use crate::{IsoTime, Open};

const STATUSES: &str = "idle, on_call, busy, exhausted, offline, unknown";

/// PUT /agents/:userId/presence, and the `presence` event of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetPresence {
    /// The state.
    pub status: PresenceStatus,
    /// What set it; free text of at most 80 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl FromFields for SetPresence {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let status = fields.required_name("status", STATUSES);
        let source = fields.text_up_to("source", 80);
        Some(Self { status: status?, source })
    }
}

/// A user's presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresenceRow {
    /// Who.
    pub user_id: UserId,
    /// The state; `unknown` when they never said.
    pub status: Open<PresenceStatus>,
    /// What set it.
    pub source: Option<String>,
    /// When.
    pub updated_at: Option<IsoTime>,
    /// Whether they have a live socket.
    pub online: bool,
}

impl PresenceRow {
    /// The stored presence, and whether the user has a live socket.
    pub fn new(presence: fabric_domain::model::Presence, online: bool) -> Self {
        Self {
            user_id: presence.user_id,
            status: presence.status.into(),
            source: presence.source,
            updated_at: presence.updated_at.map(IsoTime),
            online,
        }
    }
}
