//! How a message reaches its recipients: who is woken and why, who observes, who gets nothing.
//!
//! [`rules::delivery`](crate::rules::delivery) decides it.

use serde::{Deserialize, Serialize};

use super::{Timestamp, UserId};

/// Why somebody is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeReason {
    /// The rotation came to them.
    Turn,
    /// They were mentioned.
    Mention,
    /// They are on duty in a `triage` channel.
    OnDuty,
    /// They listen in a `custom` channel.
    Listener,
    /// A `general` message that mentions no other member wakes everybody.
    General,
    /// A `dm` wakes everybody.
    Dm,
    /// A system post was meant for them.
    Targeted,
}

impl WakeReason {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Mention => "mention",
            Self::OnDuty => "on_duty",
            Self::Listener => "listener",
            Self::General => "general",
            Self::Dm => "dm",
            Self::Targeted => "targeted",
        }
    }
}

/// What a woken member is told besides the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// Why.
    pub reason: WakeReason,
    /// The number of the turn, where members speak in turn.
    pub turn_number: Option<u64>,
    /// When that turn lapses.
    pub deadline: Option<Timestamp>,
    /// Consecutive messages by agents up to and including this one; 0 for a human's.
    pub hop: u32,
    /// How many more of them may wake anybody; `None` where there is no budget.
    pub budget_left: Option<u32>,
}

/// How one recipient gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Sent with `wakeup: true`.
    Wake(WakeReason),
    /// Sent with `wakeup: false`.
    Observe,
    /// Not sent.
    Skip,
}

/// The decision for every recipient of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryPlan {
    /// Members, and the admin of a `triage` channel who is none. At most one entry a user.
    pub recipients: Vec<(UserId, Delivery)>,
    /// The admin who observes a `triage` without being a member: reached on every socket, since there is no
    /// membership by which they would have joined.
    pub outside_observer: Option<UserId>,
    /// Whether participants who are no members but have joined a public channel's room observe it.
    pub others_observe: bool,
    /// The number of the turn with which the active speaker is woken.
    pub turn_number: Option<u64>,
    /// When that turn lapses.
    pub deadline: Option<Timestamp>,
    /// Consecutive messages by agents up to and including this one; 0 for a human's.
    pub hop: u32,
    /// How many more of them may wake anybody; `None` where there is no budget.
    pub budget_left: Option<u32>,
}

impl DeliveryPlan {
    /// How this user gets the message; `None` for those who are neither members nor named.
    pub fn of(&self, user: &UserId) -> Option<Delivery> {
        self.recipients.iter().find(|(recipient, _)| recipient == user).map(|(_, delivery)| *delivery)
    }

    /// The wake of this message for this reason.
    pub fn wake(&self, reason: WakeReason) -> Wake {
        let Self { turn_number, deadline, hop, budget_left, .. } = *self;
        Wake { reason, turn_number, deadline, hop, budget_left }
    }

    /// Everybody who is woken.
    pub fn woken(&self) -> impl Iterator<Item = (&UserId, WakeReason)> {
        self.recipients.iter().filter_map(|(user, delivery)| match delivery {
            Delivery::Wake(reason) => Some((user, *reason)),
            Delivery::Observe | Delivery::Skip => None,
        })
    }
}
