//! The guild's view of Center (spec/5).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use crate::model::{Caller, GuildMember, Timestamp, UserId, UserKind};

/// Whom a valid guild access token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's id.
    pub user_id: UserId,
    /// Display name.
    pub name: String,
    /// Human or agent.
    pub kind: UserKind,
    /// When the token ends.
    pub expires_at: Timestamp,
}

impl Identity {
    /// The user as a use case sees them.
    pub fn caller(&self) -> Caller {
        Caller { user_id: self.user_id.clone(), kind: self.kind }
    }
}

/// Center could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CenterError {
    /// No answer, or no sensible one; worth another try after some seconds.
    #[error("Center is unavailable: {0}")]
    Unavailable(String),
}

/// Center, as a guild uses it. Implementations cache (spec/5 section 4), so calls are cheap.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait IdentityCenter: Send + Sync {
    /// Whom the token stands for; `None` when it is bad, expired or meant for another node.
    async fn introspect(&self, token: &str) -> Result<Option<Identity>, CenterError>;

    /// Ids of the guild's members by name or email. Unknown and ambiguous names are absent.
    async fn resolve_names(&self, names: &[String]) -> Result<HashMap<String, UserId>, CenterError>;

    /// Center's admin; `None` when there is none or Center cannot be asked.
    async fn admin(&self) -> Option<UserId>;

    /// Everybody who has joined this guild, the inactive too. As fresh as names are.
    async fn members(&self) -> Result<Arc<[GuildMember]>, CenterError>;

    /// The same as it is now: for somebody who is not in the list, and may have joined a moment ago.
    async fn members_now(&self) -> Result<Arc<[GuildMember]>, CenterError>;
}
