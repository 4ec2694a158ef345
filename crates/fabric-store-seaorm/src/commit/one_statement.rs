//! All that a batch writes, as one statement: how `SQLite` is written to.
//!
//! The connection is a thread, and the driver wakes whoever waits for it once for the result of each statement. That
//! takes longer than the statements do. So the rows of all tables are inserted together into a view, and a trigger of
//! that view puts each where it belongs. View and trigger are the connection's own ([`definition`]); the database knows
//! nothing of them.
//!
//! | kind of a row | what becomes of it |
//! |---|---|
//! | a [`Part`] of a channel | it is written over that part of the channel's row, which must have the version that was decided on |
//! | the seats of a turn | they are written over those that are there |
//! | a message | it is inserted, and with it the wake that is owed for it, and its note for the search |
//! | an answer to a request | it is inserted |
//! | none | nothing |
//!
//! Rows of the last kind are there so that only a few different numbers of rows, and so of statements, are to be
//! prepared and kept.

use std::iter::repeat_n;

use sea_orm::{ActiveModelTrait, DbBackend, EntityTrait, IdenStatic, Iterable as _, Statement, Value};

use super::part::Part;
use crate::schema::entity::{channel, idempotency_key, message, owed_wake, turn_seats};
use crate::search;

/// The view.
const BATCH: &str = "batch";
/// Columns of the view beside the kind: as many as the kind with the most has.
const WIDTH: usize = 14;
/// The fewest rows of a statement.
const LEAST: usize = 2;
const NULL: Value = Value::String(None);

/// The rows of a statement.
#[derive(Default)]
pub(super) struct BatchRows {
    values: Vec<Value>,
    count: usize,
}

impl BatchRows {
    /// What is to be written over a part of the channel with this id, whose row has the version `stored`.
    pub(super) fn overwrite(&mut self, part: Part, id: &str, stored: i64, values: Vec<Value>) {
        self.push(part.name(), [id.into(), stored.into()].into_iter().chain(values));
    }

    /// The seats of a turn, after its channel.
    pub(super) fn seats(&mut self, id: &str, seats: &str) {
        self.push(table::<turn_seats::Entity>(), [id.into(), seats.into()]);
    }

    /// A new message, what is owed for it, and whether the search is told of it.
    pub(super) fn message(
        &mut self,
        message: &message::ActiveModel,
        owed: Option<&owed_wake::ActiveModel>,
        is_findable: bool,
    ) {
        let owed = owed.map_or(NULL, |owed| value(owed, owed_wake::Column::Owed));
        self.push(table::<message::Entity>(), values(message).chain([owed, is_findable.into()]));
    }

    /// An answer that is kept.
    pub(super) fn answer(&mut self, answer: &idempotency_key::ActiveModel) {
        self.push(table::<idempotency_key::Entity>(), values(answer));
    }

    fn push(&mut self, kind: &str, values: impl IntoIterator<Item = Value>) {
        self.values.push(kind.into());
        self.values.extend(values);
        self.count += 1;
        self.fill();
    }

    /// Fills the last rows up.
    fn fill(&mut self) {
        let missing = self.count * (1 + WIDTH) - self.values.len();
        self.values.extend(repeat_n(NULL, missing));
    }

    /// The statement; none when there are no rows.
    pub(super) fn into_statement(mut self) -> Option<Statement> {
        if self.count == 0 {
            return None;
        }
        self.count = self.count.next_power_of_two().max(LEAST);
        self.fill();
        let row = format!("(?{})", ", ?".repeat(WIDTH));
        let more = format!(", {row}").repeat(self.count - 1);
        // A failure ends the transaction, so that nothing need be remembered to undo only this.
        let text = format!("INSERT OR ROLLBACK INTO {BATCH} VALUES {row}{more}");
        Some(Statement::from_sql_and_values(DbBackend::Sqlite, text, self.values))
    }
}

fn values<A: ActiveModelTrait>(row: &A) -> impl Iterator<Item = Value> {
    <A::Entity as EntityTrait>::Column::iter().map(|column| value(row, column))
}

