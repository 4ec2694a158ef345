//! Reading a whole guild in one snapshot.

use fabric_archive::{BulkReader, Part, Record};
use fabric_domain::model::{FileId, IdempotencySlot, Revision, Seq, Timestamp};
use fabric_domain::ports::StoreError;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, Select,
};

use crate::error::DatabaseError;
use crate::query;
use crate::schema::connect::{self, Purpose};
use crate::schema::convert::{self, from_json, to_column};
use crate::schema::entity::{
    attachment, channel, idempotency_key, member, message, owed_wake, presence, read_marker, revision,
    search_document,
};
use crate::schema::migrate::{self, SchemaError};
use crate::search;

/// Messages of one query.
const MESSAGES: i64 = 1_000;
/// Files of one query.
const FILES: u32 = 500;

/// A snapshot of a database, to be read once. On `SQLite` the log grows while it is open.
#[derive(Debug)]
pub struct SqlBulkReader {
    connection: DatabaseConnection,
    snapshot: DatabaseTransaction,
    /// Channels, once they were read, and their last messages.
    channels: Vec<(String, Seq)>,
}

type Records<'a> = BoxStream<'a, Result<Record, StoreError>>;

impl SqlBulkReader {
    /// Opens the database at `url`. One that is not there, not on this schema, or incomplete is refused.
    pub async fn open(url: &str) -> Result<Self, SchemaError> {
        let connection = connect::open(url, Purpose::Copying, 1).await?;
        match migrate::pending(&connection).await? {
            0 => migrate::refuse_incomplete(&connection).await?,
            pending => return Err(SchemaError::Old(pending)),
        }
        let snapshot = query::snapshot(&connection).await.map_err(StoreError::from)?;
        Ok(Self { connection, snapshot, channels: Vec::new() })
    }
}

impl BulkReader for SqlBulkReader {
    fn records(&mut self, part: Part) -> Records<'_> {
        let Self { snapshot, channels, .. } = self;
        match part {
            Part::Channels => all_channels(snapshot, channels),
            Part::Members => members(snapshot),
            Part::Messages => messages(snapshot, channels),
            Part::SearchOrder => search_order(snapshot),
            Part::Attachments => attachments(snapshot),
            Part::Revisions => revisions(snapshot),
            Part::ReadMarkers => read_markers(snapshot),
            Part::Presences => presences(snapshot),
            Part::OwedWakes => owed_wakes(snapshot),
            Part::IdempotencyKeys => idempotency_keys(snapshot),
            Part::Files => files(snapshot),
        }
    }

    async fn close(self) {
        drop(self.snapshot);
        // Nothing depends on it: an unclosed connection is closed by the end of its pool.
        let _ = self.connection.close().await;
    }
}

/// The rows of a query as records; few of them are in memory at a time.
fn rows<'a, E: EntityTrait>(
    snapshot: &'a DatabaseTransaction,
    query: Select<E>,
    mut record: impl FnMut(E::Model) -> Result<Record, DatabaseError> + Send + 'a,
) -> Records<'a> {
    stream::once(query.stream(snapshot))
        .try_flatten()
        .map(move |row| Ok(record(row.map_err(DatabaseError::from)?)?))
        .boxed()
}

fn all_channels<'a>(snapshot: &'a DatabaseTransaction, channels: &'a mut Vec<(String, Seq)>) -> Records<'a> {
    let query = query::channels::seated(channel::Entity::find().order_by_asc(channel::Column::Id));
    stream::once(query.stream(snapshot))
        .try_flatten()
        .map(|row| {
            let (channel, turn) = row.map_err(DatabaseError::from)?.read()?;
            channels.push((channel.id.as_str().to_owned(), channel.last_seq));
            Ok(Record::Channel { channel: Box::new(channel), turn: turn.map(Box::new) })
        })
        .boxed()
}

fn members(snapshot: &DatabaseTransaction) -> Records<'_> {
    let query = member::Entity::find()
        .order_by_asc(member::Column::ChannelId)
        .order_by_asc(member::Column::Position)
        .order_by_asc(member::Column::UserId);
    rows(snapshot, query, |row| {
        let member::Model { channel_id, user_id, wake_mapped, position, settled_seq } = row;
        Ok(Record::Member {
            channel: channel_id.into(),
            position: convert::from_column("position", position)?,
            user: user_id.into(),
            wake_mapped,
            settled: convert::seq(settled_seq)?,
        })
    })
}

/// One range of seq after the other: each is a piece of the index, so that no database has to sort.
fn messages<'a>(snapshot: &'a DatabaseTransaction, channels: &'a [(String, Seq)]) -> Records<'a> {
    let ranges = channels.iter().flat_map(|(channel, last_seq)| {
        let last = to_column(last_seq.0);
        let starts = std::iter::successors(Some(0), |after| Some(after + MESSAGES));
        starts
            .take_while(move |after| *after < last)
            .map(move |after| (channel, after, last.min(after + MESSAGES)))
    });
    stream::iter(ranges)
        .flat_map(move |(channel, after, to)| {
            let query = message::Entity::find()
                .filter(message::Column::ChannelId.eq(channel.as_str()))
                .filter(message::Column::Seq.gt(after))
                .filter(message::Column::Seq.lte(to))
                .order_by_asc(message::Column::Seq);
            rows(snapshot, query, |row| Ok(Record::Message(Box::new(convert::message(row)?))))
        })
        .boxed()
}

