//! Between rows and the domain's types.

use fabric_domain::decisions::{StoredTurn, TurnRecord};
use fabric_domain::model::{
    Ack, Attachment, Channel, ChannelId, File, FileName, IdempotencySlot, MediaType, Member, Message,
    MessageId, PendingWake, PostOutcome, Presence, PresenceStatus, Revision, Seq, Shelf, Timestamp, UserId,
};
use sea_orm::ActiveValue::Set;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entity::{
    attachment, channel, file, idempotency_key, member, message, owed_wake, presence, read_marker, revision,
    turn_seats,
};
use crate::error::DatabaseError;

/// A value as a JSON column.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, DatabaseError> {
    serde_json::to_string(value).map_err(|error| DatabaseError::Inconsistent(error.to_string()))
}

/// A JSON column of `what`.
pub(crate) fn from_json<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, DatabaseError> {
    serde_json::from_str(json).map_err(|error| DatabaseError::Inconsistent(format!("{what}: {error}")))
}

/// A number that grows from 0 and fits a signed column for the next 200 million years.
pub(crate) fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn from_column(what: &str, number: i64) -> Result<u64, DatabaseError> {
    u64::try_from(number).map_err(|_| DatabaseError::Inconsistent(format!("{what} is negative")))
}

pub(crate) fn seq(number: i64) -> Result<Seq, DatabaseError> {
    from_column("seq", number).map(Seq)
}

/// Where a member stands among the others.
pub(crate) fn position(number: i64) -> Result<u64, DatabaseError> {
    from_column("position", number)
}

/// A channel's row and its turn, of which these are the seats.
pub(crate) fn channel(
    row: channel::Model,
    seats: Option<&str>,
) -> Result<(Channel, Option<TurnRecord>), DatabaseError> {
    let turn = row.turn.as_deref().map(|turn| self::turn(turn, seats)).transpose()?;
    let channel = Channel {
        id: row.id.into(),
        guild_id: row.guild_id.into(),
        name: row.name,
        channel_type: row.x_type.parse().map_err(|error| DatabaseError::Inconsistent(format!("{error}")))?,
        purpose: row.purpose,
        is_public: row.is_public,
        closed: row.closed,
        last_seq: seq(row.last_seq)?,
        created_by: row.created_by.into(),
        created_at: Timestamp(row.created_at),
        settings: from_json("settings", &row.settings)?,
        version: from_column("version", row.version)?,
        agent_run: u32::try_from(row.agent_run).unwrap_or(u32::MAX),
    };
    Ok((channel, turn))
}

fn turn(turn: &str, seats: Option<&str>) -> Result<TurnRecord, DatabaseError> {
    let seats = seats.ok_or_else(|| DatabaseError::Inconsistent("a turn without seats".to_owned()))?;
    let (turn, seats) = (from_json::<StoredTurn>("turn", turn)?, from_json("seats", seats)?);
    turn.seated(seats).map_err(|error| DatabaseError::Inconsistent(format!("turn: {error}")))
}

/// The turn as it stands in the row of its channel.
pub(crate) fn turn_column(turn: Option<&TurnRecord>) -> Result<Option<String>, DatabaseError> {
    turn.map(|turn| to_json(&StoredTurn::from(turn))).transpose()
}

/// The seats of a turn.
pub(crate) fn turn_seats_row(
    channel: &ChannelId,
    turn: &TurnRecord,
) -> Result<turn_seats::ActiveModel, DatabaseError> {
    Ok(turn_seats::ActiveModel {
        channel_id: Set(channel.as_str().to_owned()),
        seats: Set(to_json(turn.state.seats())?),
    })
}

