//! Turns: read, the two commands, and turns that lapse.

use std::sync::Arc;

use super::access::Access;
use super::messages::{self, RequestKey};
use super::{Guild, ServiceError};
use crate::decisions::{Change, ChannelAggregate, Event, Moment, TurnRecord};
use crate::model::{
    Ack, AckCause, Author, Caller, ChannelId, CommandOutcome, DeliveryPlan, Message, PostOutcome, Refusal,
    UserId,
};
use crate::ports::Scope;
use crate::rules::command::Command;
use crate::rules::delivery::{self, Delivered};
use crate::rules::turn::{Effect, Input};

impl Guild {
    pub(super) fn moment(&self) -> Moment {
        let now = self.ports.clock.now();
        Moment { now, seed: self.ports.entropy.seed(), message_id: self.ports.entropy.message_id(now) }
    }

    /// The turn of a channel that the caller may read.
    pub async fn turn(&self, caller: &Caller, id: &ChannelId) -> Result<TurnRecord, ServiceError> {
        self.readable(caller, id).await?.turn.ok_or(ServiceError::Refused(Refusal::NoTurns))
    }

    /// `/no-reply` and `/force-proceed` as plain calls: exactly the intercepted commands. The reason is for
    /// the log; with an idempotency key it is a part of what was asked.
    pub async fn command(
        &self,
        caller: &Caller,
        id: &ChannelId,
        command: Command,
        reason: Option<&str>,
        key: Option<RequestKey>,
    ) -> Result<CommandOutcome, ServiceError> {
        let scope = Scope {
            idempotency: key.map(|key| {
                let route = format!("POST /channels/{id}{}", command.as_str());
                key.slot(caller.user_id.clone(), route, reason.unwrap_or_default())
            }),
            ..Scope::channel(id)
        };
        let (slot, author, moment) = (scope.idempotency.clone(), Author::User(caller.clone()), self.moment());
        let admin = self.admin().await;
        let decide = move |agg: &ChannelAggregate| {
            if let Some(prior) = messages::prior(agg, slot.as_ref())? {
                return Ok(prior);
            }
            Access { channel: agg, user: &author.id(), admin: admin.as_ref() }.participate()?;
            if agg.turn.is_none() {
                return Err(Refusal::NoTurns);
            }
            messages::open(agg)?;
            decide_command(agg, command, &author, &moment)
        };
        match self.commit(scope, Arc::new(decide)).await?.outcome {
            Some(PostOutcome::Command(outcome)) => Ok(outcome),
            // An idempotency key belongs to one route, whose answers are commands.
            Some(PostOutcome::Message(_)) | None => Err(Refusal::IdempotencyKeyReused.into()),
        }
    }
}

impl Guild {
    /// Skips every active speaker whose deadline has passed, so that nobody blocks a room: to be called every
    /// second or so, on any number of replicas. A turn that has moved on meanwhile is left alone. Answers how
    /// many were skipped.
    pub async fn expire_turns(&self) -> Result<usize, ServiceError> {
        let mut skipped = 0;
        let mut failed = None;
        for channel in self.ports.store.due_turns(self.ports.clock.now()).await? {
            let moment = self.moment();
            let decide = move |agg: &ChannelAggregate| Ok(decide_timeout(agg, &moment));
            match self.commit(Scope::channel(&channel), Arc::new(decide)).await {
                Ok(change) => skipped += usize::from(change.turn.is_some()),
                // One channel that cannot be written must not keep the others waiting.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(skipped), Err)
    }
}

/// A turn whose deadline has passed acts like the speaker's /no-reply; any other is left alone.
fn decide_timeout(agg: &ChannelAggregate, moment: &Moment) -> Change {
    let Some(turn) = &agg.turn else { return Change::default() };
    let is_due = turn.deadline.is_some_and(|deadline| deadline <= moment.now);
    let (Some(speaker), true, false) = (turn.state.active(), is_due, agg.channel.closed) else {
        return Change::default();
    };
    let (next, _) = turn.after(&Input::Timeout { turn: turn.state.turn() }, agg.channel.settings, moment);
    acknowledge(agg, next, AckCause::Timeout, speaker, moment)
}

/// A command in an open channel with turns (spec/2 section 7).
pub(super) fn decide_command(
    agg: &ChannelAggregate,
    command: Command,
    author: &Author,
    moment: &Moment,
) -> Result<Change, Refusal> {
    let turn = agg.turn.as_ref().ok_or(Refusal::NoTurns)?;
    let by = author.id();
    let input = match command {
        Command::NoReply => Input::NoReply { by: by.clone() },
        Command::ForceProceed => Input::ForceProceed { by: by.clone() },
    };
    let (next, effect) = turn.after(&input, agg.channel.settings, moment);
    if let Effect::Rejected(reason) = effect {
        let outcome = PostOutcome::Command(CommandOutcome::Rejected { reason });
        return Ok(Change { outcome: Some(outcome), ..Change::default() });
    }
    let mut change = acknowledge(agg, next, command.into(), &by, moment);
    if let Some(ack) = &change.new_message {
        change.outcome = Some(PostOutcome::Command(CommandOutcome::Accepted { ack: Box::new(ack.clone()) }));
    }
    Ok(change)
}

/// The turn moved without a message of its own: the guild posts `/ack`, which wakes the next speaker.
pub(super) fn acknowledge(
    agg: &ChannelAggregate,
    mut turn: TurnRecord,
    cause: AckCause,
    by: &UserId,
    moment: &Moment,
) -> Change {
    let mut channel = agg.channel.clone();
    channel.last_seq = channel.last_seq.next();
    if cause == AckCause::ForceProceed {
        channel.agent_run = 0;
    }
    let message = Message {
        id: moment.message_id.clone(),
        channel_id: channel.id.clone(),
        guild_id: channel.guild_id.clone(),
        seq: channel.last_seq,
        author: UserId::system(),
        content: "/ack".to_owned(),
        mentions: Vec::new(),
        attachments: Vec::new(),
        reply_to: None,
        created_at: moment.now,
        edited_at: None,
        deleted_at: None,
        ack: Some(Ack { cause, by: by.clone() }),
    };
    let delivered = Delivered {
        x_type: channel.x_type,
        author: &Author::System { wakeup: None },
        mentions: &[],
        turn: Some(&turn.state),
        is_ack: true,
        admin: None,
    };
    let plan = plan(&delivered, agg, channel.agent_run, Some(&turn));
    turn.note_wake(&plan, message.seq);
    let created = Event::MessageCreated { message: message.clone(), x_type: channel.x_type, plan };
    Change {
        channel: Some(channel),
        turn: Some(turn.clone()),
        new_message: Some(message),
        events: vec![created, Event::TurnUpdated(turn)],
        ..Change::default()
    }
}

/// The delivery of one message to everybody.
pub(super) fn plan(
    delivered: &Delivered<'_>,
    agg: &ChannelAggregate,
    hop: u32,
    turn: Option<&TurnRecord>,
) -> DeliveryPlan {
    DeliveryPlan {
        hop,
        turn: turn.filter(|turn| !turn.state.is_idle()).map(|turn| turn.state.turn()),
        deadline: turn.and_then(|turn| turn.deadline),
        ..delivery::plan(delivered, &agg.members)
    }
}