fn value<A: ActiveModelTrait>(row: &A, column: <A::Entity as EntityTrait>::Column) -> Value {
    row.get(column).into_value().unwrap_or(NULL)
}

/// What makes the view on a new connection.
pub(super) fn definition() -> String {
    let columns = (1..=WIDTH).map(|n| format!("v{n}")).collect::<Vec<_>>().join(", ");
    let nothing = ", NULL".repeat(WIDTH);
    let steps = [
        // First, so that nothing else is done for a channel that has moved on.
        Part::ALL.map(overwriting).concat(),
        seating(),
        inserting::<message::Entity>(),
        owing(),
        noting(),
        inserting::<idempotency_key::Entity>(),
    ];
    format!(
        "CREATE TEMP VIEW {BATCH} (kind, {columns}) AS SELECT NULL{nothing}; \
         CREATE TEMP TRIGGER {BATCH}_row INSTEAD OF INSERT ON {BATCH} BEGIN {} END",
        steps.concat()
    )
}

/// Writes over a part of a channel's row. Its position is written first, over the version that was decided on.
fn overwriting(part: Part) -> String {
    let (columns, kind) = (part.columns(), part.name());
    let (names, values) = (names(columns.iter().copied()), news(3, columns.len()));
    let table = table::<channel::Entity>();
    let update =
        format!("UPDATE {table} SET ({names}) = ({values}) WHERE NEW.kind = '{kind}' AND id = NEW.v1");
    if part != Part::Position {
        return format!("{update}; ");
    }
    format!("{update} AND version = NEW.v2; {}", refusing_to_miss(kind))
}

/// Fails where a row of this kind was to be written over another, and that is not there.
fn refusing_to_miss(kind: &str) -> String {
    format!("SELECT RAISE(ROLLBACK, 'stale') WHERE NEW.kind = '{kind}' AND changes() = 0; ")
}

/// Writes over the seats of a turn.
fn seating() -> String {
    let table = table::<turn_seats::Entity>();
    let update =
        format!("UPDATE {table} SET seats = NEW.v2 WHERE NEW.kind = '{table}' AND channel_id = NEW.v1");
    format!("{update}; {}", refusing_to_miss(table))
}

/// Inserts a row into its table.
fn inserting<E: EntityTrait>() -> String {
    let (table, names, values) = (table::<E>(), names(E::Column::iter()), news(1, E::Column::iter().count()));
    format!("INSERT INTO {table} ({names}) SELECT {values} WHERE NEW.kind = '{table}'; ")
}

/// Inserts the wake that is owed for a message, which has what else there is to it.
fn owing() -> String {
    use message::Column::{ChannelId, CreatedAt, Seq};
    let (messages, owed) = (table::<message::Entity>(), news(message::Column::iter().count() + 1, 1));
    let [channel, seq, created] = [ChannelId, Seq, CreatedAt].map(|column| {
        let before = message::Column::iter().take_while(|other| other.as_str() != column.as_str()).count();
        news(before + 1, 1)
    });
    format!(
        "INSERT INTO {} (channel_id, seq, created_at, owed) SELECT {channel}, {seq}, {created}, {owed} \
         WHERE NEW.kind = '{messages}' AND {owed} IS NOT NULL; ",
        table::<owed_wake::Entity>()
    )
}

/// Notes a message for the search.
fn noting() -> String {
    let (messages, findable) = (table::<message::Entity>(), news(message::Column::iter().count() + 2, 1));
    format!(
        "INSERT INTO search_tail (number, message_id) SELECT {}, NEW.v1 WHERE NEW.kind = '{messages}' AND {findable}; ",
        search::NEXT_NUMBER
    )
}

fn table<E: EntityTrait>() -> &'static str {
    E::default().table_name()
}

fn names(columns: impl Iterator<Item = impl IdenStatic>) -> String {
    columns.map(|column| format!("\"{}\"", column.as_str())).collect::<Vec<_>>().join(", ")
}

/// So many values of a row, from this one on.
fn news(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("NEW.v{n}")).collect::<Vec<_>>().join(", ")
}
