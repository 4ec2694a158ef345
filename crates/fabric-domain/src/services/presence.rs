//! Presence: what users say of themselves.

use super::{Guild, ServiceError};
use crate::model::{Caller, Presence, PresenceStatus, Refusal, UserId};

impl Guild {
    /// Writes the caller's own presence.
    pub async fn set_presence(
        &self,
        caller: &Caller,
        user: &UserId,
        status: PresenceStatus,
        source: Option<String>,
    ) -> Result<Presence, ServiceError> {
        if caller.user_id != *user {
            return Err(Refusal::NotYourPresence.into());
        }
        let presence =
            Presence { user_id: user.clone(), status, source, updated_at: Some(self.ports.clock.now()) };
        self.ports.store.set_presence(&presence).await?;
        Ok(presence)
    }

    /// A user's presence; `unknown` where they never said.
    pub async fn presence(&self, user: &UserId) -> Result<Presence, ServiceError> {
        let stored = self.ports.store.presence(user).await?;
        Ok(stored.unwrap_or_else(|| unknown(user)))
    }

    /// Everybody's presence: of those who ever said something, and of those who are connected.
    pub async fn presences(&self) -> Result<Vec<Presence>, ServiceError> {
        let mut presences = self.ports.store.presences().await?;
        for user in self.ports.connected.connected() {
            if !presences.iter().any(|presence| presence.user_id == user) {
                presences.push(unknown(&user));
            }
        }
        // Databases keep them in orders of their own.
        presences.sort_unstable_by(|one, other| one.user_id.cmp(&other.user_id));
        Ok(presences)
    }
}

fn unknown(user: &UserId) -> Presence {
    Presence { user_id: user.clone(), status: PresenceStatus::Unknown, source: None, updated_at: None }
}
