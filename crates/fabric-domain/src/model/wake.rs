//! Wakes that are owed until a live socket has got them (spec/2 section 8).

use serde::{Deserialize, Serialize};

use super::{UserId, WakeReason};

/// To whom the wake of one message is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeDebt {
    /// Consecutive messages by agents up to and including this one.
    pub hop: u32,
    /// Who wrote it: owed nothing.
    pub author: UserId,
    /// Everybody else.
    pub owed: Creditors,
}

/// Those to whom a wake is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Creditors {
    /// Every member but the author. A short word for what would be a long list in a large channel.
    Everybody(WakeReason),
    /// These.
    Users(Vec<(UserId, WakeReason)>),
}

impl WakeDebt {
    /// Why this member is to be woken, if the wake is owed to them.
    pub fn to(&self, user: &UserId) -> Option<WakeReason> {
        match &self.owed {
            _ if *user == self.author => None,
            Creditors::Everybody(reason) => Some(*reason),
            Creditors::Users(users) => users.iter().find(|(owed, _)| owed == user).map(|(_, reason)| *reason),
        }
    }
}
