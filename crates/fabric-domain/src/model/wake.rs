//! Wakes that are pending until a live socket has got them (spec/2 section 8).

use serde::{Deserialize, Serialize};

use super::{Seq, UserId, WakeReason};

/// The wake of one message, pending for each of its recipients until they have got it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingWake {
    /// Consecutive messages by agents up to and including this one.
    pub hop: u32,
    /// Who wrote it: not woken by it.
    pub author: UserId,
    /// Who is.
    #[serde(rename = "owed")]
    pub recipients: WakeRecipients,
}

/// Whom a message wakes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeRecipients {
    /// Every member but the author. A short word for what would be a long list in a large channel.
    Everybody(WakeReason),
    /// These.
    Users(Vec<(UserId, WakeReason)>),
}

impl PendingWake {
    /// Why this member is to be woken, if they are.
    pub fn reason_for(&self, user: &UserId) -> Option<WakeReason> {
        match &self.recipients {
            _ if *user == self.author => None,
            WakeRecipients::Everybody(reason) => Some(*reason),
            WakeRecipients::Users(users) => {
                users.iter().find(|(woken, _)| woken == user).map(|(_, reason)| *reason)
            }
        }
    }
}

/// A wake that one member has not got yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedWake {
    /// Of this message.
    pub seq: Seq,
    /// Why they are to be woken.
    pub reason: WakeReason,
    /// Consecutive messages by agents up to and including that one.
    pub hop: u32,
}
