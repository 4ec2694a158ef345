//! Turns: read, the two commands, and turns whose time is over.

use std::sync::Arc;

use super::{Guild, RequestKey, ServiceError};
use crate::decisions::{ChannelAggregate, Moment, TurnRecord, once, turns};
use crate::model::{Caller, ChannelId, CommandOutcome, PostOutcome, Refusal};
use crate::ports::Scope;
use crate::rules::command::Command;

/// What somebody says with a command. With an idempotency key it is a part of what was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandRequest {
    /// The turn that is meant; when it is no longer the current one the command is rejected (spec/2 section 7).
    pub turn: Option<u64>,
    /// Why, for the log.
    pub reason: Option<String>,
}

impl Guild {
    /// What the next write is decided by besides the channel.
    pub(super) fn moment(&self) -> Moment {
        let now = self.ports.clock.now();
        Moment { now, seed: self.ports.ids.turn_seed(), message_id: self.ports.ids.message_id(now) }
    }

    /// The turn of a channel that the caller may read.
    pub async fn turn(&self, caller: &Caller, id: &ChannelId) -> Result<TurnRecord, ServiceError> {
        self.readable(caller, id).await?.turn.ok_or(ServiceError::Refused(Refusal::NoTurns))
    }

    /// `/no-reply` and `/force-proceed` as plain calls: exactly the intercepted commands.
    pub async fn command(
        &self,
        caller: &Caller,
        id: &ChannelId,
        command: Command,
        asked: CommandRequest,
        key: Option<RequestKey>,
    ) -> Result<CommandOutcome, ServiceError> {
        let CommandRequest { turn, reason } = asked;
        let slot = key.map(|key| {
            let route = format!("POST /channels/{id}{}", command.as_str());
            // No reason has a NUL in it.
            let of_turn = turn.map(|turn| format!("\0{turn}")).unwrap_or_default();
            key.slot(caller.user_id.clone(), route, &(reason.unwrap_or_default() + &of_turn))
        });
        let scope = Scope { idempotency: slot.clone(), ..Scope::channel(id) };
        let moment = self.moment();
        let change = self.change(caller, scope, move |access| {
            once(access.channel, slot.as_ref(), || turns::command(access, command, turn, &moment))
        });
        match change.await?.outcome {
            Some(PostOutcome::Command(outcome)) => Ok(outcome),
            // An idempotency key belongs to one route, whose answers are commands.
            Some(PostOutcome::Message(_)) | None => Err(Refusal::IdempotencyKeyReused.into()),
        }
    }

    /// Skips every active speaker whose deadline has passed, so that nobody blocks a room: to be called every
    /// second or so, on any number of replicas. A turn that has moved on meanwhile is left alone. Answers how
    /// many were skipped.
    pub async fn expire_turns(&self) -> Result<usize, ServiceError> {
        let mut skipped = 0;
        let mut failed = None;
        for channel in self.ports.store.due_turns(self.ports.clock.now()).await? {
            let moment = self.moment();
            let decide = move |channel: &ChannelAggregate| Ok(turns::expire(channel, &moment));
            match self.commit(Scope::channel(&channel), Arc::new(decide)).await {
                Ok(change) => skipped += usize::from(change.turn.is_some()),
                // One channel that cannot be written must not keep the others waiting.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(skipped), Err)
    }
}
