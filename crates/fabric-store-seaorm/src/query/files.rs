//! Rows of files, and how many bytes they are.

use std::collections::HashSet;

use fabric_domain::model::{ChannelId, File, FileId, Timestamp, Usage, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::Lock;
use crate::error::DatabaseError;
use crate::schema::convert::{from_column, to_file};
use crate::schema::entity::{attachment, file, file_usage};

/// The owner of the row of everybody's usage. No user has an empty id.
pub(crate) const EVERYBODY: &str = "";

/// How many bytes an owner's files are together, a user's or [`EVERYBODY`]'s; `None` when there is no row of theirs.
pub(crate) async fn usage_of(
    db: &impl ConnectionTrait,
    owner: &str,
    lock: Lock,
) -> Result<Option<u64>, DatabaseError> {
    let mut query = file_usage::Entity::find_by_id(owner);
    if lock == Lock::ForUpdate {
        query = query.lock_exclusive();
    }
    query.one(db).await?.map(|row| from_column("usage", row.bytes)).transpose()
}

/// How many bytes all files have together, and those of one user.
pub(crate) async fn usage(db: &impl ConnectionTrait, user: &UserId) -> Result<Usage, DatabaseError> {
    Ok(Usage {
        guild: usage_of(db, EVERYBODY, Lock::Free).await?.unwrap_or_default(),
        user: usage_of(db, user.as_str(), Lock::Free).await?.unwrap_or_default(),
    })
}

/// One file.
pub(crate) async fn find(db: &impl ConnectionTrait, id: &FileId) -> Result<Option<File>, DatabaseError> {
    file::Entity::find_by_id(id.as_str()).one(db).await?.map(to_file).transpose()
}

/// Files that a decision may attach, locked in the order of their ids, so that two transactions that want the same
/// files do not deadlock.
pub(crate) async fn wanted(
    db: &impl ConnectionTrait,
    ids: &[FileId],
    lock: Lock,
) -> Result<Vec<File>, DatabaseError> {
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

/// Channels in which a file is attached.
pub(crate) async fn channels(
    db: &impl ConnectionTrait,
    id: &FileId,
) -> Result<Vec<ChannelId>, DatabaseError> {
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
) -> Result<Vec<File>, DatabaseError> {
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

/// The next files in the order of their ids.
pub(crate) async fn after(
    db: &impl ConnectionTrait,
    after: Option<&FileId>,
    limit: u32,
) -> Result<Vec<File>, DatabaseError> {
    // No id is empty.
    let after = after.map(FileId::as_str).unwrap_or_default();
    let query = file::Entity::find()
        .filter(file::Column::Id.gt(after))
        .order_by_asc(file::Column::Id)
        .limit(u64::from(limit));
    query.all(db).await?.into_iter().map(to_file).collect()
}

/// Those of these files that have a row.
pub(crate) async fn known(
    db: &impl ConnectionTrait,
    ids: &[FileId],
) -> Result<HashSet<FileId>, DatabaseError> {
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