/// The whole row of a channel.
pub(crate) fn channel_row(
    channel: &Channel,
    turn: Option<&TurnRecord>,
) -> Result<channel::ActiveModel, DatabaseError> {
    Ok(channel::ActiveModel {
        id: Set(channel.id.as_str().to_owned()),
        guild_id: Set(channel.guild_id.as_str().to_owned()),
        name: Set(channel.name.clone()),
        x_type: Set(channel.channel_type.as_str().to_owned()),
        purpose: Set(channel.purpose.clone()),
        is_public: Set(channel.is_public),
        closed: Set(channel.closed),
        last_seq: Set(to_column(channel.last_seq.0)),
        created_by: Set(channel.created_by.as_str().to_owned()),
        created_at: Set(channel.created_at.0),
        settings: Set(to_json(&channel.settings)?),
        version: Set(to_column(channel.version)),
        agent_run: Set(i64::from(channel.agent_run)),
        turn: Set(turn_column(turn)?),
        turn_deadline: Set(turn.and_then(|turn| turn.deadline).map(|deadline| deadline.0)),
    })
}

pub(crate) fn member(row: member::Model) -> Member {
    Member { user_id: row.user_id.into(), wake_mapped: row.wake_mapped }
}

/// A message without its attachments, which have a table of their own (`attachment`).
pub(crate) fn message(row: message::Model) -> Result<Message, DatabaseError> {
    Ok(Message {
        id: row.id.into(),
        channel_id: row.channel_id.into(),
        guild_id: row.guild_id.into(),
        seq: seq(row.seq)?,
        author: row.author.into(),
        content: row.content,
        mentions: from_json::<Vec<UserId>>("mentions", &row.mentions)?,
        attachments: Vec::new(),
        reply_to: row.reply_to.map(Into::into),
        created_at: Timestamp(row.created_at),
        edited_at: row.edited_at.map(Timestamp),
        deleted_at: row.deleted_at.map(Timestamp),
        ack: row.ack.as_deref().map(|json| from_json::<Ack>("ack", json)).transpose()?,
    })
}

pub(crate) fn message_row(message: &Message) -> Result<message::ActiveModel, DatabaseError> {
    Ok(message::ActiveModel {
        id: Set(message.id.as_str().to_owned()),
        channel_id: Set(message.channel_id.as_str().to_owned()),
        guild_id: Set(message.guild_id.as_str().to_owned()),
        seq: Set(to_column(message.seq.0)),
        author: Set(message.author.as_str().to_owned()),
        content: Set(message.content.clone()),
        mentions: Set(to_json(&message.mentions)?),
        reply_to: Set(message.reply_to.as_ref().map(|id| id.as_str().to_owned())),
        created_at: Set(message.created_at.0),
        edited_at: Set(message.edited_at.map(|at| at.0)),
        deleted_at: Set(message.deleted_at.map(|at| at.0)),
        ack: Set(message.ack.as_ref().map(to_json).transpose()?),
    })
}

pub(crate) fn revision(row: revision::Model) -> Revision {
    Revision { content: row.content, replaced_at: Timestamp(row.replaced_at) }
}

pub(crate) fn presence(row: presence::Model) -> Presence {
    Presence {
        user_id: row.user_id.into(),
        status: row.status.parse().unwrap_or(PresenceStatus::Unknown),
        source: row.source,
        updated_at: Some(Timestamp(row.updated_at)),
    }
}

/// The `position`th member that came.
pub(crate) fn member_row(
    channel: &ChannelId,
    user: &UserId,
    wake_mapped: bool,
    position: u64,
    settled: Seq,
) -> member::ActiveModel {
    member::ActiveModel {
        channel_id: Set(channel.as_str().to_owned()),
        user_id: Set(user.as_str().to_owned()),
        wake_mapped: Set(wake_mapped),
        position: Set(to_column(position)),
        settled_seq: Set(to_column(settled.0)),
    }
}

/// The `number`th former text of a message, from 0, and when that was deleted.
pub(crate) fn revision_row(
    message: &MessageId,
    number: u64,
    revision: &Revision,
    deleted_at: Option<Timestamp>,
) -> revision::ActiveModel {
    revision::ActiveModel {
        message_id: Set(message.as_str().to_owned()),
        number: Set(to_column(number)),
        content: Set(revision.content.clone()),
        replaced_at: Set(revision.replaced_at.0),
        deleted_at: Set(deleted_at.map(|at| at.0)),
    }
}

pub(crate) fn read_marker_row(channel: &ChannelId, user: &UserId, seq: Seq) -> read_marker::ActiveModel {
    read_marker::ActiveModel {
        channel_id: Set(channel.as_str().to_owned()),
        user_id: Set(user.as_str().to_owned()),
        seq: Set(to_column(seq.0)),
    }
}

