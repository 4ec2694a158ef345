//! A channel as a decision sees it, and as a list shows it.

use std::collections::BTreeSet;

use super::{Change, NewChannel, TurnRecord};
use crate::model::{Channel, ChannelType, File, Members, Message, PostOutcome, PriorAnswer, Refusal, UserId};

/// A channel as one write sees it: loaded under the store's lock, so the rules never see half a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelAggregate {
    /// The row.
    pub channel: Channel,
    /// All members.
    pub members: Members,
    /// Users who are busy, members or not; told only where the type asks for it (`announce`, spec/2 section 1).
    pub busy: BTreeSet<UserId>,
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
    /// The channel after a committed change that left it at this version: what the next write sees, but for what that
    /// one asks for besides ([`Self::busy`], [`Self::message`], [`Self::files`], [`Self::prior`]). Costs as much as the
    /// change has members.
    pub fn advance(&mut self, change: &Change, version: u64) {
        if let Some(channel) = &change.channel {
            self.channel.clone_from(channel);
        }
        self.channel.version = version;
        if change.turn.is_some() {
            self.turn.clone_from(&change.turn);
        }
        for user in &change.removed_members {
            self.members.remove(user);
        }
        self.members.extend(change.upserted_members.iter().cloned());
    }

    /// Whether this user is a member.
    pub fn is_member(&self, user: &UserId) -> bool {
        self.members.contains(user)
    }

    /// Whether this user takes part: a member, or anybody where the channel is public (spec/1 section 3).
    pub fn is_participant(&self, user: &UserId) -> bool {
        takes_part(&self.channel, self.is_member(user))
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

/// A channel that was just created.
impl From<NewChannel> for ChannelAggregate {
    fn from(new: NewChannel) -> Self {
        let NewChannel { channel, members, turn, events: _ } = new;
        Self { channel, members, busy: BTreeSet::new(), turn, message: None, files: Vec::new(), prior: None }
    }
}

/// A channel as one user comes to it: enough to say whether they may read, however many members it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelView {
    /// The row.
    pub channel: Channel,
    /// Its turn, where members speak in turn.
    pub turn: Option<TurnRecord>,
    /// Whether that user is a member.
    pub is_member: bool,
}

impl ChannelView {
    /// Whether that user takes part.
    pub fn is_participant(&self) -> bool {
        takes_part(&self.channel, self.is_member)
    }

    /// Refuses that user, who is Center's admin or not, where they may not read.
    pub fn require_reader(&self, is_admin: bool) -> Result<(), Refusal> {
        let may = may_read(&self.channel, self.is_member, is_admin);
        if may { Ok(()) } else { Err(Refusal::ChannelNotFound) }
    }
}

/// Members take part, and where the channel is public anybody does (spec/1 section 3).
fn takes_part(channel: &Channel, is_member: bool) -> bool {
    channel.is_public || is_member
}

/// Participants may read, and the admin where it is a `triage` (spec/2 section 1).
pub(super) fn may_read(channel: &Channel, is_member: bool, is_admin: bool) -> bool {
    takes_part(channel, is_member) || (is_admin && channel.channel_type == ChannelType::Triage)
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
