//! Turns that move without a message of their own: the two commands, silence, and members who go. The guild's
//! `/ack` tells of it, and wakes the next speaker (spec/2 section 7).

use super::writing::{After, NewMessage, append};
use super::{Access, Change, ChannelAggregate, Event, Moment, TurnRecord};
use crate::model::{Ack, AckCause, Active, Author, CommandOutcome, Message, PostOutcome, Refusal, UserId};
use crate::rules::command::Command;
use crate::rules::turn::{Effect, Input};

/// `/no-reply` or `/force-proceed` by a participant; where they name a `turn`, only while it is the current one.
pub fn command(
    access: Access<'_>,
    command: Command,
    turn: Option<u64>,
    moment: &Moment,
) -> Result<Change, Refusal> {
    access.require_participant()?;
    access.channel.require_turn()?;
    access.channel.require_open()?;
    carry_out(access.channel, command, turn, access.user, moment)
}

/// A command by somebody who may give it, in an open channel.
pub(super) fn carry_out(
    channel: &ChannelAggregate,
    command: Command,
    turn: Option<u64>,
    by: &UserId,
    moment: &Moment,
) -> Result<Change, Refusal> {
    let record = channel.require_turn()?;
    let input = match command {
        Command::NoReply => Input::NoReply { by: by.clone(), turn },
        Command::ForceProceed => Input::ForceProceed { by: by.clone(), turn },
    };
    let (next, effect) = record.after(&input, channel.channel.settings, moment);
    let (change, outcome) = match effect {
        Effect::Rejected(reason) => (Change::default(), CommandOutcome::Rejected { reason }),
        Effect::Moved | Effect::Stayed => {
            let (change, ack) =
                acknowledge(channel, next, Ack { cause: command.into(), by: by.clone() }, moment);
            (change, CommandOutcome::Accepted { ack: Box::new(ack) })
        }
    };
    Ok(Change { outcome: Some(PostOutcome::Command(outcome)), ..change })
}

/// A turn whose deadline has passed acts like the speaker's `/no-reply`; any other is left alone.
pub fn expire(channel: &ChannelAggregate, moment: &Moment) -> Change {
    let Some(turn) = &channel.turn else { return Change::default() };
    let is_due = turn.deadline.is_some_and(|deadline| deadline <= moment.now);
    let (Some(speaker), true, false) = (turn.state.active(), is_due, channel.channel.closed) else {
        return Change::default();
    };
    skip(channel, turn, Ack { cause: AckCause::Timeout, by: speaker.clone() }, moment)
}

/// This speaker, for whom nobody waits any more, is passed over, if it is still their turn. In a closed channel it
/// stays theirs, as it does not lapse there either.
pub fn pass_over(channel: &ChannelAggregate, speaker: &UserId, moment: &Moment) -> Change {
    match &channel.turn {
        Some(turn) if turn.state.active() == Some(speaker) && !channel.channel.closed => {
            skip(channel, turn, Ack { cause: AckCause::Inactive, by: speaker.clone() }, moment)
        }
        _ => Change::default(),
    }
}

/// The turn acts like its speaker's `/no-reply`.
fn skip(channel: &ChannelAggregate, turn: &TurnRecord, ack: Ack, moment: &Moment) -> Change {
    let input = Input::Timeout { turn: turn.state.turn() };
    let (next, _) = turn.after(&input, channel.channel.settings, moment);
    acknowledge(channel, next, ack, moment).0
}

/// Applies an input about a member to the turn, if there is one. Where it hands the turn to somebody, the guild's
/// `/ack` wakes them: no message of anybody's would.
pub(super) fn move_turn(
    channel: &ChannelAggregate,
    input: &Input,
    ack: Option<Ack>,
    moment: &Moment,
) -> Change {
    let Some(before) = &channel.turn else { return Change::default() };
    let (turn, effect) = before.after(input, channel.channel.settings, moment);
    if turn == *before {
        return Change::default();
    }
    let hands_over = effect == Effect::Moved && !turn.state.is_idle() && !channel.channel.closed;
    match ack.filter(|_| hands_over) {
        Some(ack) => acknowledge(channel, turn, ack, moment).0,
        None => {
            Change { turn: Some(turn.clone()), events: vec![Event::TurnUpdated(turn)], ..Change::default() }
        }
    }
}

/// The guild posts `/ack`.
pub(super) fn acknowledge(
    channel: &ChannelAggregate,
    turn: TurnRecord,
    ack: Ack,
    moment: &Moment,
) -> (Change, Message) {
    let new = NewMessage {
        author: &Author::System { wakeup: None },
        content: "/ack",
        mentions: Vec::new(),
        summons: false,
        attachments: Vec::new(),
        reply_to: None,
        ack: Some(ack),
    };
    // Whoever forces the turn on takes the conversation in hand.
    let agent_run = match &new.ack {
        Some(Ack { cause: AckCause::ForceProceed, .. }) => 0,
        _ => channel.channel.agent_run,
    };
    append(
        channel,
        new,
        After { agent_run, turn: Some(turn), admin: None, active: &Active::default() },
        moment,
    )
}
