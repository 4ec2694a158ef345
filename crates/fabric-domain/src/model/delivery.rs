//! How a message reaches its recipients: who is woken and why, who observes, who gets nothing.
//!
//! [`rules::delivery`](crate::rules::delivery) decides it.

use serde::{Deserialize, Serialize};

use super::{Active, Members, Timestamp, UserId};

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

impl Delivery {
    /// Why it wakes, if it does.
    pub fn wakes(self) -> Option<WakeReason> {
        match self {
            Self::Wake(reason) => Some(reason),
            Self::Observe | Self::Skip => None,
        }
    }
}

/// The decision for every recipient of one message. Its size does not depend on how many members there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryPlan {
    /// How members get it who are no [exception](Self::exceptions).
    pub members: Delivery,
    /// Who gets it in another way: members, and the admin of a `triage` channel who is none. At most one entry a user.
    pub exceptions: Vec<(UserId, Delivery)>,
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
    /// The plan in which these members get the message like this, and everybody else as the type of channel says.
    pub fn new(members: Delivery, exceptions: Vec<(UserId, Delivery)>, others_observe: bool) -> Self {
        Self {
            members,
            exceptions,
            outside_observer: None,
            others_observe,
            turn_number: None,
            deadline: None,
            hop: 0,
            budget_left: None,
        }
    }

    /// The plan in which those who are not active are not woken: they observe, as others do.
    #[must_use]
    pub fn without_wakes(mut self, active: &Active, members: &Members) -> Self {
        for (user, delivery) in &mut self.exceptions {
            if delivery.wakes().is_some() && !active.is_active(user) {
                *delivery = Delivery::Observe;
            }
        }
        if self.members.wakes().is_some() {
            let listed = |user: &UserId| self.exceptions.iter().any(|(exception, _)| exception == user);
            let inactive = active.inactive().iter().filter(|user| members.contains(user) && !listed(user));
            let inactive: Vec<_> = inactive.map(|user| (user.clone(), Delivery::Observe)).collect();
            self.exceptions.extend(inactive);
        }
        self
    }

    /// How this user gets the message, who is a member or not.
    pub fn of(&self, user: &UserId, is_member: bool) -> Delivery {
        match self.exceptions.iter().find(|(exception, _)| exception == user) {
            Some((_, delivery)) => *delivery,
            None => self.of_others(is_member),
        }
    }

    /// How those get the message who are no [exception](Self::exceptions).
    pub fn of_others(&self, is_member: bool) -> Delivery {
        match (is_member, self.others_observe) {
            (true, _) => self.members,
            (false, true) => Delivery::Observe,
            (false, false) => Delivery::Skip,
        }
    }

    /// The wake of this message for this reason.
    pub fn wake(&self, reason: WakeReason) -> Wake {
        let Self { turn_number, deadline, hop, budget_left, .. } = *self;
        Wake { reason, turn_number, deadline, hop, budget_left }
    }

    /// Everybody of these members who is woken, in their order.
    pub fn woken<'a>(&self, members: &'a Members) -> impl Iterator<Item = (&'a UserId, WakeReason)> {
        members.users().filter_map(|user| Some((user, self.of(user, true).wakes()?)))
    }
}
