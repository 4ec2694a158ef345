//! Rows of files, how many bytes they are, and what messages keep of them.
//!
//! Whoever adds or removes a file first locks the row of everybody's usage: sums and rows are changed in one
//! transaction, one after the other. Attaching locks the channel first and then the file's row, and never the
//! usage, so the two ways cannot wait for each other in a circle.

use std::collections::{HashMap, HashSet};

use fabric_domain::model::{
    Attachment, ChannelId, File, FileId, FileName, MediaType, Message, MessageId, Quota, Shelf, Timestamp,
    Usage, UserId,
};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::convert::{self, from_column, to_column};
use crate::entity::{attachment, file, file_usage, message};
use crate::fault::{Failed, Fault};
use crate::read::Lock;

/// The owner of the row of everybody's usage. No user has an empty id.
const EVERYBODY: &str = "";

fn shelf(shelf: Shelf) -> (bool, i64) {
    match shelf {
        Shelf::Loose(since) => (false, since.0),
        Shelf::Attached(at) => (true, at.0),
    }
}

fn to_file(row: file::Model) -> Result<File, Fault> {
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

/// What a message keeps of a file: which message, in which channel, at which place.
pub(crate) fn to_attachment(
    row: attachment::Model,
) -> Result<(MessageId, ChannelId, u64, Attachment), Fault> {
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

async fn usage_of(db: &impl ConnectionTrait, owner: &str, lock: Lock) -> Result<Option<u64>, Fault> {
    let mut query = file_usage::Entity::find_by_id(owner);
    if lock == Lock::ForUpdate {
        query = query.lock_exclusive();
    }
    query.one(db).await?.map(|row| from_column("usage", row.bytes)).transpose()
}

async fn set_usage(db: &impl ConnectionTrait, owner: &str, bytes: u64) -> Result<(), Fault> {
    let row = file_usage::ActiveModel { owner: Set(owner.to_owned()), bytes: Set(to_column(bytes)) };
    file_usage::Entity::update(row).exec_without_returning(db).await?;
    Ok(())
}

/// How many bytes there are.
pub(crate) async fn usage(db: &impl ConnectionTrait, user: &UserId) -> Result<Usage, Fault> {
    Ok(Usage {
        guild: usage_of(db, EVERYBODY, Lock::Free).await?.unwrap_or_default(),
        user: usage_of(db, user.as_str(), Lock::Free).await?.unwrap_or_default(),
    })
}

/// Adds a file within the quota. Once more the same file changes nothing: a lost answer may be asked for again.
pub(crate) async fn add(db: &impl ConnectionTrait, file: &File, quota: Quota) -> Result<(), Failed> {
    let guild = usage_of(db, EVERYBODY, Lock::ForUpdate).await?.unwrap_or_default();
    if find(db, &file.id).await?.is_some() {
        return Ok(());
    }
    let own = usage_of(db, file.uploader.as_str(), Lock::ForUpdate).await?;
    let used = Usage { guild, user: own.unwrap_or_default() };
    quota.admits(used, file.size).map_err(Failed::Refused)?;
    file::Entity::insert(file_row(file)).exec_without_returning(db).await.map_err(Fault::from)?;
    set_usage(db, EVERYBODY, used.guild.saturating_add(file.size)).await?;
    let bytes = used.user.saturating_add(file.size);
    if own.is_some() {
        set_usage(db, file.uploader.as_str(), bytes).await?;
    } else {
        let owner = Set(file.uploader.as_str().to_owned());
        let row = file_usage::ActiveModel { owner, bytes: Set(to_column(bytes)) };
        file_usage::Entity::insert(row).exec_without_returning(db).await.map_err(Fault::from)?;
    }
    Ok(())
}

/// Removes a file that is still on the shelf where it was seen.
pub(crate) async fn remove(db: &impl ConnectionTrait, file: &File) -> Result<(), Fault> {
    let guild = usage_of(db, EVERYBODY, Lock::ForUpdate).await?.unwrap_or_default();
    let (attached, shelved_at) = shelf(file.shelf);
    let removed = file::Entity::delete_many()
        .filter(file::Column::Id.eq(file.id.as_str()))
        .filter(file::Column::Attached.eq(attached))
        .filter(file::Column::ShelvedAt.eq(shelved_at))
        .exec(db)
        .await?;
    if removed.rows_affected == 0 {
        return Ok(());
    }
    set_usage(db, EVERYBODY, guild.saturating_sub(file.size)).await?;
    let user = usage_of(db, file.uploader.as_str(), Lock::ForUpdate).await?.unwrap_or_default();
    if user > file.size {
        return set_usage(db, file.uploader.as_str(), user - file.size).await;
    }
    // Users come and go; those without files need no row.
    file_usage::Entity::delete_by_id(file.uploader.as_str()).exec(db).await?;
    Ok(())
}

/// One file.
pub(crate) async fn find(db: &impl ConnectionTrait, id: &FileId) -> Result<Option<File>, Fault> {
    file::Entity::find_by_id(id.as_str()).one(db).await?.map(to_file).transpose()
}

/// Files that a decision may attach, in the order of their ids: two that want the same ones do not wait for
/// each other in a circle.
pub(crate) async fn wanted(
    db: &impl ConnectionTrait,
    ids: &[FileId],
    lock: Lock,
) -> Result<Vec<File>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = file::Entity::find()
        .filter(file::Column::Id.is_in(ids.iter().map(FileId::as_str)))
        .order_by_asc(file::Column::Id);
    if lock == Lock::ForUpdate {
        query = query.lock_exclusive();
    }
    query.all(db).await?.into_iter().map(to_file).collect()
}

/// Notes what a new message keeps of its files, and that they are attached.
pub(crate) async fn attach(db: &impl ConnectionTrait, message: &Message) -> Result<(), Fault> {
    if message.attachments.is_empty() {
        return Ok(());
    }
    let rows = message.attachments.iter().zip(0..);
    let rows = rows.map(|(kept, place)| attachment_row(&message.id, &message.channel_id, place, kept));
    attachment::Entity::insert_many(rows).exec_without_returning(db).await?;
    let ids = message.attachments.iter().map(|kept| kept.id.as_str());
    file::Entity::update_many()
        .col_expr(file::Column::Attached, Expr::value(true))
        .col_expr(file::Column::ShelvedAt, Expr::value(message.created_at.0))
        .filter(file::Column::Id.is_in(ids))
        .exec(db)
        .await?;
    Ok(())
}

/// The message is deleted: nothing is read through it any more, and files that no other message has are loose.
pub(crate) async fn detach(db: &impl ConnectionTrait, before: &Message, at: Timestamp) -> Result<(), Fault> {
    if before.attachments.is_empty() {
        return Ok(());
    }
    let ids: Vec<FileId> = before.attachments.iter().map(|kept| kept.id.clone()).collect();
    // Locked before anybody looks which other messages have them: one that is being posted right now counts.
    wanted(db, &ids, Lock::ForUpdate).await?;
    attachment::Entity::delete_many()
        .filter(attachment::Column::MessageId.eq(before.id.as_str()))
        .exec(db)
        .await?;
    let elsewhere = Query::select()
        .column(attachment::Column::FileId)
        .from(attachment::Entity)
        .and_where(attachment::Column::FileId.is_in(ids.iter().map(FileId::as_str)))
        .take();
    file::Entity::update_many()
        .col_expr(file::Column::Attached, Expr::value(false))
        .col_expr(file::Column::ShelvedAt, Expr::value(at.0))
        .filter(file::Column::Id.is_in(ids.iter().map(FileId::as_str)))
        .filter(file::Column::Id.not_in_subquery(elsewhere))
        .exec(db)
        .await?;
    Ok(())
}

/// Messages, with what they keep of their files.
pub(crate) async fn messages(
    db: &impl ConnectionTrait,
    rows: Vec<message::Model>,
) -> Result<Vec<Message>, Fault> {
    let ids = rows.iter().filter(|row| row.deleted_at.is_none()).map(|row| row.id.as_str());
    let ids: Vec<&str> = ids.collect();
    let mut kept: HashMap<String, Vec<Attachment>> = HashMap::new();
    if !ids.is_empty() {
        let attached = attachment::Entity::find()
            .filter(attachment::Column::MessageId.is_in(ids))
            .order_by_asc(attachment::Column::MessageId)
            .order_by_asc(attachment::Column::Position)
            .all(db)
            .await?;
        for row in attached {
            let (message, _, _, attachment) = to_attachment(row)?;
            kept.entry(message.into()).or_default().push(attachment);
        }
    }
    let message = |row: message::Model| {
        let attachments = kept.remove(&row.id).unwrap_or_default();
        Ok(Message { attachments, ..convert::message(row)? })
    };
    rows.into_iter().map(message).collect()
}

/// Channels in which a file is attached.
pub(crate) async fn channels(db: &impl ConnectionTrait, id: &FileId) -> Result<Vec<ChannelId>, Fault> {
    let ids: Vec<String> = attachment::Entity::find()
        .select_only()
        .column(attachment::Column::ChannelId)
        .distinct()
        .filter(attachment::Column::FileId.eq(id.as_str()))
        .order_by_asc(attachment::Column::ChannelId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(ChannelId::from).collect())
}

/// The oldest files of each shelf that were put there before these moments.
pub(crate) async fn expired(
    db: &impl ConnectionTrait,
    loose: Timestamp,
    attached: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<File>, Fault> {
    let mut files = Vec::new();
    for (is_attached, before) in [(false, Some(loose)), (true, attached)] {
        let Some(before) = before else { continue };
        let room = u64::from(limit).saturating_sub(files.len() as u64);
        let rows = file::Entity::find()
            .filter(file::Column::Attached.eq(is_attached))
            .filter(file::Column::ShelvedAt.lt(before.0))
            .order_by_asc(file::Column::ShelvedAt)
            .order_by_asc(file::Column::Id)
            .limit(room)
            .all(db)
            .await?;
        for row in rows {
            files.push(to_file(row)?);
        }
    }
    Ok(files)
}

/// Files by id.
pub(crate) async fn after(
    db: &impl ConnectionTrait,
    after: Option<&FileId>,
    limit: u32,
) -> Result<Vec<File>, Fault> {
    // No id is empty.
    let after = after.map(FileId::as_str).unwrap_or_default();
    let query = file::Entity::find()
        .filter(file::Column::Id.gt(after))
        .order_by_asc(file::Column::Id)
        .limit(u64::from(limit));
    query.all(db).await?.into_iter().map(to_file).collect()
}

/// Which of these there are.
pub(crate) async fn known(db: &impl ConnectionTrait, ids: &[FileId]) -> Result<HashSet<FileId>, Fault> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let known: Vec<String> = file::Entity::find()
        .select_only()
        .column(file::Column::Id)
        .filter(file::Column::Id.is_in(ids.iter().map(FileId::as_str)))
        .into_tuple()
        .all(db)
        .await?;
    Ok(known.into_iter().map(FileId::from).collect())
}
