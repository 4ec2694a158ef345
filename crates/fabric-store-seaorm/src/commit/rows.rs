//! Rows that the decisions of a batch want written, until they are, together.
//!
//! However many messages a batch posts, they are one statement; so are the wakes that are owed for them, the answers
//! that are kept, and the notes for the search; on `SQLite` all of them are one (`one_statement.rs`). A channel's row is
//! written once, as the last decision leaves it.

use fabric_domain::decisions::{Change, ChannelAggregate};
use fabric_domain::model::{
    Channel, ChannelId, IdempotencySlot, Message, MessageId, PendingWake, PostOutcome, Timestamp,
};
use fabric_domain::rules::search::is_findable;
use sea_orm::sea_query::Query;
use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, DbBackend, Insert, IntoActiveModel, QueryTrait as _, Statement, Value,
};

use super::one_statement::BatchRows;
use super::part::Part;
use crate::error::DatabaseError;
use crate::schema::convert::{self, to_column, to_json};
use crate::schema::entity::{channel, idempotency_key, message, owed_wake, turn_seats};
use crate::search;

/// Rows to be written.
#[derive(Default)]
pub(super) struct Rows {
    channels: Vec<ChannelRow>,
    /// Who sits where, by channel.
    seats: Vec<(ChannelId, String)>,
    messages: Vec<NewMessage>,
    answers: Vec<idempotency_key::ActiveModel>,
}

/// A message, and what is stored with it.
struct NewMessage {
    id: MessageId,
    row: message::ActiveModel,
    /// To whom its wake is owed.
    owed: Option<owed_wake::ActiveModel>,
    /// Whether the search is told of it.
    is_findable: bool,
}

/// What is to be written over a channel's row, which has the version `stored`.
struct ChannelRow {
    id: ChannelId,
    stored: i64,
    parts: Vec<(Part, Vec<Value>)>,
}

impl Rows {
    /// A channel as it is now, over the row with the version `stored`: its position, and what else has changed.
    pub(super) fn channel(
        &mut self,
        now: &ChannelAggregate,
        stored: u64,
        changed: Changed,
    ) -> Result<(), DatabaseError> {
        let mut parts = Vec::with_capacity(1);
        for part in Part::ALL {
            let is_written = match part {
                Part::Position => true,
                Part::Settings => changed.settings,
                Part::Turn => changed.turn,
            };
            if is_written {
                parts.push((part, part.values(now)?));
            }
        }
        self.channels.push(ChannelRow { id: now.channel.id.clone(), stored: to_column(stored), parts });
        if let Some(turn) = now.turn.as_ref().filter(|_| changed.seats) {
            self.seats.push((now.channel.id.clone(), to_json(turn.state.seats())?));
        }
        Ok(())
    }

    /// A new message, and to whom its wake is owed.
    pub(super) fn message(
        &mut self,
        message: &Message,
        pending: Option<&PendingWake>,
    ) -> Result<(), DatabaseError> {
        let Message { id, channel_id, seq, created_at, .. } = message;
        let owed = pending.map(|pending| convert::owed_wake_row(channel_id, *seq, pending, *created_at));
        self.messages.push(NewMessage {
            id: id.clone(),
            row: convert::message_row(message)?,
            owed: owed.transpose()?,
            is_findable: is_findable(message),
        });
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

    /// The statements that write them, channels first, which verifies and locks them; afterwards there are none. Each
    /// writes something, unless it is about a channel whose row has another version: on `SQLite`, where all is one
    /// statement, that fails.
    pub(super) fn take(&mut self, backend: DbBackend) -> Vec<Statement> {
        let rows = std::mem::take(self);
        if backend == DbBackend::Sqlite {
            rows.into_one().into_iter().collect()
        } else {
            rows.into_each(backend)
        }
    }

    fn into_one(self) -> Option<Statement> {
        let mut rows = BatchRows::default();
        for ChannelRow { id, stored, parts } in self.channels {
            for (part, values) in parts {
                rows.overwrite(part, id.as_str(), stored, values);
            }
        }
        self.seats.iter().for_each(|(id, seats)| rows.seats(id.as_str(), seats));
        for NewMessage { row, owed, is_findable, .. } in &self.messages {
            rows.message(row, owed.as_ref(), *is_findable);
        }
        self.answers.iter().for_each(|answer| rows.answer(answer));
        rows.into_statement()
    }

    fn into_each(self, backend: DbBackend) -> Vec<Statement> {
        let Self { channels, seats, messages, answers } = self;
        let updates = channels.into_iter().map(|channel| channel.update(backend));
        let seats = seats.into_iter().map(|(id, seats)| update_seats(backend, &id, seats));
        let (mut rows, mut owed_wakes, mut findable) =
            (Vec::with_capacity(messages.len()), Vec::new(), Vec::new());
        for NewMessage { id, row, owed, is_findable } in messages {
            rows.push(row);
            owed_wakes.extend(owed);
            findable.extend(is_findable.then_some(id));
        }
        let inserts = [insert(backend, rows), insert(backend, owed_wakes), insert(backend, answers)];
        let note = search::note(backend, findable.iter().map(MessageId::as_str));
        updates.chain(seats).chain(inserts.into_iter().flatten()).chain(note).collect()
    }
}

impl ChannelRow {
    fn update(self, backend: DbBackend) -> Statement {
        let mut update = Query::update();
        update
            .table(channel::Entity)
            .and_where(channel::Column::Id.eq(self.id.as_str()))
            .and_where(channel::Column::Version.eq(self.stored));
        for (part, values) in self.parts {
            for (column, value) in part.columns().iter().zip(values) {
                update.value(*column, value);
            }
        }
        backend.build(&update)
    }
}

fn update_seats(backend: DbBackend, id: &ChannelId, seats: String) -> Statement {
    let mut update = Query::update();
    update
        .table(turn_seats::Entity)
        .value(turn_seats::Column::Seats, seats)
        .and_where(turn_seats::Column::ChannelId.eq(id.as_str()));
    backend.build(&update)
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
    /// Who sits where in it.
    pub(super) seats: bool,
}

impl Changed {
    /// What a change does to a channel.
    pub(super) fn by(change: &Change, before: &ChannelAggregate) -> Self {
        let settings = change.channel.as_ref().is_some_and(|after| {
            let Channel { last_seq, version, agent_run, .. } = *after;
            *after != Channel { last_seq, version, agent_run, ..before.channel.clone() }
        });
        let turn = change.turn.as_ref().filter(|turn| Some(*turn) != before.turn.as_ref());
        let before = before.turn.as_ref().map(|turn| turn.state.seats());
        let seats = turn.is_some_and(|turn| Some(turn.state.seats()) != before);
        Self { settings, turn: turn.is_some(), seats }
    }

    /// This and that.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            settings: self.settings || other.settings,
            turn: self.turn || other.turn,
            seats: self.seats || other.seats,
        }
    }
}
