//! A channel as a decision sees it, and as a list shows it.

use super::TurnRecord;
use crate::model::{Channel, File, Member, Message, PostOutcome, PriorAnswer, Refusal, UserId};

/// A channel as one write sees it: loaded under the store's lock, so the rules never see half a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelAggregate {
    /// The row.
    pub channel: Channel,
    /// All members, in the order in which they came.
    pub members: Vec<Member>,
    /// Present exactly when [`ChannelType::has_turns`](crate::model::ChannelType::has_turns).
    pub turn: Option<TurnRecord>,
    /// The message that the write is about (edit, delete, reply), where it is one of this channel.
    pub message: Option<Message>,
    /// Of the files that the write wants to attach, those that there are.
    pub files: Vec<File>,
    /// The answer that was already given for the write's idempotency key.
    pub prior: Option<PriorAnswer>,
}

impl ChannelAggregate {
    /// Whether this user is a member.
    pub fn is_member(&self, user: &UserId) -> bool {
        self.members.iter().any(|member| member.user_id == *user)
    }

    /// Whether this user takes part: a member, or anybody where the channel is public (spec/1 section 3).
    pub fn is_participant(&self, user: &UserId) -> bool {
        self.channel.is_public || self.is_member(user)
    }

    /// Refuses what is not done in a closed channel.
    pub fn require_open(&self) -> Result<(), Refusal> {
        if self.channel.closed { Err(Refusal::ChannelClosed) } else { Ok(()) }
    }

    /// The turn; a refusal where members do not speak in turn.
    pub fn require_turn(&self) -> Result<&TurnRecord, Refusal> {
        self.turn.as_ref().ok_or(Refusal::NoTurns)
    }

    /// The message that the write is about; a refusal where there is none.
    pub fn require_message(&self) -> Result<&Message, Refusal> {
        self.message.as_ref().ok_or(Refusal::MessageNotFound)
    }

    /// The answer that was already given to the same request.
    pub fn prior_outcome(&self) -> Option<&PostOutcome> {
        self.prior.as_ref().map(|prior| &prior.outcome)
    }
}

/// A channel as a list shows it to one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSummary {
    /// The row.
    pub channel: Channel,
    /// How many members it has.
    pub member_count: u64,
    /// Whether the asking user is one.
    pub is_member: bool,
    /// Messages after the asking user's read marker.
    pub unread_count: u64,
    /// Its turn, where members speak in turn.
    pub turn: Option<TurnRecord>,
}
