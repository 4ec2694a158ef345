//! Filling an empty database with many rows: large statements in large transactions.

use std::future::Future;

use fabric_archive::{BulkError, BulkWriter, Part, Record, Reference};
use fabric_domain::model::{MessageId, Timestamp};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement,
};

use super::TABLES;
use super::error::{BeginError, LoadError};
use super::mark;
use super::queue::{BYTES, Queue, ROWS, Waiting, insert, length};
use super::transaction::begin;
use crate::schema::connect::{self, Purpose};
use crate::schema::convert;
use crate::schema::migrate;

/// A transaction is committed when it has so many rows, or bytes of text.
const TRANSACTION_ROWS: usize = 65_536;
const TRANSACTION_BYTES: usize = 64 << 20;

/// Fills the table `file_usage`: the sums of `files` by user, and in the row that is always there, of everybody.
const COUNT_FILES: [&str; 2] = [
    "INSERT INTO file_usage (owner, bytes) SELECT uploader, SUM(size) FROM files GROUP BY uploader",
    "UPDATE file_usage SET bytes = (SELECT COALESCE(SUM(size), 0) FROM files) WHERE owner = ''",
];

/// Messages that answer one that is not in their channel.
const DANGLING_REPLY_TO: &str = "SELECT m.id AS id FROM messages m WHERE m.reply_to IS NOT NULL AND NOT EXISTS \
     (SELECT 1 FROM messages r WHERE r.id = m.reply_to AND r.channel_id = m.channel_id) LIMIT 1";
/// Attachments of messages that are not there.
const DANGLING_ATTACHMENT: &str = "SELECT a.message_id AS id FROM message_attachments a WHERE NOT EXISTS \
     (SELECT 1 FROM messages m WHERE m.id = a.message_id AND m.channel_id = a.channel_id) LIMIT 1";
/// Former texts of messages that are not there.
const DANGLING_REVISION: &str = "SELECT r.message_id AS id FROM message_revisions r WHERE NOT EXISTS \
     (SELECT 1 FROM messages m WHERE m.id = r.message_id) LIMIT 1";

