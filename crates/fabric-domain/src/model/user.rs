//! Who writes and who reads.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::UserId;

/// What Center says of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserKind {
    /// A person, and whoever's kind Center does not tell (spec/2 section 9).
    #[default]
    Human,
    /// A user that signed in with an API key.
    Agent,
}

/// A guild user who asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Their id at Center.
    pub user_id: UserId,
    /// Human or agent.
    pub kind: UserKind,
}

/// Who writes a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// A participant.
    User(Caller),
    /// The guild itself, or a caller with the system key (spec/2 section 7).
    System {
        /// The user this post is meant to wake, if any.
        wakeup: Option<UserId>,
    },
}

impl Author {
    /// The id under which the message is stored.
    pub fn id(&self) -> UserId {
        match self {
            Self::User(caller) => caller.user_id.clone(),
            Self::System { .. } => UserId::system(),
        }
    }

    /// Whether this user wrote it.
    pub fn is(&self, user: &UserId) -> bool {
        matches!(self, Self::User(caller) if caller.user_id == *user)
    }
}

/// A user who has joined this guild, as Center lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildMember {
    /// Their id at Center.
    pub user_id: UserId,
    /// Display name; of one who is inactive the last one.
    pub name: String,
    /// Human or agent.
    pub kind: UserKind,
    /// Whether they may sign in. Who may not is neither woken nor waited for (spec/2 section 8).
    pub is_active: bool,
}

/// Who of the guild is active, as Center last said. By default nothing is known, and everybody counts as active.
#[derive(Debug, Clone, Default)]
pub struct Active(Option<Arc<Known>>);

#[derive(Debug)]
struct Known {
    active: HashSet<UserId>,
    inactive: Vec<UserId>,
}

impl Active {
    /// What Center's list says.
    pub fn new(members: &[GuildMember]) -> Self {
        let (active, inactive): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.is_active);
        let id = |member: &GuildMember| member.user_id.clone();
        let active = active.into_iter().map(id).collect();
        Self(Some(Arc::new(Known { active, inactive: inactive.into_iter().map(id).collect() })))
    }

    /// Whether this user is active.
    pub fn is_active(&self, user: &UserId) -> bool {
        self.0.as_ref().is_none_or(|known| known.active.contains(user))
    }

    /// Those who have joined the guild and are not active.
    pub fn inactive(&self) -> &[UserId] {
        self.0.as_ref().map_or(&[], |known| &known.inactive)
    }
}

/// What a user last said of themselves. Independent of having a live socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// Nothing to do.
    Idle,
    /// Working on a wake.
    OnCall,
    /// Not to be disturbed: skipped by `announce`.
    Busy,
    /// Out of budget.
    Exhausted,
    /// Gone.
    Offline,
    /// Never said.
    #[default]
    Unknown,
}

/// Not one of the presence states.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown presence status {0:?}")]
pub struct UnknownPresenceStatus(pub String);

impl PresenceStatus {
    /// Every state, in the order of the specification.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::OnCall, Self::Busy, Self::Exhausted, Self::Offline, Self::Unknown];

    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::OnCall => "on_call",
            Self::Busy => "busy",
            Self::Exhausted => "exhausted",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for PresenceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PresenceStatus {
    type Err = UnknownPresenceStatus;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or_else(|| UnknownPresenceStatus(name.to_owned()))
    }
}

/// A stored presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Whose it is.
    pub user_id: UserId,
    /// The state.
    pub status: PresenceStatus,
    /// What set it (a connector's name, for example); free text.
    pub source: Option<String>,
    /// When it was last written; `None` where there is no row.
    pub updated_at: Option<super::Timestamp>,
}
