//! Writes about files: rows, sums of bytes, and what messages keep of them.
//!
//! Whoever adds or removes a file first locks the row of everybody's usage: sums and rows are changed in one
//! transaction, one after the other. Attaching locks the channel first and then the file's row, and never the
//! usage, so the two ways cannot wait for each other in a circle.

use fabric_domain::model::{File, FileId, Message, Quota, Timestamp, Usage};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::error::{DatabaseError, WriteError};
use crate::query::Lock;
use crate::query::files::{EVERYBODY, find, usage_of, wanted};
use crate::schema::convert::{attachment_row, file_row, shelf, to_column};
use crate::schema::entity::{attachment, file, file_usage};

async fn set_usage(db: &impl ConnectionTrait, owner: &str, bytes: u64) -> Result<(), DatabaseError> {
    let row = file_usage::ActiveModel { owner: Set(owner.to_owned()), bytes: Set(to_column(bytes)) };
    file_usage::Entity::update(row).exec_without_returning(db).await?;
    Ok(())
}

/// Adds a file within the quota. Adding the same file again changes nothing: a caller that lost the answer may repeat.
pub(crate) async fn add(db: &impl ConnectionTrait, file: &File, quota: Quota) -> Result<(), WriteError> {
    let guild = usage_of(db, EVERYBODY, Lock::ForUpdate).await?.unwrap_or_default();
    if find(db, &file.id).await?.is_some() {
        return Ok(());
    }
    let own = usage_of(db, file.uploader.as_str(), Lock::ForUpdate).await?;
    let used = Usage { guild, user: own.unwrap_or_default() };
    quota.admits(used, file.size).map_err(WriteError::Refused)?;
    file::Entity::insert(file_row(file)).exec_without_returning(db).await.map_err(DatabaseError::from)?;
    set_usage(db, EVERYBODY, used.guild.saturating_add(file.size)).await?;
    let bytes = used.user.saturating_add(file.size);
    if own.is_some() {
        set_usage(db, file.uploader.as_str(), bytes).await?;
    } else {
        let owner = Set(file.uploader.as_str().to_owned());
        let row = file_usage::ActiveModel { owner, bytes: Set(to_column(bytes)) };
        file_usage::Entity::insert(row).exec_without_returning(db).await.map_err(DatabaseError::from)?;
    }
    Ok(())
}

/// Removes a file, unless it was attached or detached since it was read.
pub(crate) async fn remove(db: &impl ConnectionTrait, file: &File) -> Result<(), DatabaseError> {
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

/// Notes what a new message keeps of its files, and that they are attached.
pub(crate) async fn attach(db: &impl ConnectionTrait, message: &Message) -> Result<(), DatabaseError> {
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

/// Takes the attachments of a deleted message away; files that no other message has become loose.
pub(crate) async fn detach(
    db: &impl ConnectionTrait,
    before: &Message,
    at: Timestamp,
) -> Result<(), DatabaseError> {
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