/// A database that is being filled. Dropping it leaves the database marked as incomplete.
#[derive(Debug)]
pub struct SqlBulkWriter {
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

impl SqlBulkWriter {
    /// Marks an empty database, whose schema is brought up to date first (or refused, without `sync`). What an import
    /// that broke off has left is deleted. `token` is a number that no other import has; `now` is noted in the mark.
    pub async fn begin(url: &str, sync: bool, token: u64, now: Timestamp) -> Result<Self, BeginError> {
        migrate::prepare(url, sync).await?;
        let connection = connect::open(url, Purpose::Loading, 1).await.map_err(migrate::SchemaError::from)?;
        // It only tells imports apart, so a bit of it may be lost.
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

    async fn take(&mut self, record: Record) -> Result<(), LoadError> {
        let part = record.part();
        match record {
            Record::Channel { channel, turn } => {
                if let Some(turn) = &turn {
                    let row = convert::turn_seats_row(&channel.id, turn)?;
                    let bytes = row.seats.try_as_ref().map_or(0, String::len);
                    self.queue(part, |waiting| &mut waiting.seats, row, bytes).await?;
                }
                let row = convert::channel_row(&channel, turn.as_deref())?;
                let turn = row.turn.try_as_ref().and_then(Option::as_ref).map_or(0, String::len);
                let bytes = turn + channel.purpose.as_ref().map_or(0, String::len);
                self.queue(part, |waiting| &mut waiting.channels, row, bytes).await
            }
            Record::Member { channel, position, user, wake_mapped, settled } => {
                let row = convert::member_row(&channel, &user, wake_mapped, position, settled);
                self.queue(part, |waiting| &mut waiting.members, row, 0).await
            }
            Record::Message(message) => {
                let row = convert::message_row(&message)?;
                self.longest = self.longest.max(message.content.len());
                let bytes = message.content.len() + 80 * message.mentions.len();
                self.queue(part, |waiting| &mut waiting.messages, row, bytes).await
            }
            Record::SearchOrder { number, message } => self.number(number, message).await,
            Record::Attachment { message, channel, position, attachment } => {
                let row = convert::attachment_row(&message, &channel, position, &attachment);
                self.queue(part, |waiting| &mut waiting.attachments, row, 0).await
            }
            Record::Revision { message, number, revision, deleted_at } => {
                let row = convert::revision_row(&message, number, &revision, deleted_at);
                self.queue(part, |waiting| &mut waiting.revisions, row, revision.content.len()).await
            }
            Record::ReadMarker { channel, user, seq } => {
                let row = convert::read_marker_row(&channel, &user, seq);
                self.queue(part, |waiting| &mut waiting.read_markers, row, 0).await
            }
            Record::Presence(presence) => {
                let row = convert::presence_row(&presence);
                self.queue(part, |waiting| &mut waiting.presences, row, 0).await
            }
            Record::OwedWake { channel, seq, pending, created_at } => {
                let row = convert::owed_wake_row(&channel, seq, &pending, created_at)?;
                let bytes = row.owed.try_as_ref().map_or(0, String::len);
                self.queue(part, |waiting| &mut waiting.owed_wakes, row, bytes).await
            }
            Record::IdempotencyKey { slot, outcome, created_at } => {
                let row = convert::idempotency_row(&slot, &outcome, created_at)?;
                let bytes = row.outcome.try_as_ref().map_or(0, String::len);
                self.queue(part, |waiting| &mut waiting.idempotency_keys, row, bytes).await
            }
            Record::File(file) => {
                let row = convert::file_row(&file);
                self.queue(part, |waiting| &mut waiting.files, row, 0).await
            }
        }
    }

    /// Adds a row to its queue, and writes the queue when it is full.
    async fn queue<A>(
        &mut self,
        part: Part,
        queue: impl FnOnce(&mut Waiting) -> &mut Queue<A> + Send,
        row: A,
        bytes: usize,
    ) -> Result<(), LoadError>
    where
        A: ActiveModelTrait + Send,
    {
        match queue(&mut self.waiting).push(row, bytes) {
            Some(full) => self.insert(part, full).await,
            None => Ok(()),
        }
    }

    /// A message that can be found by searching. Numbers should ascend, since rows are kept in their order.
    async fn number(&mut self, number: i64, message: MessageId) -> Result<(), LoadError> {
        if let Some(numbered) = self.waiting.numbered.push((number, message.into()), 0) {
            // Its words are taken from the message's row.
            let messages = std::mem::take(&mut self.waiting.messages);
            self.insert(Part::Messages, messages).await?;
            self.insert_numbered(numbered).await?;
        }
        Ok(())
    }

    async fn write_all(&mut self) -> Result<(), LoadError> {
        let Waiting {
            channels,
            seats,
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
        self.insert(Part::Channels, channels).await?;
        self.insert(Part::Channels, seats).await?;
        self.insert(Part::Members, members).await?;
        self.insert(Part::Messages, messages).await?;
        self.insert(Part::Attachments, attachments).await?;
        self.insert(Part::Revisions, revisions).await?;
        self.insert(Part::ReadMarkers, read_markers).await?;
        self.insert(Part::Presences, presences).await?;
        self.insert(Part::OwedWakes, owed_wakes).await?;
        self.insert(Part::IdempotencyKeys, idempotency_keys).await?;
        self.insert(Part::Files, files).await?;
        self.insert_numbered(numbered).await?;
        self.commit().await
    }

    async fn insert<A>(&mut self, part: Part, Queue { rows, bytes }: Queue<A>) -> Result<(), LoadError>
    where
        A: ActiveModelTrait + Send,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let (count, transaction) = (rows.len(), self.transaction().await?);
        insert(&transaction, rows).await.map_err(|error| LoadError::of_insert(part, error))?;
        self.put_back(transaction, count, bytes).await
    }

    /// Puts the words of messages into the index, so few messages at once that their contents fit into memory. Where
    /// no message is long, their lengths need not be queried.
    async fn insert_numbered(&mut self, queue: Queue<(i64, String)>) -> Result<(), LoadError> {
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

    async fn insert_words(&mut self, numbered: &[(i64, String)]) -> Result<(), LoadError> {
        if numbered.is_empty() {
            return Ok(());
        }
        let transaction = self.transaction().await?;
        let documents = migration::search_documents(&transaction, numbered).await?;
        let documents: Vec<_> = documents.map_err(|id| LoadError::no_such_message(id.into()))?;
        let (mut rest, bytes) = (documents.as_slice(), documents.iter().map(|one| one.words.len()).sum());
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take_while(|document| {
                size += document.words.len();
                size <= BYTES
            });
            let (statement, left) = rest.split_at(length(fits.count().max(1)));
            let inserted = migration::insert_search_documents(&transaction, statement).await;
            inserted.map_err(|error| LoadError::of_insert(Part::SearchOrder, error))?;
            rest = left;
        }
        self.put_back(transaction, documents.len(), bytes).await
    }

    async fn transaction(&mut self) -> Result<DatabaseTransaction, DbErr> {
        match self.transaction.take() {
            Some(transaction) => Ok(transaction),
            None => begin(&self.connection).await,
        }
    }

    /// Puts the transaction back, with so much more in it, and commits it once it is large.
    async fn put_back(
        &mut self,
        transaction: DatabaseTransaction,
        rows: usize,
        bytes: usize,
    ) -> Result<(), LoadError> {
        self.transaction = Some(transaction);
        self.rows += rows;
        self.bytes += bytes;
        if self.rows >= TRANSACTION_ROWS || self.bytes >= TRANSACTION_BYTES {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), LoadError> {
        let Some(transaction) = self.transaction.take() else { return Ok(()) };
        mark::check(&transaction, self.token, std::mem::take(&mut self.rows)).await?;
        self.bytes = 0;
        transaction.commit().await?;
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), LoadError> {
        self.write_all().await?;
        migration::complete_search_index(&self.connection).await?;
        migration::number_search_tail(&self.connection).await?;
        // Without statistics, the planner would take the tables for empty for hours.
        for statement in analyze(self.connection.get_database_backend()) {
            self.connection.execute_unprepared(&statement).await?;
        }
        let transaction = begin(&self.connection).await?;
        mark::check(&transaction, self.token, 0).await?;
        for statement in COUNT_FILES {
            transaction.execute_unprepared(statement).await?;
        }
        mark::remove(&transaction).await?;
        transaction.commit().await?;
        if self.connection.get_database_backend() == DbBackend::Sqlite {
            // Otherwise the log would stay as large as the largest transaction.
            self.connection.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        }
        Ok(())
    }

    async fn delete_all(&mut self, undo: impl Future<Output = ()> + Send) -> Result<(), LoadError> {
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
        mark::remove(&transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn first_id(&self, query: &str) -> Result<Option<MessageId>, LoadError> {
        let query = Statement::from_string(self.connection.get_database_backend(), query);
        let row = self.connection.query_one_raw(query).await?;
        Ok(row.map(|row| row.try_get::<String>("", "id")).transpose()?.map(MessageId::from))
    }

    /// Nothing depends on it: an unclosed connection is closed by the end of its pool.
    async fn close(self) {
        let _ = self.connection.close().await;
    }
}

impl BulkWriter for SqlBulkWriter {
    async fn write(&mut self, record: Record) -> Result<(), BulkError> {
        Ok(self.take(record).await?)
    }

    async fn flush(&mut self) -> Result<(), BulkError> {
        Ok(self.write_all().await?)
    }

    async fn dangling(&self, reference: Reference) -> Result<Option<MessageId>, BulkError> {
        Ok(self
            .first_id(match reference {
                Reference::ReplyTo => DANGLING_REPLY_TO,
                Reference::Attachment => DANGLING_ATTACHMENT,
                Reference::Revision => DANGLING_REVISION,
            })
            .await?)
    }

    async fn finish(mut self) -> Result<(), BulkError> {
        self.complete().await?;
        self.close().await;
        Ok(())
    }

    async fn abandon(mut self, undo: impl Future<Output = ()> + Send) -> Result<(), BulkError> {
        self.delete_all(undo).await?;
        self.close().await;
        Ok(())
    }
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
