//! Messages: post, read, edit, delete.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::access::Access;
use super::turns::{decide_command, plan};
use super::{Guild, Limits, ServiceError, files};
use crate::decisions::{Change, ChannelAggregate, Event, IdempotencySlot, Moment};
use crate::model::{
    AgentMentions, Attachment, Author, Caller, Channel, ChannelId, FileId, Message, MessageId, PostOutcome,
    Refusal, Revision, Seq, Timestamp, UserId, UserKind,
};
use crate::ports::{Scope, SeqRange};
use crate::rules::command::Command;
use crate::rules::delivery::{self, Delivered};
use crate::rules::mention;
use crate::rules::turn::Input;

/// A message to post.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Post {
    /// The text as typed.
    pub content: String,
    /// A message of the same channel that it answers.
    pub reply_to: Option<MessageId>,
    /// Files of the author's to attach, in this order; each once, [`FileRules::MAX_ATTACHMENTS`](crate::model::FileRules::MAX_ATTACHMENTS) at most.
    pub attachments: Vec<FileId>,
}

impl Post {
    /// Just a text.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }
}

/// A request's idempotency key (spec/3, messages).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey(String);

impl RequestKey {
    /// The most characters of a key.
    pub const MAX_CHARS: usize = 255;

    /// A key of 1 to [`Self::MAX_CHARS`] characters.
    pub fn parse(key: &str) -> Result<Self, Refusal> {
        if key.is_empty() || key.chars().count() > Self::MAX_CHARS || key.contains('\0') {
            let rule = format!("must have 1 to {} characters", Self::MAX_CHARS);
            return Err(Refusal::field("Idempotency-Key", rule));
        }
        Ok(Self(key.to_owned()))
    }

    /// The slot of a request by this caller on this route; `content` is what makes it this request.
    pub(super) fn slot(self, caller: UserId, route: String, content: &str) -> IdempotencySlot {
        let fingerprint = files::hexadecimal(&Sha256::digest(content.as_bytes()));
        IdempotencySlot { caller, route, key: self.0, fingerprint }
    }
}

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

/// The answer that was already given to this request, if any.
pub(super) fn prior(
    agg: &ChannelAggregate,
    slot: Option<&IdempotencySlot>,
) -> Result<Option<Change>, Refusal> {
    let (Some(prior), Some(slot)) = (&agg.prior, slot) else { return Ok(None) };
    if prior.fingerprint != slot.fingerprint {
        return Err(Refusal::IdempotencyKeyReused);
    }
    Ok(Some(Change { outcome: Some(prior.outcome.clone()), ..Change::default() }))
}

