//! The ports through which a guild leaves a database and enters one, whole: [`BulkReader`] and [`BulkWriter`].
//!
//! Both speak in [`Record`]s, which say what is in a guild and not how it is stored. Neither judges them: whether
//! records belong together is checked on this side, before they are believed.

use std::future::Future;

use fabric_domain::decisions::TurnRecord;
use fabric_domain::model::{
    Attachment, Channel, ChannelId, File, IdempotencySlot, Message, MessageId, PendingWake, PostOutcome,
    Presence, Revision, Seq, Timestamp, UserId,
};
use fabric_domain::ports::StoreError;
use futures_util::stream::BoxStream;
use thiserror::Error;

use crate::part::Part;

/// One record of a guild.
#[derive(Debug)]
pub enum Record {
    /// A channel and its turn.
    Channel {
        /// The channel, with its settings.
        channel: Box<Channel>,
        /// Its turn, in channels that have turns.
        turn: Option<Box<TurnRecord>>,
    },
    /// A member of a channel.
    Member {
        /// Of which channel.
        channel: ChannelId,
        /// Where the member stands in the order in which members came, from 0. A reader gives what grows with that
        /// order; it may have gaps.
        position: u64,
        /// Who it is.
        user: UserId,
        /// Whether they are woken as mapped.
        wake_mapped: bool,
        /// Wakes of messages up to this one have reached them.
        settled: Seq,
    },
    /// A message as it is now, without its attachments.
    Message(Box<Message>),
    /// Where a message stands among all that can be found by searching.
    SearchOrder {
        /// In the order of storing, from 1, with gaps.
        number: i64,
        /// Which message.
        message: MessageId,
    },
    /// What a message keeps of a file.
    Attachment {
        /// Of which message.
        message: MessageId,
        /// The channel of the message.
        channel: ChannelId,
        /// At which place among the message's attachments, from 0.
        position: u64,
        /// What it keeps.
        attachment: Attachment,
    },
    /// A former text of a message.
    Revision {
        /// Of which message.
        message: MessageId,
        /// The oldest first, from 0, with gaps.
        number: u64,
        /// The text, and when it was replaced.
        revision: Revision,
        /// When its message was deleted.
        deleted_at: Option<Timestamp>,
    },
    /// Up to which message somebody has read.
    ReadMarker {
        /// In which channel.
        channel: ChannelId,
        /// Who.
        user: UserId,
        /// Up to here.
        seq: Seq,
    },
    /// What somebody last said of themselves.
    Presence(Presence),
    /// To whom a message's wake is owed.
    OwedWake {
        /// In which channel.
        channel: ChannelId,
        /// Which message.
        seq: Seq,
        /// To whom, and why.
        pending: PendingWake,
        /// When the message was written.
        created_at: Timestamp,
    },
    /// The answer that an idempotency key stands for.
    IdempotencyKey {
        /// Whose key, for which request.
        slot: Box<IdempotencySlot>,
        /// What was answered.
        outcome: Box<PostOutcome>,
        /// When.
        created_at: Timestamp,
    },
    /// An uploaded file. Its bytes have their own way.
    File(Box<File>),
}

impl Record {
    /// The part of an archive that holds such records.
    pub fn part(&self) -> Part {
        match self {
            Self::Channel { .. } => Part::Channels,
            Self::Member { .. } => Part::Members,
            Self::Message(_) => Part::Messages,
            Self::SearchOrder { .. } => Part::SearchOrder,
            Self::Attachment { .. } => Part::Attachments,
            Self::Revision { .. } => Part::Revisions,
            Self::ReadMarker { .. } => Part::ReadMarkers,
            Self::Presence(_) => Part::Presences,
            Self::OwedWake { .. } => Part::OwedWakes,
            Self::IdempotencyKey { .. } => Part::IdempotencyKeys,
            Self::File(_) => Part::Files,
        }
    }
}

/// Reads a whole guild. Everything that one reader gives is of the same moment, whoever writes meanwhile.
pub trait BulkReader: Send + Sync + Sized {
    /// The records of a part in the order of an archive (docs/archive.md), few in memory at a time. Each part is read
    /// once, in the order of [`Part::ALL`].
    fn records(&mut self, part: Part) -> BoxStream<'_, Result<Record, StoreError>>;

    /// Ends the reading and gives back what it has held.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Fills an empty database. Nobody sees half of it: until [`finish`](Self::finish) the database is marked as
/// incomplete, and no server starts on it. Dropping a writer leaves the mark, and the next one begins anew.
pub trait BulkWriter: Send + Sized {
    /// Takes a record. Records come in the order of [`Part::ALL`]; what is written when is the writer's own affair.
    fn write(&mut self, record: Record) -> impl Future<Output = Result<(), BulkError>> + Send;

    /// Writes and commits what was taken so far.
    fn flush(&mut self) -> impl Future<Output = Result<(), BulkError>> + Send;

    /// The message of the first record that points nowhere, among those that are [flushed](Self::flush).
    fn dangling(
        &self,
        reference: Reference,
    ) -> impl Future<Output = Result<Option<MessageId>, BulkError>> + Send;

    /// Writes what is left and takes the mark away: the database is complete, and a server may start on it.
    fn finish(self) -> impl Future<Output = Result<(), BulkError>> + Send;

    /// Deletes everything that was written, and the mark: the database is empty as before. Once the records are gone,
    /// and while no other writer can begin, `undo` takes back what was done elsewhere; it does not run when another
    /// writer has begun already, which may rely on it.
    fn abandon(
        self,
        undo: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = Result<(), BulkError>> + Send;
}

/// A reference to a message that takes the whole guild to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// From a message to the one of the same channel that it answers.
    ReplyTo,
    /// From an attachment to its message, in the same channel.
    Attachment,
    /// From a former text to its message.
    Revision,
}

/// Why a database was not filled.
#[derive(Debug, Error)]
pub enum BulkError {
    /// Another import has begun at the same time, or has begun anew since.
    #[error("another import into this database has begun meanwhile")]
    TakenOver,
    /// A key is there twice.
    #[error("a key of the part `{}` is there twice", .part.name())]
    Duplicate {
        /// In this part.
        part: Part,
        /// One of so many records of the part that were taken last has it.
        among: u64,
    },
    /// The search order names a message that is not there, or is a note of a command.
    #[error("there is no message {0} that can be found")]
    NoSuchMessage(MessageId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
