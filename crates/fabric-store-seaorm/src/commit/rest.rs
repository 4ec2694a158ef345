//! What of a change is written by itself, after its channel's row and its new message: members, attachments, edits and
//! deletions.

use std::collections::HashSet;

use fabric_domain::decisions::{Change, ChannelAggregate};
use fabric_domain::model::{ChannelId, Member, Members, Message, MessageId, Revision, Seq, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::{files, retention};
use crate::error::DatabaseError;
use crate::query;
use crate::schema::convert;
use crate::schema::entity::{member, message, revision};
use crate::search;

/// The most members of one statement.
const MEMBERS_AT_ONCE: usize = 500;

/// What a change needs to know of its channel before it, to be written.
pub(super) struct Rest {
    channel: ChannelId,
    /// The newest message.
    last_seq: Seq,
    /// Which of the upserted members are new.
    joined: HashSet<UserId>,
    /// The message that is edited or deleted, as it was.
    message: Option<Message>,
}

impl Rest {
    /// `None` where nothing is left.
    pub(super) fn of(change: &Change, before: &ChannelAggregate) -> Option<Self> {
        let attaches = change.new_message.as_ref().is_some_and(|message| !message.attachments.is_empty());
        let has_members = !change.upserted_members.is_empty() || !change.removed_members.is_empty();
        if !attaches && !has_members && change.updated_message.is_none() {
            return None;
        }
        let is_new = |user: &&UserId| !before.is_member(user) || change.removed_members.contains(user);
        let upserted = change.upserted_members.iter().map(|member| &member.user_id);
        Some(Self {
            channel: before.channel.id.clone(),
            last_seq: before.channel.last_seq,
            joined: upserted.filter(is_new).cloned().collect(),
            message: before.message.clone(),
        })
    }

    /// Writes it; `members` are those after the change.
    pub(super) async fn write(
        &self,
        db: &impl ConnectionTrait,
        change: &Change,
        members: &Members,
    ) -> Result<(), DatabaseError> {
        self.remove_members(db, &change.removed_members).await?;
        let (joined, stayed): (Vec<&Member>, Vec<&Member>) =
            change.upserted_members.iter().partition(|member| self.joined.contains(&member.user_id));
        self.add_members(db, &joined, members).await?;
        for wake_mapped in [false, true] {
            let users = stayed.iter().filter(|member| member.wake_mapped == wake_mapped);
            self.map_members(db, &users.map(|member| &member.user_id).collect::<Vec<_>>(), wake_mapped)
                .await?;
        }
        if let Some(message) = &change.new_message {
            files::attach(db, message).await?;
        }
        if let Some(message) = &change.updated_message {
            self.replace_message(db, message, change.revision.as_ref()).await?;
        }
        Ok(())
    }

    async fn remove_members(&self, db: &impl ConnectionTrait, users: &[UserId]) -> Result<(), DatabaseError> {
        for users in users.chunks(MEMBERS_AT_ONCE) {
            member::Entity::delete_many()
                .filter(member::Column::ChannelId.eq(self.channel.as_str()))
                .filter(member::Column::UserId.is_in(users.iter().map(UserId::as_str)))
                .exec(db)
                .await?;
        }
        Ok(())
    }

    async fn add_members(
        &self,
        db: &impl ConnectionTrait,
        joined: &[&Member],
        members: &Members,
    ) -> Result<(), DatabaseError> {
        for joined in joined.chunks(MEMBERS_AT_ONCE) {
            let rows = joined.iter().map(|Member { user_id, wake_mapped }| {
                let position = members.position(user_id).unwrap_or_default();
                // Nobody is owed what was before them.
                convert::member_row(&self.channel, user_id, *wake_mapped, position, self.last_seq)
            });
            member::Entity::insert_many(rows.collect::<Vec<_>>()).exec_without_returning(db).await?;
        }
        Ok(())
    }

    async fn map_members(
        &self,
        db: &impl ConnectionTrait,
        users: &[&UserId],
        wake_mapped: bool,
    ) -> Result<(), DatabaseError> {
        for users in users.chunks(MEMBERS_AT_ONCE) {
            member::Entity::update_many()
                .col_expr(member::Column::WakeMapped, Expr::value(wake_mapped))
                .filter(member::Column::ChannelId.eq(self.channel.as_str()))
                .filter(member::Column::UserId.is_in(users.iter().map(|user| user.as_str())))
                .exec(db)
                .await?;
        }
        Ok(())
    }

    async fn replace_message(
        &self,
        db: &impl ConnectionTrait,
        message: &Message,
        revision: Option<&Revision>,
    ) -> Result<(), DatabaseError> {
        if let Some(revision) = revision {
            keep_revision(db, &message.id, revision).await?;
        }
        if let Some(at) = message.deleted_at {
            retention::note_deletion(db, &message.id, at).await?;
            if let Some(before) = &self.message {
                files::detach(db, before, at).await?;
            }
        }
        let row = convert::message_row(message)?;
        message::Entity::update(row).exec_without_returning(db).await?;
        search::rewritten(db, message).await
    }
}

async fn keep_revision(
    db: &impl ConnectionTrait,
    message: &MessageId,
    revision: &Revision,
) -> Result<(), DatabaseError> {
    let number = query::messages::next_revision(db, message).await?;
    let row = convert::revision_row(message, number, revision, None);
    revision::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}
