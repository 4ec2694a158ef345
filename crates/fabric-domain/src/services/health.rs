//! The node itself: what time it is here, and whether everything that posting needs is there.

use super::Guild;
use crate::model::Timestamp;

/// What the guild depends on, and whether it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The store.
    pub store: bool,
    /// Center, or what is remembered of its answers.
    pub center: bool,
}

impl Health {
    /// Whether everything answers.
    pub fn is_ready(self) -> bool {
        self.store && self.center
    }
}

impl Guild {
    /// Whether what posting needs answers now.
    pub async fn health(&self) -> Health {
        Health {
            store: self.ports.store.ping().await.is_ok(),
            center: self.ports.center.members().await.is_ok(),
        }
    }

    /// The time by the guild's clock.
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }
}