/// Refuses writes to a closed channel.
pub(super) fn open(agg: &ChannelAggregate) -> Result<(), Refusal> {
    if agg.channel.closed { Err(Refusal::ChannelClosed) } else { Ok(()) }
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
        check_content(&post.content, &self.limits)?;
        if post.attachments.is_empty() {
            not_empty(&post.content)?;
        }
        files::check_list(&post.attachments)?;
        let slot = key.map(|key| {
            let target = if let Author::System { wakeup } = author { wakeup.as_ref() } else { None };
            key.slot(author.id(), format!("POST /channels/{id}/messages"), &format!("{target:?}{post:?}"))
        });
        let content = self.translate_names(author, id, &post.content).await?;
        let admin = self.admin().await;
        let scope = Scope {
            channel: id.clone(),
            message: post.reply_to.clone(),
            files: post.attachments.clone(),
            idempotency: slot.clone(),
        };
        let (author, moment, rules) = (author.clone(), self.moment(), self.limits.files);
        let decide = move |agg: &ChannelAggregate| {
            if let Some(prior) = prior(agg, slot.as_ref())? {
                return Ok(prior);
            }
            if let Author::User(caller) = &author {
                Access { channel: agg, user: &caller.user_id, admin: admin.as_ref() }.participate()?;
            }
            open(agg)?;
            if post.reply_to.is_some() && agg.message.is_none() {
                return Err(Refusal::field("replyTo", "is no message of this channel"));
            }
            let attachments = files::attach(agg, &post.attachments, &author, &rules, moment.now)?;
            // A system post has no turn effect, so it is never a command.
            let command = match &author {
                Author::User(_) => Command::intercept(agg.channel.x_type, &content),
                Author::System { .. } => None,
            };
            if let Some(command) = command {
                if !attachments.is_empty() {
                    return Err(Refusal::field("attachmentIds", "a command takes no files"));
                }
                return decide_command(agg, command, &author, &moment);
            }
            let reply_to = post.reply_to.as_ref();
            let new = NewMessage { author: &author, content: &content, attachments, reply_to };
            Ok(decide_message(agg, new, admin.as_ref(), &moment))
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
            // Who has no business here asks nothing of Center. What counts is checked again under the lock.
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
        check_content(&content, &self.limits)?;
        let content = self.translate_names(&Author::User(caller.clone()), channel, &content).await?;
        let (caller, admin, now) = (caller.clone(), self.admin().await, self.ports.clock.now());
        let window = self.limits.edit_window_seconds;
        let decide = move |agg: &ChannelAggregate| {
            Access { channel: agg, user: &caller.user_id, admin: admin.as_ref() }.read()?;
            let message = agg.message.as_ref().ok_or(Refusal::MessageNotFound)?;
            if message.author != caller.user_id {
                return Err(Refusal::NotAuthor);
            }
            if message.deleted_at.is_some() {
                return Err(Refusal::MessageDeleted);
            }
            if message.attachments.is_empty() {
                not_empty(&content)?;
            }
            open(agg)?;
            if window > 0 && now > message.created_at.plus_seconds(window) {
                return Err(Refusal::EditWindowExpired);
            }
            if message.content == content {
                return Ok(Change::default());
            }
            let edited = Message {
                content: content.clone(),
                mentions: mention::parse(&content),
                edited_at: Some(now),
                ..message.clone()
            };
            Ok(Change {
                revision: Some(Revision { content: message.content.clone(), replaced_at: now }),
                updated_message: Some(edited.clone()),
                events: vec![Event::MessageUpdated(edited)],
                ..Change::default()
            })
        };
        self.change_message(channel, id, Arc::new(decide)).await
    }

    /// Deletes a message; its tombstone stays, so seq has no gaps. No reader gets its texts again; they are
    /// erased after [`Limits::retention_days`]. Deleting twice changes nothing.
    pub async fn delete(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        id: &MessageId,
    ) -> Result<Message, ServiceError> {
        let (caller, admin, now) = (caller.clone(), self.admin().await, self.ports.clock.now());
        let kept = self.limits.retention_days > 0;
        let decide = move |agg: &ChannelAggregate| {
            let access = Access { channel: agg, user: &caller.user_id, admin: admin.as_ref() };
            let manages = access.manage().is_ok();
            if !manages {
                access.read()?;
            }
            let message = agg.message.as_ref().ok_or(Refusal::MessageNotFound)?;
            if message.author != caller.user_id && !manages {
                return Err(Refusal::NotAllowedToDelete);
            }
            if message.deleted_at.is_some() {
                return Ok(Change::default());
            }
            let tombstone = message.clone().into_tombstone(now);
            Ok(Change {
                revision: kept.then(|| Revision { content: message.content.clone(), replaced_at: now }),
                updated_message: Some(tombstone.clone()),
                events: vec![Event::MessageDeleted(tombstone)],
                ..Change::default()
            })
        };
        let tombstone = self.change_message(channel, id, Arc::new(decide)).await?;
        if !kept {
            // The message is deleted; what is left of it, should this fail, is found by the next one.
            let _ = self.erase_deleted().await;
        }
        Ok(tombstone)
    }

    /// Commits a decision about one message, and gives the message as it is afterwards.
    async fn change_message(
        &self,
        channel: &ChannelId,
        id: &MessageId,
        decide: crate::ports::Decide,
    ) -> Result<Message, ServiceError> {
        let scope = Scope { message: Some(id.clone()), ..Scope::channel(channel) };
        if let Some(message) = self.commit(scope, decide).await?.updated_message {
            return Ok(message);
        }
        let unchanged = self.ports.store.message(channel, id).await?;
        unchanged.ok_or(ServiceError::Refused(Refusal::MessageNotFound))
    }
}

