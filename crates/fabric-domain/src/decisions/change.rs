//! What one write does: the data that a pure decision returns and a store applies.

use super::TurnRecord;
use crate::model::{
    Channel, ChannelId, ChannelType, DeliveryPlan, Member, Members, Message, PendingWake, PostOutcome,
    Revision, Timestamp, UserId,
};

/// What a decision wants written, in one transaction. The default writes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The channel's row after the change, without the version, which the store counts.
    pub channel: Option<Channel>,
    /// The turn after the change.
    pub turn: Option<TurnRecord>,
    /// New members, and members whose wake mapping changed; each once.
    pub upserted_members: Vec<Member>,
    /// Members that leave.
    pub removed_members: Vec<UserId>,
    /// A new message; its seq is the channel's next one.
    pub new_message: Option<Message>,
    /// The new message's wake, pending until its recipients have got it; `None` where the turn itself is what is
    /// pending.
    pub pending_wake: Option<PendingWake>,
    /// An edited or deleted message.
    pub updated_message: Option<Message>,
    /// The text that an edit or a deletion takes out of sight.
    pub revision: Option<Revision>,
    /// The answer to keep for the request's idempotency key.
    pub outcome: Option<PostOutcome>,
    /// What to tell everybody once it is committed.
    pub events: Vec<Event>,
}

impl Change {
    /// Whether anything but the answer is written.
    pub fn is_silent(&self) -> bool {
        let Self {
            channel,
            turn,
            upserted_members,
            removed_members,
            new_message,
            updated_message,
            revision,
            events,
            ..
        } = self;
        channel.is_none()
            && turn.is_none()
            && upserted_members.is_empty()
            && removed_members.is_empty()
            && new_message.is_none()
            && updated_message.is_none()
            && revision.is_none()
            && events.is_empty()
    }
}

/// A committed fact, to be told to those whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message, and who gets it how.
    MessageCreated {
        /// The message.
        message: Message,
        /// Its channel's type.
        channel_type: ChannelType,
        /// Who is woken, who observes, who gets nothing.
        plan: DeliveryPlan,
    },
    /// An edit.
    MessageUpdated(Message),
    /// A deletion; the tombstone.
    MessageDeleted(Message),
    /// The row changed (name, purpose, settings, closed).
    ChannelUpdated {
        /// The row.
        channel: Channel,
        /// How many members it has.
        member_count: u64,
    },
    /// Somebody became a member.
    MemberJoined {
        /// Who.
        user: UserId,
        /// The channel's type.
        channel_type: ChannelType,
        /// When.
        at: Timestamp,
    },
    /// Somebody is no longer a member.
    MemberLeft {
        /// Who.
        user: UserId,
        /// The channel's type.
        channel_type: ChannelType,
        /// When.
        at: Timestamp,
        /// Whether they may still read: leaving a public channel takes the membership, not the view.
        may_read: bool,
    },
    /// The turn moved, or its members changed.
    TurnUpdated(TurnRecord),
}

/// A channel to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChannel {
    /// The row, at version 1.
    pub channel: Channel,
    /// Its members, the creator among them.
    pub members: Members,
    /// Present exactly when the type has turns.
    pub turn: Option<TurnRecord>,
    /// What to publish once it is committed.
    pub events: Vec<Event>,
}

/// The events of one committed change. Per channel, versions are consecutive: whoever delivers can put
/// commits in order and notice a missing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The channel.
    pub channel_id: ChannelId,
    /// Its version after this change.
    pub version: u64,
    /// What happened, in order.
    pub events: Vec<Event>,
}
