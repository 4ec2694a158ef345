//! Rows that wait for their statement.

use sea_orm::{ActiveModelTrait, DatabaseTransaction, DbErr, EntityTrait};

use crate::schema::entity::{
    attachment, channel, file, idempotency_key, member, message, owed_wake, presence, read_marker, revision,
    turn_seats,
};

/// The most rows of one statement. Databases limit the values of a statement; the lowest limit is 32,766.
pub(super) const ROWS: usize = 512;
/// A statement takes no further row once its texts have so many bytes: servers limit its size, by default to
/// 16 MB.
pub(super) const BYTES: usize = 1 << 20;

/// The rows of one table that wait.
#[derive(Debug)]
pub(super) struct Queue<A> {
    pub(super) rows: Vec<A>,
    /// Of their texts.
    pub(super) bytes: usize,
}

impl<A> Default for Queue<A> {
    fn default() -> Self {
        Self { rows: Vec::new(), bytes: 0 }
    }
}

impl<A> Queue<A> {
    /// Adds a row, whose texts have so many bytes. Gives all rows once they are enough for a statement.
    pub(super) fn push(&mut self, row: A, bytes: usize) -> Option<Self> {
        self.rows.push(row);
        self.bytes += bytes;
        let is_full = self.rows.len() >= ROWS || self.bytes >= BYTES;
        is_full.then(|| std::mem::take(self))
    }
}

/// Rows of all tables that wait. There are no foreign keys, so tables need no order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) channels: Queue<channel::ActiveModel>,
    pub(super) seats: Queue<turn_seats::ActiveModel>,
    pub(super) members: Queue<member::ActiveModel>,
    pub(super) messages: Queue<message::ActiveModel>,
    pub(super) attachments: Queue<attachment::ActiveModel>,
    pub(super) revisions: Queue<revision::ActiveModel>,
    pub(super) read_markers: Queue<read_marker::ActiveModel>,
    pub(super) presences: Queue<presence::ActiveModel>,
    pub(super) owed_wakes: Queue<owed_wake::ActiveModel>,
    pub(super) idempotency_keys: Queue<idempotency_key::ActiveModel>,
    pub(super) files: Queue<file::ActiveModel>,
    /// Numbers and ids of messages that can be found by searching.
    pub(super) numbered: Queue<(i64, String)>,
}

/// Inserts rows, in statements of few different lengths: each length is a statement to prepare.
pub(super) async fn insert<A>(transaction: &DatabaseTransaction, mut rows: Vec<A>) -> Result<(), DbErr>
where
    A: ActiveModelTrait + Send,
{
    while !rows.is_empty() {
        let left = rows.split_off(length(rows.len()));
        let statement = std::mem::replace(&mut rows, left);
        A::Entity::insert_many(statement).exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// The next statement takes so many of these rows: a power of two.
pub(super) fn length(rows: usize) -> usize {
    ROWS.min(1 << rows.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_into_few_different_lengths() {
        assert_eq!([1, 2, 3, 511, 512, 513, 2_000].map(length), [1, 2, 2, 256, 512, 512, 512]);
    }
}