/// What is in the index and what is in its tail, in the order of their numbers.
fn search_order(snapshot: &DatabaseTransaction) -> Records<'_> {
    let records = async move {
        // It is short, unlike the index.
        let mut tail = search::tail(snapshot).await.map_err(StoreError::from)?.into_iter().peekable();
        let indexed = search_document::Entity::find().order_by_asc(search_document::Column::Number);
        let indexed = indexed.stream(snapshot).await.map_err(DatabaseError::from)?;
        let indexed = indexed.map_ok(Some).map_err(|error| StoreError::from(DatabaseError::from(error)));
        // After the last one comes what is left of the tail.
        let records = indexed.chain(stream::once(async { Ok(None) })).map_ok(move |document| {
            let is_before = |(number, _): &(i64, String)| {
                document.as_ref().is_none_or(|document: &search_document::Model| *number < document.number)
            };
            let mut numbered: Vec<(i64, String)> = std::iter::from_fn(|| tail.next_if(is_before)).collect();
            numbered.extend(document.map(|document| (document.number, document.message_id)));
            let record = |(number, message): (i64, String)| {
                Ok(Record::SearchOrder { number, message: message.into() })
            };
            stream::iter(numbered.into_iter().map(record))
        });
        Ok::<_, StoreError>(records.try_flatten())
    };
    stream::once(records).try_flatten().boxed()
}

fn attachments(snapshot: &DatabaseTransaction) -> Records<'_> {
    let query = attachment::Entity::find()
        .order_by_asc(attachment::Column::MessageId)
        .order_by_asc(attachment::Column::Position);
    rows(snapshot, query, |row| {
        let (message, channel, position, attachment) = convert::to_attachment(row)?;
        Ok(Record::Attachment { message, channel, position, attachment })
    })
}

fn revisions(snapshot: &DatabaseTransaction) -> Records<'_> {
    let query = revision::Entity::find()
        .order_by_asc(revision::Column::MessageId)
        .order_by_asc(revision::Column::Number);
    rows(snapshot, query, |row| {
        let revision::Model { message_id, number, content, replaced_at, deleted_at } = row;
        Ok(Record::Revision {
            message: message_id.into(),
            number: convert::from_column("number", number)?,
            revision: Revision { content, replaced_at: Timestamp(replaced_at) },
            deleted_at: deleted_at.map(Timestamp),
        })
    })
}

fn read_markers(snapshot: &DatabaseTransaction) -> Records<'_> {
    let query = read_marker::Entity::find()
        .order_by_asc(read_marker::Column::ChannelId)
        .order_by_asc(read_marker::Column::UserId);
    rows(snapshot, query, |row| {
        let read_marker::Model { channel_id, user_id, seq } = row;
        Ok(Record::ReadMarker { channel: channel_id.into(), user: user_id.into(), seq: convert::seq(seq)? })
    })
}

fn presences(snapshot: &DatabaseTransaction) -> Records<'_> {
    let query = presence::Entity::find().order_by_asc(presence::Column::UserId);
    rows(snapshot, query, |row| Ok(Record::Presence(convert::presence(row))))
}

fn owed_wakes(snapshot: &DatabaseTransaction) -> Records<'_> {
    let query = owed_wake::Entity::find()
        .order_by_asc(owed_wake::Column::ChannelId)
        .order_by_asc(owed_wake::Column::Seq);
    rows(snapshot, query, |row| {
        let owed_wake::Model { channel_id, seq, owed, created_at } = row;
        Ok(Record::OwedWake {
            channel: channel_id.into(),
            seq: convert::seq(seq)?,
            pending: from_json("owed wakes", &owed)?,
            created_at: Timestamp(created_at),
        })
    })
}

fn idempotency_keys(snapshot: &DatabaseTransaction) -> Records<'_> {
    let query = idempotency_key::Entity::find()
        .order_by_asc(idempotency_key::Column::Caller)
        .order_by_asc(idempotency_key::Column::Route)
        .order_by_asc(idempotency_key::Column::Key);
    rows(snapshot, query, |row| {
        let idempotency_key::Model { caller, route, key, fingerprint, outcome, created_at } = row;
        let outcome = from_json("idempotent answer", &outcome)?;
        let slot = IdempotencySlot { caller: caller.into(), route, key, fingerprint };
        let (slot, outcome) = (Box::new(slot), Box::new(outcome));
        Ok(Record::IdempotencyKey { slot, outcome, created_at: Timestamp(created_at) })
    })
}

/// A page after the other, since whoever reads them may copy the bytes of each, which takes its time.
fn files(snapshot: &DatabaseTransaction) -> Records<'_> {
    let pages = stream::try_unfold(None::<FileId>, move |after| async move {
        let page = query::files::after(snapshot, after.as_ref(), FILES).await.map_err(StoreError::from)?;
        let last = page.last().map(|file| file.id.clone());
        Ok::<_, StoreError>(last.map(|last| (page, Some(last))))
    });
    pages
        .map_ok(|page| stream::iter(page.into_iter().map(|file| Ok(Record::File(Box::new(file))))))
        .try_flatten()
        .boxed()
}
