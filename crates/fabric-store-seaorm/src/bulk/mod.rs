//! Filling an empty database with many rows: large statements in large transactions, and nobody sees half of it.
//!
//! From [`BulkLoad::begin`] to [`BulkLoad::finish`] a mark in the database (table `unfinished_imports`) says
//! that it is incomplete; the server does not start on it. A load that broke off leaves the mark, and the next
//! one begins by deleting what is there. The mark carries a token that every transaction of the load checks,
//! so that of two loads at once only the later one goes on.
//!
//! Nothing here judges rows: whoever loads has checked that they belong together.

mod mark;

use fabric_domain::decisions::TurnRecord;
use fabric_domain::model::IdempotencySlot;
use fabric_domain::model::{
    Attachment, Channel, ChannelId, File, Message, MessageId, PostOutcome, Presence, Revision, Seq,
    Timestamp, UserId, WakeDebt,
};
use fabric_domain::ports::StoreError;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityName,
    EntityTrait, SqlErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use thiserror::Error;

use crate::error::DatabaseError;
use crate::schema::connect::{self, Purpose};
use crate::schema::convert;
use crate::schema::entity::{
    attachment, channel, file, idempotency_key, member, message, owed_wake, presence, read_marker, revision,
};
use crate::schema::migrate::{self, SchemaError};

/// The most rows of one statement. Databases limit the values of a statement; the lowest limit is 32,766.
pub const ROWS: usize = 512;
/// A statement takes no further row once its texts have so many bytes: servers limit its size, by default to
/// 16 MB.
const BYTES: usize = 1 << 20;
/// A transaction is committed when it has so many rows, or bytes of text.
const TRANSACTION_ROWS: usize = 65_536;
const TRANSACTION_BYTES: usize = 64 << 20;

/// The tables that hold a guild's data: what an import fills and an archive holds.
pub const TABLES: &[&str] = &[
    "channels",
    "channel_members",
    "messages",
    "message_attachments",
    "message_revisions",
    "read_markers",
    "presences",
    "owed_wakes",
    "idempotency_keys",
    "files",
];

/// The table `file_usage` has sums of another one, and a row for everybody that is always there (`commit/files.rs`).
const COUNT_FILES: [&str; 2] = [
    "INSERT INTO file_usage (owner, bytes) SELECT uploader, SUM(size) FROM files GROUP BY uploader",
    "UPDATE file_usage SET bytes = (SELECT COALESCE(SUM(size), 0) FROM files) WHERE owner = ''",
];