impl Message {
    /// What is left of a deleted message.
    fn into_tombstone(self, now: Timestamp) -> Self {
        let deleted_at = Some(now);
        Self { content: String::new(), mentions: Vec::new(), attachments: Vec::new(), deleted_at, ..self }
    }
}

/// A message without files says something.
fn not_empty(content: &str) -> Result<(), Refusal> {
    if content.trim().is_empty() { Err(Refusal::field("content", "must not be empty")) } else { Ok(()) }
}

fn check_content(content: &str, limits: &Limits) -> Result<(), Refusal> {
    // Counting is only needed where there may be too many.
    if content.len() > limits.content_max_chars && content.chars().count() > limits.content_max_chars {
        return Err(Refusal::field(
            "content",
            format!("must have at most {} characters", limits.content_max_chars),
        ));
    }
    Ok(())
}

/// A text that is known to be a message.
struct NewMessage<'a> {
    author: &'a Author,
    content: &'a str,
    attachments: Vec<Attachment>,
    reply_to: Option<&'a MessageId>,
}

/// The channel after one more message: next seq, turn transition, and who gets it how.
fn decide_message(
    agg: &ChannelAggregate,
    new: NewMessage<'_>,
    admin: Option<&UserId>,
    moment: &Moment,
) -> Change {
    let mut channel = agg.channel.clone();
    channel.last_seq = channel.last_seq.next();
    channel.agent_run = agent_run(&agg.channel, new.author);
    let message = Message {
        id: moment.message_id.clone(),
        channel_id: channel.id.clone(),
        guild_id: channel.guild_id.clone(),
        seq: channel.last_seq,
        author: new.author.id(),
        content: new.content.to_owned(),
        mentions: mention::parse(new.content),
        attachments: new.attachments,
        reply_to: new.reply_to.cloned(),
        created_at: moment.now,
        edited_at: None,
        deleted_at: None,
        ack: None,
    };
    let summons = if summons(&channel, new.author) { message.mentions.as_slice() } else { &[] };
    let mut turn = agg.turn.clone();
    // A system post has no turn effect.
    if let (Some(record), Author::User(caller)) = (&agg.turn, new.author) {
        let input = Input::Message { author: caller.user_id.clone(), mentioned: summons.to_vec() };
        turn = Some(record.after(&input, channel.settings, moment).0);
    }
    let delivered = Delivered {
        x_type: channel.x_type,
        author: new.author,
        mentions: summons,
        turn: turn.as_ref().map(|record| &record.state),
        is_ack: false,
        admin,
    };
    let plan = plan(&delivered, agg, channel.agent_run, turn.as_ref());
    if let Some(record) = &mut turn {
        record.note_wake(&plan, message.seq);
    }
    let wake_debt = delivery::debt(channel.x_type, &message.author, &plan);
    let created = Event::MessageCreated { message: message.clone(), x_type: channel.x_type, plan };
    let moved =
        turn.as_ref().filter(|turn| Some(*turn) != agg.turn.as_ref()).cloned().map(Event::TurnUpdated);
    Change {
        channel: Some(channel),
        turn,
        outcome: Some(PostOutcome::Message(Box::new(message.clone()))),
        new_message: Some(message),
        wake_debt,
        events: std::iter::once(created).chain(moved).collect(),
        ..Change::default()
    }
}

/// Consecutive messages by agents, this one included. System messages do not count and do not reset.
fn agent_run(channel: &Channel, author: &Author) -> u32 {
    match author {
        Author::User(Caller { kind: UserKind::Agent, .. }) => channel.agent_run.saturating_add(1),
        Author::User(Caller { kind: UserKind::Human, .. }) => 0,
        Author::System { .. } => channel.agent_run,
    }
}

/// Whether this author's mentions summon, or are only words (spec/2 section 9).
fn summons(channel: &Channel, author: &Author) -> bool {
    let is_agent = matches!(author, Author::User(Caller { kind: UserKind::Agent, .. }));
    !(is_agent && channel.settings.agent_mentions == AgentMentions::Text)
}
