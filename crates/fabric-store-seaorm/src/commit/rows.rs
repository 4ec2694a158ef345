//! Rows that the decisions of a batch want written, until they are, together.
//!
//! However many messages a batch posts, they are one statement; so are the wakes that are owed for them, the answers
//! that are kept, and the notes for the search. A channel's row is written once, as the last decision leaves it.

use fabric_domain::decisions::{Change, ChannelAggregate};
use fabric_domain::model::{
    Channel, IdempotencySlot, Message, MessageId, PendingWake, PostOutcome, Timestamp,
};
use fabric_domain::rules::search::is_findable;
use sea_orm::sea_query::{CaseStatement, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, DbBackend, Insert, IntoActiveModel, QueryTrait as _, Statement,
};

use crate::error::DatabaseError;
use crate::schema::convert::{self, to_column, to_json};
use crate::schema::entity::{channel, idempotency_key, message, owed_wake};
use crate::search;

/// Rows to be inserted.
#[derive(Default)]
pub(super) struct Rows {
    messages: Vec<message::ActiveModel>,
    owed_wakes: Vec<owed_wake::ActiveModel>,
    answers: Vec<idempotency_key::ActiveModel>,
    findable: Vec<MessageId>,
}

impl Rows {
    /// A new message, and what the search is told of it.
    pub(super) fn message(&mut self, message: &Message) -> Result<(), DatabaseError> {
        self.messages.push(convert::message_row(message)?);
        if is_findable(message) {
            self.findable.push(message.id.clone());
        }
        Ok(())
    }

    /// To whom a message's wake is owed.
    pub(super) fn owed_wake(
        &mut self,
        message: &Message,
        pending: &PendingWake,
    ) -> Result<(), DatabaseError> {
        let Message { channel_id, seq, created_at, .. } = message;
        self.owed_wakes.push(convert::owed_wake_row(channel_id, *seq, pending, *created_at)?);
        Ok(())
    }

    /// The answer to a request.
    pub(super) fn answer(
        &mut self,
        slot: &IdempotencySlot,
        outcome: &PostOutcome,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        self.answers.push(convert::idempotency_row(slot, outcome, now)?);
        Ok(())
    }

    /// The statements that insert them; afterwards there are none.
    pub(super) fn take(&mut self, backend: DbBackend) -> Vec<Statement> {
        let Self { messages, owed_wakes, answers, findable } = std::mem::take(self);
        let inserts = [insert(backend, messages), insert(backend, owed_wakes), insert(backend, answers)];
        let note = search::note(backend, findable.iter().map(MessageId::as_str));
        inserts.into_iter().flatten().chain(note).collect()
    }
}

fn insert<A>(backend: DbBackend, rows: Vec<A>) -> Option<Statement>
where
    A: ActiveModelTrait + IntoActiveModel<A>,
{
    (!rows.is_empty()).then(|| Insert::<A>::many(rows).build(backend))
}

/// What of a channel's row decisions have changed, beside what each of them changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// Name, purpose, settings, whether it is closed.
    pub(super) settings: bool,
    /// The turn and its deadline.
    pub(super) turn: bool,
}

impl Changed {
    /// What a change does to a channel.
    pub(super) fn by(change: &Change, before: &ChannelAggregate) -> Self {
        let settings = change.channel.as_ref().is_some_and(|after| {
            let Channel { last_seq, version, agent_run, .. } = *after;
            *after != Channel { last_seq, version, agent_run, ..before.channel.clone() }
        });
        Self { settings, turn: change.turn.is_some() && change.turn != before.turn }
    }

    /// This and that.
    pub(super) fn and(self, other: Self) -> Self {
        Self { settings: self.settings || other.settings, turn: self.turn || other.turn }
    }
}

/// Writes a channel's row as it is now over the one with the version `stored`. Over any other it does not: on `SQLite`
/// it fails, since nobody is told there how many rows it wrote (`Session::commit`); elsewhere it writes none.
pub(super) fn update(
    backend: DbBackend,
    now: &ChannelAggregate,
    stored: u64,
    changed: Changed,
) -> Result<Statement, DatabaseError> {
    let ChannelAggregate { channel, turn, .. } = now;
    let (stored, version) = (to_column(stored), to_column(channel.version));
    let mut update = Query::update();
    update
        .table(channel::Entity)
        .value(channel::Column::LastSeq, to_column(channel.last_seq.0))
        .value(channel::Column::AgentRun, i64::from(channel.agent_run))
        .and_where(channel::Column::Id.eq(channel.id.as_str()));
    if backend == DbBackend::Sqlite {
        // No version is none that the column may have.
        let version = CaseStatement::new().case(channel::Column::Version.eq(stored), version);
        update.value(channel::Column::Version, version);
    } else {
        update.value(channel::Column::Version, version).and_where(channel::Column::Version.eq(stored));
    }
    if changed.settings {
        update
            .value(channel::Column::Name, channel.name.as_str())
            .value(channel::Column::Purpose, channel.purpose.clone())
            .value(channel::Column::IsPublic, channel.is_public)
            .value(channel::Column::Closed, channel.closed)
            .value(channel::Column::Settings, to_json(&channel.settings)?);
    }
    if changed.turn {
        let deadline = turn.as_ref().and_then(|turn| turn.deadline);
        update
            .value(channel::Column::Turn, turn.as_ref().map(to_json).transpose()?)
            .value(channel::Column::TurnDeadline, deadline.map(|deadline| deadline.0));
    }
    Ok(backend.build(&update))
}
