//! Messages: post, read, edit, delete.

use std::sync::Arc;

use super::{Guild, RequestKey, ServiceError};
use crate::decisions::messages::{self, Post, Posting};
use crate::decisions::{Change, ChannelAggregate, once};
use crate::model::{Author, Caller, ChannelId, Message, MessageId, PostOutcome, Refusal, Revision, Seq};
use crate::ports::{Scope, SeqRange};
use crate::rules::mention;

/// So many names are looked up for one text; the rest stays as typed. Nobody types more, and each is a question
/// to Center.
const MAX_NAMES: usize = 100;

/// A page of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Ascending by seq.
    pub messages: Vec<Message>,
    /// Seq of the channel's newest message.
    pub last_seq: Seq,
    /// Whether the asked range goes on in the direction of reading.
    pub has_more: bool,
}

/// What makes two posts the same request. Its words are stored, as a digest, for as long as keys are kept: what a
/// later version adds stands at the end, and only where it is used, so that a retry over an upgrade is recognised.
fn fingerprint(post: &Post) -> String {
    let Post { content, reply_to, attachments, turn } = post;
    let of_turn = turn.map(|turn| format!(" of turn {turn}")).unwrap_or_default();
    format!("Post {{ content: {content:?}, reply_to: {reply_to:?}, attachments: {attachments:?} }}{of_turn}")
}

impl Guild {
    /// Posts a message, or carries out the command that its text is (spec/2 section 7, processing order).
    pub async fn post(
        &self,
        author: &Author,
        id: &ChannelId,
        post: Post,
        key: Option<RequestKey>,
    ) -> Result<PostOutcome, ServiceError> {
        post.check(&self.limits)?;
        let slot = key.map(|key| {
            let target = if let Author::System { wakeup } = author { wakeup.as_ref() } else { None };
            let asked = format!("{target:?}{}", fingerprint(&post));
            key.slot(author.id(), format!("POST /channels/{id}/messages"), &asked)
        });
        let post = Post { content: self.translate_names(author, id, &post.content).await?, ..post };
        let scope = Scope {
            channel: id.clone(),
            message: post.reply_to.clone(),
            files: post.attachments.clone(),
            idempotency: slot.clone(),
        };
        let (author, admin, active) = (author.clone(), self.admin().await, self.active());
        let (limits, moment) = (self.limits, self.moment());
        let decide = move |channel: &ChannelAggregate| {
            let posting = Posting {
                post: &post,
                author: &author,
                admin: admin.as_ref(),
                active: &active,
                limits: &limits,
            };
            once(channel, slot.as_ref(), || messages::post(channel, posting, &moment))
        };
        let change = self.commit(scope, Arc::new(decide)).await?;
        // Every way through the decision sets an outcome.
        change.outcome.ok_or(ServiceError::Refused(Refusal::MessageNotFound))
    }

    /// Rewrites name tokens to ids: those of the first [`MAX_NAMES`] names. What Center does not know, or
    /// cannot be asked, stays as typed.
    async fn translate_names(
        &self,
        author: &Author,
        channel: &ChannelId,
        content: &str,
    ) -> Result<String, ServiceError> {
        let mut names = mention::names(content);
        names.truncate(MAX_NAMES);
        if names.is_empty() {
            return Ok(content.to_owned());
        }
        if let Author::User(caller) = author {
            // Center is not asked on behalf of somebody who may not read the channel. The decision checks again.
            self.readable(caller, channel).await?;
        }
        let known = self.ports.center.resolve_names(&names).await.unwrap_or_default();
        Ok(mention::translate_names(content, |name| known.get(name)))
    }

    /// One message of a channel that the caller may read.
    pub async fn message(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        id: &MessageId,
    ) -> Result<Message, ServiceError> {
        self.readable(caller, channel).await?;
        let message = self.ports.store.message(channel, id).await?;
        message.ok_or(ServiceError::Refused(Refusal::MessageNotFound))
    }

    /// A page of messages of a channel that the caller may read.
    pub async fn messages(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        range: SeqRange,
        limit: u32,
    ) -> Result<Page, ServiceError> {
        let last_seq = self.readable(caller, channel).await?.channel.last_seq;
        let messages = self.ports.store.page(channel, range, limit).await?;
        let has_more = match (messages.first(), messages.last()) {
            // Reading forward.
            (_, Some(last)) if range.from.is_some() => last.seq < range.to.unwrap_or(last_seq).min(last_seq),
            // Reading back from the newest.
            (Some(first), _) => first.seq > Seq(1),
            _ => false,
        };
        Ok(Page { messages, last_seq, has_more })
    }

    /// Former texts of a message, oldest first; none of a deleted one.
    pub async fn revisions(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        id: &MessageId,
    ) -> Result<Vec<Revision>, ServiceError> {
        if self.message(caller, channel, id).await?.deleted_at.is_some() {
            return Ok(Vec::new());
        }
        Ok(self.ports.store.revisions(id).await?)
    }

    /// Replaces a message's text. Mentions are parsed again for show, but nobody is woken and no turn
    /// moves (spec/2 section 2).
    pub async fn edit(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        id: &MessageId,
        content: String,
    ) -> Result<Message, ServiceError> {
        let (limits, now) = (self.limits, self.ports.clock.now());
        limits.check_content(&content)?;
        let content = self.translate_names(&Author::User(caller.clone()), channel, &content).await?;
        let scope = Scope { message: Some(id.clone()), ..Scope::channel(channel) };
        let edited = self.change(caller, scope, move |access| messages::edit(access, &content, &limits, now));
        self.changed_message(channel, id, edited.await?).await
    }

    /// Deletes a message; its tombstone stays, so seq has no gaps. No reader gets its texts again; they are
    /// erased after [`Limits::retention_days`](crate::decisions::Limits::retention_days). Deleting twice changes
    /// nothing.
    pub async fn delete(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        id: &MessageId,
    ) -> Result<Message, ServiceError> {
        let (limits, now) = (self.limits, self.ports.clock.now());
        let scope = Scope { message: Some(id.clone()), ..Scope::channel(channel) };
        let deleted = self.change(caller, scope, move |access| messages::delete(access, &limits, now));
        let tombstone = self.changed_message(channel, id, deleted.await?).await?;
        if limits.retention_days == 0 {
            // The message is deleted; what is left of it, should this fail, is found by the next one.
            let _ = self.erase_deleted().await;
        }
        Ok(tombstone)
    }

    /// The message as it is after a change of it.
    async fn changed_message(
        &self,
        channel: &ChannelId,
        id: &MessageId,
        change: Change,
    ) -> Result<Message, ServiceError> {
        if let Some(message) = change.updated_message {
            return Ok(message);
        }
        let unchanged = self.ports.store.message(channel, id).await?;
        unchanged.ok_or(ServiceError::Refused(Refusal::MessageNotFound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_over_an_upgrade_is_recognised() {
        let post =
            Post { reply_to: Some("m".into()), attachments: vec!["f".into()], ..Post::text("a \"b\"") };
        let kept = r#"Post { content: "a \"b\"", reply_to: Some(m), attachments: [f] }"#;
        assert_eq!(fingerprint(&post), kept, "as every version has written it");
        let of_turn = Post { turn: Some(7), ..post };
        assert_eq!(fingerprint(&of_turn), format!("{kept} of turn 7"));
    }
}