/// Why a database was not filled.
#[derive(Debug, Error)]
pub enum BulkError {
    /// There is something in it already.
    #[error("the database is not empty: there are rows in its table `{0}`")]
    NotEmpty(&'static str),
    /// Another load has begun at the same time, or has begun anew since.
    #[error("another import into this database has begun meanwhile")]
    TakenOver,
    /// A key of this table is there twice: one of the latest [`ROWS`] rows has it.
    #[error("a key of the table `{0}` is there twice")]
    Duplicate(&'static str),
    /// What is to be found by searching is not there, or nothing that is searched for.
    #[error("there is no message {0} that can be found")]
    NoSuchMessage(MessageId),
    /// The schema is not ours, or the database failed.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl From<DatabaseError> for BulkError {
    fn from(error: DatabaseError) -> Self {
        Self::Schema(SchemaError::Store(error.into()))
    }
}

impl From<DbErr> for BulkError {
    fn from(error: DbErr) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<StoreError> for BulkError {
    fn from(error: StoreError) -> Self {
        Self::Schema(SchemaError::Store(error))
    }
}

/// A database that is being filled. Dropping it leaves the database marked as incomplete.
#[derive(Debug)]
pub struct BulkLoad {
    connection: DatabaseConnection,
    token: i64,
    transaction: Option<DatabaseTransaction>,
    /// In the transaction at hand.
    rows: usize,
    bytes: usize,
    /// The content of the longest message, in bytes.
    longest: usize,
    waiting: Waiting,
}

/// Rows that wait for their statement. There are no foreign keys, so tables need no order.
#[derive(Debug, Default)]
struct Waiting {
    channels: Queue<channel::ActiveModel>,
    members: Queue<member::ActiveModel>,
    messages: Queue<message::ActiveModel>,
    attachments: Queue<attachment::ActiveModel>,
    revisions: Queue<revision::ActiveModel>,
    read_markers: Queue<read_marker::ActiveModel>,
    presences: Queue<presence::ActiveModel>,
    owed_wakes: Queue<owed_wake::ActiveModel>,
    idempotency_keys: Queue<idempotency_key::ActiveModel>,
    files: Queue<file::ActiveModel>,
    numbered: Queue<(i64, String)>,
}

#[derive(Debug)]
struct Queue<A> {
    rows: Vec<A>,
    bytes: usize,
}

impl<A> Default for Queue<A> {
    fn default() -> Self {
        Self { rows: Vec::new(), bytes: 0 }
    }
}

impl<A> Queue<A> {
    /// Whether a statement is full.
    fn push(&mut self, row: A, bytes: usize) -> bool {
        self.rows.push(row);
        self.bytes += bytes;
        self.rows.len() >= ROWS || self.bytes >= BYTES
    }
}

/// Adds a row to its queue, and writes the queue when it is full.
macro_rules! push {
    ($self:ident.$queue:ident, $row:expr, $bytes:expr) => {{
        if $self.waiting.$queue.push($row, $bytes) {
            let full = std::mem::take(&mut $self.waiting.$queue);
            $self.insert(full).await?;
        }
        Ok(())
    }};
}

impl BulkLoad {
    /// Marks an empty database, whose schema is brought up to date first (or refused, without `sync`). What a
    /// load that broke off has left is deleted. `token` is a number that no other load has.
    pub async fn begin(url: &str, sync: bool, token: u64, now: Timestamp) -> Result<Self, BulkError> {
        migrate::prepare(url, sync).await?;
        let connection = connect::open(url, Purpose::Loading, 1).await?;
        // Only told apart by it, so its upper half may be lost.
        let token = i64::try_from(token >> 1).unwrap_or_default();
        mark::claim(&connection, token, now).await?;
        migration::suspend_search_index(&connection).await?;
        Ok(Self {
            connection,
            token,
            transaction: None,
            rows: 0,
            bytes: 0,
            longest: 0,
            waiting: Waiting::default(),
        })
    }

    /// A channel and its turn.
    pub async fn channel(&mut self, channel: &Channel, turn: Option<&TurnRecord>) -> Result<(), BulkError> {
        let row = convert::channel_row(channel, turn)?;
        let turn = row.turn.try_as_ref().and_then(Option::as_ref).map_or(0, String::len);
        let bytes = turn + channel.purpose.as_ref().map_or(0, String::len);
        push!(self.channels, row, bytes)
    }

    /// A member of a channel, the `position`th that came; their wakes up to `settled` are settled.
    pub async fn member(
        &mut self,
        channel: &ChannelId,
        position: u64,
        user: &UserId,
        wake_mapped: bool,
        settled: Seq,
    ) -> Result<(), BulkError> {
        push!(self.members, convert::member_row(channel, user, wake_mapped, position, settled), 0)
    }

    /// A message as it is now, without its attachments. It is found by searching once it is
    /// [numbered](Self::numbered).
    pub async fn message(&mut self, message: &Message) -> Result<(), BulkError> {
        let row = convert::message_row(message)?;
        self.longest = self.longest.max(message.content.len());
        let bytes = message.content.len() + 80 * message.mentions.len();
        push!(self.messages, row, bytes)
    }

    /// Where a message stands among all that can be found by searching. It has to be given before, and is no note of a
    /// command; numbers should ascend, since rows are kept in their order.
    pub async fn numbered(&mut self, number: i64, message: &MessageId) -> Result<(), BulkError> {
        if self.waiting.numbered.push((number, message.as_str().to_owned()), 0) {
            let messages = std::mem::take(&mut self.waiting.messages);
            let numbered = std::mem::take(&mut self.waiting.numbered);
            self.insert(messages).await?;
            self.insert_numbered(numbered).await?;
        }
        Ok(())
    }

    /// What a message keeps of a file, at this place among its attachments.
    pub async fn attachment(
        &mut self,
        message: &MessageId,
        channel: &ChannelId,
        position: u64,
        kept: &Attachment,
    ) -> Result<(), BulkError> {
        push!(self.attachments, convert::attachment_row(message, channel, position, kept), 0)
    }

    /// A file, whose bytes are in their place already. No quota is asked.
    pub async fn file(&mut self, file: &File) -> Result<(), BulkError> {
        push!(self.files, convert::file_row(file), 0)
    }

    /// The `number`th former text of a message, from 0, and when that was deleted.
    pub async fn revision(
        &mut self,
        message: &MessageId,
        number: u64,
        revision: &Revision,
        deleted_at: Option<Timestamp>,
    ) -> Result<(), BulkError> {
        let row = convert::revision_row(message, number, revision, deleted_at);
        push!(self.revisions, row, revision.content.len())
    }

    /// Up to which message somebody has read.
    pub async fn read_marker(
        &mut self,
        channel: &ChannelId,
        user: &UserId,
        seq: Seq,
    ) -> Result<(), BulkError> {
        push!(self.read_markers, convert::read_marker_row(channel, user, seq), 0)
    }

    /// What somebody last said of themselves.
    pub async fn presence(&mut self, presence: &Presence) -> Result<(), BulkError> {
        push!(self.presences, convert::presence_row(presence), 0)
    }

    /// To whom a message's wake is owed.
    pub async fn owed_wake(
        &mut self,
        channel: &ChannelId,
        seq: Seq,
        debt: &WakeDebt,
        created_at: Timestamp,
    ) -> Result<(), BulkError> {
        let row = convert::owed_wake_row(channel, seq, debt, created_at)?;
        let bytes = row.owed.try_as_ref().map_or(0, String::len);
        push!(self.owed_wakes, row, bytes)
    }

    /// The answer that an idempotency key stands for.
    pub async fn idempotency_key(
        &mut self,
        slot: &IdempotencySlot,
        outcome: &PostOutcome,
        created_at: Timestamp,
    ) -> Result<(), BulkError> {
        let row = convert::idempotency_row(slot, outcome, created_at)?;
        let bytes = row.outcome.try_as_ref().map_or(0, String::len);
        push!(self.idempotency_keys, row, bytes)
    }

    /// To look at what is committed.
    pub(crate) fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// Writes and commits what was given so far.
    pub(crate) async fn flush(&mut self) -> Result<(), BulkError> {
        let Waiting {
            channels,
            members,
            messages,
            attachments,
            revisions,
            read_markers,
            presences,
            owed_wakes,
            idempotency_keys,
            files,
            numbered,
        } = std::mem::take(&mut self.waiting);
        self.insert(channels).await?;
        self.insert(members).await?;
        self.insert(messages).await?;
        self.insert(attachments).await?;
        self.insert(revisions).await?;
        self.insert(read_markers).await?;
        self.insert(presences).await?;
        self.insert(owed_wakes).await?;
        self.insert(idempotency_keys).await?;
        self.insert(files).await?;
        self.insert_numbered(numbered).await?;
        self.commit().await
    }

    /// Writes what is left and takes the mark away: the database is complete, and a server may start on it.
    pub async fn finish(mut self) -> Result<(), BulkError> {
        self.flush().await?;
        migration::complete_search_index(&self.connection).await?;
        // Without statistics, the first hours would be spent with plans for empty tables.
        for statement in analyze(self.connection.get_database_backend()) {
            self.connection.execute_unprepared(&statement).await?;
        }
        let transaction = begin(&self.connection).await?;
        mark::check(&transaction, self.token, 0).await?;
        for statement in COUNT_FILES {
            transaction.execute_unprepared(statement).await?;
        }
        mark::take_away(&transaction).await?;
        transaction.commit().await?;
        if self.connection.get_database_backend() == DbBackend::Sqlite {
            // What was committed is safe in the log, which would stay as large as the largest transaction.
            self.connection.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        }
        // Nothing depends on it: an unclosed connection is closed by the end of its pool.
        let _ = self.connection.close().await;
        Ok(())
    }

    /// Deletes everything that was loaded, and the mark: the database is empty as before. Once the rows are gone, and
    /// while no other load can begin, `undo` takes back what was done elsewhere; it does not run when another load
    /// has begun already, which may rely on it.
    pub async fn abandon(mut self, undo: impl Future<Output = ()> + Send) -> Result<(), BulkError> {
        // Dropping it rolls it back.
        self.transaction = None;
        let transaction = begin(&self.connection).await?;
        mark::check(&transaction, self.token, 0).await?;
        mark::clear(&transaction).await?;
        transaction.commit().await?;
        migration::complete_search_index(&self.connection).await?;
        let transaction = begin(&self.connection).await?;
        mark::check(&transaction, self.token, 0).await?;
        undo.await;
        mark::take_away(&transaction).await?;
        transaction.commit().await?;
        let _ = self.connection.close().await;
        Ok(())
    }

    /// Writes rows, in statements of few different lengths: each length is a statement to prepare.
    async fn insert<A>(&mut self, queue: Queue<A>) -> Result<(), BulkError>
    where
        A: ActiveModelTrait + Send,
    {
        let Queue { mut rows, bytes } = queue;
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len();
        let transaction = self.transaction().await?;
        while !rows.is_empty() {
            let left = rows.split_off(length(rows.len()));
            let statement = std::mem::replace(&mut rows, left);
            let inserted = A::Entity::insert_many(statement).exec_without_returning(&transaction).await;
            inserted.map_err(|error| duplicate(error, A::Entity::default().table_name()))?;
        }
        self.keep(transaction, count, bytes).await
    }

    /// Takes the words out of the messages and puts them into the index, so few at once that their contents fit into
    /// memory. Where no message is long, nobody has to ask how long they are.
    async fn insert_numbered(&mut self, queue: Queue<(i64, String)>) -> Result<(), BulkError> {
        let mut rest = queue.rows.as_slice();
        let shares = if self.longest * ROWS > migration::CONTENT_AT_ONCE {
            let transaction = self.transaction().await?;
            let shares = migration::search_shares(&transaction, rest).await?;
            self.transaction = Some(transaction);
            shares
        } else {
            vec![rest.len()]
        };
        for share in shares {
            let (now, later) = rest.split_at(share);
            self.insert_words(now).await?;
            rest = later;
        }
        Ok(())
    }

    async fn insert_words(&mut self, numbered: &[(i64, String)]) -> Result<(), BulkError> {
        if numbered.is_empty() {
            return Ok(());
        }
        let transaction = self.transaction().await?;
        let documents = migration::search_documents(&transaction, numbered).await?;
        let documents: Vec<_> = documents.map_err(|id| BulkError::NoSuchMessage(id.into()))?;
        let (mut rest, bytes) = (documents.as_slice(), documents.iter().map(|one| one.words.len()).sum());
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take_while(|document| {
                size += document.words.len();
                size <= BYTES
            });
            let (statement, left) = rest.split_at(length(fits.count().max(1)));
            let inserted = migration::insert_search_documents(&transaction, statement).await;
            inserted.map_err(|error| duplicate(error, "search_documents"))?;
            rest = left;
        }
        self.keep(transaction, documents.len(), bytes).await
    }

    async fn transaction(&mut self) -> Result<DatabaseTransaction, DbErr> {
        match self.transaction.take() {
            Some(transaction) => Ok(transaction),
            None => begin(&self.connection).await,
        }
    }

    /// So much more is in the transaction, which is committed once it is large.
    async fn keep(
        &mut self,
        transaction: DatabaseTransaction,
        rows: usize,
        bytes: usize,
    ) -> Result<(), BulkError> {
        self.transaction = Some(transaction);
        self.rows += rows;
        self.bytes += bytes;
        if self.rows >= TRANSACTION_ROWS || self.bytes >= TRANSACTION_BYTES {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), BulkError> {
        let Some(transaction) = self.transaction.take() else { return Ok(()) };
        mark::check(&transaction, self.token, std::mem::take(&mut self.rows)).await?;
        self.bytes = 0;
        transaction.commit().await?;
        Ok(())
    }
}

fn duplicate(error: DbErr, table: &'static str) -> BulkError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => BulkError::Duplicate(table),
        _ => error.into(),
    }
}

/// The next statement takes so many of these rows: a power of two.
fn length(rows: usize) -> usize {
    ROWS.min(1 << rows.ilog2())
}

/// A transaction that writes.
async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let sqlite_transaction_mode = (connection.get_database_backend() == DbBackend::Sqlite)
        // The lock comes first: who finds it taken waits, instead of failing at the first write.
        .then_some(SqliteTransactionMode::Immediate);
    let options = TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() };
    connection.begin_with_options(options).await
}

/// Statements that gather the planner's statistics.
fn analyze(backend: DbBackend) -> Vec<String> {
    let tables = TABLES.iter().chain(&["search_documents"]);
    match backend {
        DbBackend::MySql => tables.map(|table| format!("ANALYZE TABLE {table}")).collect(),
        DbBackend::Postgres => tables.map(|table| format!("ANALYZE {table}")).collect(),
        _ => vec!["ANALYZE".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_into_few_different_lengths() {
        assert_eq!([1, 2, 3, 511, 512, 513, 2_000].map(length), [1, 2, 2, 256, 512, 512, 512]);
    }
}