pub(crate) fn presence_row(presence: &Presence) -> presence::ActiveModel {
    presence::ActiveModel {
        user_id: Set(presence.user_id.as_str().to_owned()),
        status: Set(presence.status.as_str().to_owned()),
        source: Set(presence.source.clone()),
        updated_at: Set(presence.updated_at.unwrap_or_default().0),
    }
}

pub(crate) fn owed_wake_row(
    channel: &ChannelId,
    seq: Seq,
    pending: &PendingWake,
    created_at: Timestamp,
) -> Result<owed_wake::ActiveModel, DatabaseError> {
    Ok(owed_wake::ActiveModel {
        channel_id: Set(channel.as_str().to_owned()),
        seq: Set(to_column(seq.0)),
        owed: Set(to_json(pending)?),
        created_at: Set(created_at.0),
    })
}

/// An idempotency key with the answer to its request.
pub(crate) fn idempotency_row(
    slot: &IdempotencySlot,
    outcome: &PostOutcome,
    created_at: Timestamp,
) -> Result<idempotency_key::ActiveModel, DatabaseError> {
    Ok(idempotency_key::ActiveModel {
        caller: Set(slot.caller.as_str().to_owned()),
        route: Set(slot.route.clone()),
        key: Set(slot.key.clone()),
        fingerprint: Set(slot.fingerprint.clone()),
        outcome: Set(to_json(outcome)?),
        created_at: Set(created_at.0),
    })
}

/// A shelf as its two columns: whether the file is attached, and since when.
pub(crate) fn shelf(shelf: Shelf) -> (bool, i64) {
    match shelf {
        Shelf::Loose(since) => (false, since.0),
        Shelf::Attached(at) => (true, at.0),
    }
}

pub(crate) fn to_file(row: file::Model) -> Result<File, DatabaseError> {
    let at = Timestamp(row.shelved_at);
    Ok(File {
        id: row.id.into(),
        name: FileName::stored(row.name),
        mime: MediaType::stored(row.mime),
        size: from_column("size", row.size)?,
        sha256: row.sha256,
        uploader: row.uploader.into(),
        created_at: Timestamp(row.created_at),
        shelf: if row.attached { Shelf::Attached(at) } else { Shelf::Loose(at) },
    })
}

/// An attachment, with its message, its channel, and its place among the attachments of the message.
pub(crate) fn to_attachment(
    row: attachment::Model,
) -> Result<(MessageId, ChannelId, u64, Attachment), DatabaseError> {
    let attachment::Model { message_id, position, channel_id, file_id, name, mime, size } = row;
    let (name, mime) = (FileName::stored(name), MediaType::stored(mime));
    let kept = Attachment { id: file_id.into(), name, mime, size: from_column("size", size)? };
    Ok((message_id.into(), channel_id.into(), from_column("position", position)?, kept))
}

pub(crate) fn attachment_row(
    message: &MessageId,
    channel: &ChannelId,
    position: u64,
    kept: &Attachment,
) -> attachment::ActiveModel {
    attachment::ActiveModel {
        message_id: Set(message.as_str().to_owned()),
        position: Set(to_column(position)),
        channel_id: Set(channel.as_str().to_owned()),
        file_id: Set(kept.id.as_str().to_owned()),
        name: Set(kept.name.as_str().to_owned()),
        mime: Set(kept.mime.as_str().to_owned()),
        size: Set(to_column(kept.size)),
    }
}

pub(crate) fn file_row(file: &File) -> file::ActiveModel {
    let (attached, shelved_at) = shelf(file.shelf);
    file::ActiveModel {
        id: Set(file.id.as_str().to_owned()),
        name: Set(file.name.as_str().to_owned()),
        mime: Set(file.mime.as_str().to_owned()),
        size: Set(to_column(file.size)),
        sha256: Set(file.sha256.clone()),
        uploader: Set(file.uploader.as_str().to_owned()),
        created_at: Set(file.created_at.0),
        attached: Set(attached),
        shelved_at: Set(shelved_at),
    }
}
