//! One more message at the end of a channel, by whomever: a participant, a system caller, or the guild itself.

use super::{Change, ChannelAggregate, Event, Moment, TurnRecord};
use crate::model::{Ack, Active, Attachment, Author, Channel, DeliveryPlan, Message, MessageId, UserId};
use crate::rules::delivery::{self, Delivered};

/// A message that is to be written.
pub(super) struct NewMessage<'a> {
    pub(super) author: &'a Author,
    pub(super) content: &'a str,
    /// Who is mentioned, for show.
    pub(super) mentions: Vec<UserId>,
    /// Whether its mentions summon, or are only words.
    pub(super) summons: bool,
    pub(super) attachments: Vec<Attachment>,
    pub(super) reply_to: Option<&'a MessageId>,
    pub(super) ack: Option<Ack>,
}

/// Where the message leaves the channel.
pub(super) struct After<'a> {
    /// Consecutive messages by agents, this one included.
    pub(super) agent_run: u32,
    /// The turn after what the message does to it.
    pub(super) turn: Option<TurnRecord>,
    /// Center's admin.
    pub(super) admin: Option<&'a UserId>,
    /// Who may be summoned and woken.
    pub(super) active: &'a Active,
}

/// Gives the message its seq, decides who gets it how, by the turn *after* it, and notes whom it wakes.
pub(super) fn append(
    before: &ChannelAggregate,
    new: NewMessage<'_>,
    after: After<'_>,
    moment: &Moment,
) -> (Change, Message) {
    let After { agent_run, mut turn, admin, active } = after;
    let channel = Channel { last_seq: before.channel.last_seq.next(), agent_run, ..before.channel.clone() };
    let message = Message {
        id: moment.message_id.clone(),
        channel_id: channel.id.clone(),
        guild_id: channel.guild_id.clone(),
        seq: channel.last_seq,
        author: new.author.id(),
        content: new.content.to_owned(),
        mentions: new.mentions,
        attachments: new.attachments,
        reply_to: new.reply_to.cloned(),
        created_at: moment.now,
        edited_at: None,
        deleted_at: None,
        ack: new.ack,
    };
    // Who is not active is as good as a stranger here.
    let summoned = message.mentions.iter().filter(|user| new.summons && active.is_active(user));
    let summoned: Vec<UserId> = summoned.cloned().collect();
    let delivered = Delivered {
        channel_type: channel.channel_type,
        author: new.author,
        mentions: &summoned,
        turn: turn.as_ref().map(|record| &record.state),
        is_ack: message.ack.is_some(),
        admin,
        members: &before.members,
        busy: &before.busy,
    };
    let running = turn.as_ref().filter(|record| !record.state.is_idle());
    let plan = DeliveryPlan {
        hop: agent_run,
        turn_number: running.map(|record| record.state.turn()),
        deadline: running.and_then(|record| record.deadline),
        ..delivery::plan(&delivered).without_wakes(active, &before.members)
    };
    if let Some(record) = &mut turn {
        record.note_wake(&plan, message.seq);
    }
    let pending_wake = delivery::pending_wake(channel.channel_type, &message.author, &plan, &before.members);
    let created =
        Event::MessageCreated { message: message.clone(), channel_type: channel.channel_type, plan };
    let moved = turn.clone().filter(|record| Some(record) != before.turn.as_ref()).map(Event::TurnUpdated);
    let change = Change {
        channel: Some(channel),
        turn,
        new_message: Some(message.clone()),
        pending_wake,
        events: std::iter::once(created).chain(moved).collect(),
        ..Change::default()
    };
    (change, message)
}
