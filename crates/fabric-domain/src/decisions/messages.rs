//! Messages: post, edit, delete (spec/3 section 6).

use super::writing::{After, NewMessage, append};
use super::{Access, Change, ChannelAggregate, Event, Limits, Moment, files, turns};
use crate::model::{
    Active, AgentMentions, Author, Caller, Channel, FileId, Message, MessageId, PostOutcome, Refusal,
    Revision, Timestamp, UserId, UserKind,
};
use crate::rules::command::Command;
use crate::rules::mention;
use crate::rules::turn::Input;

/// A message to post.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Post {
    /// The text as typed.
    pub content: String,
    /// A message of the same channel that it answers.
    pub reply_to: Option<MessageId>,
    /// Files of the author's to attach, in this order; each once,
    /// [`FileRules::MAX_ATTACHMENTS`](crate::model::FileRules::MAX_ATTACHMENTS) at most.
    pub attachments: Vec<FileId>,
    /// The turn that it takes; one that is over makes it a queue jump (spec/2 section 7). None takes whichever
    /// turn it is. Nothing in system posts, and where there are no turns.
    pub turn: Option<u64>,
}

impl Post {
    /// Just a text.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// Refuses what is wrong with it whatever the channel.
    pub fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        limits.check_content(&self.content)?;
        if self.attachments.is_empty() {
            require_text(&self.content)?;
        }
        files::check_ids(&self.attachments)
    }
}

/// A message without files says something.
fn require_text(content: &str) -> Result<(), Refusal> {
    if content.trim().is_empty() { Err(Refusal::field("content", "must not be empty")) } else { Ok(()) }
}

/// Somebody posts.
#[derive(Debug, Clone, Copy)]
pub struct Posting<'a> {
    /// What: [checked](Post::check), and with names translated to ids.
    pub post: &'a Post,
    /// Who.
    pub author: &'a Author,
    /// Center's admin, who observes a `triage`.
    pub admin: Option<&'a UserId>,
    /// Who may be summoned and woken.
    pub active: &'a Active,
    /// What the guild allows.
    pub limits: &'a Limits,
}

/// The message is written, or the command carried out that its text is (spec/2 section 7, processing order).
pub fn post(channel: &ChannelAggregate, posting: Posting<'_>, moment: &Moment) -> Result<Change, Refusal> {
    let Posting { post, author, admin, active, limits } = posting;
    if let Author::User(caller) = author {
        Access { channel, user: &caller.user_id, admin }.require_participant()?;
    }
    channel.require_open()?;
    if post.reply_to.is_some() && channel.message.is_none() {
        return Err(Refusal::field("replyTo", "is no message of this channel"));
    }
    let attachments = files::attach(channel, &post.attachments, author, &limits.files, moment.now)?;
    if let Author::User(caller) = author
        && let Some(command) = Command::intercept(channel.channel.channel_type, &post.content)
    {
        if !attachments.is_empty() {
            return Err(Refusal::field("attachmentIds", "a command takes no files"));
        }
        return turns::carry_out(channel, command, post.turn, &caller.user_id, moment);
    }
    let summons = summons(&channel.channel, author);
    let mentions = mention::parse(&post.content);
    // A system post has no turn effect.
    let turn = match (&channel.turn, author) {
        (Some(turn), Author::User(caller)) => {
            let is_summoned = |user: &&UserId| summons && active.is_active(user);
            let mentioned = mentions.iter().filter(is_summoned).cloned().collect();
            let input = Input::Message { author: caller.user_id.clone(), mentioned, turn: post.turn };
            Some(turn.after(&input, channel.channel.settings, moment).0)
        }
        (turn, _) => turn.clone(),
    };
    let reply_to = post.reply_to.as_ref();
    let new =
        NewMessage { author, content: &post.content, mentions, summons, attachments, reply_to, ack: None };
    let after = After { agent_run: agent_run(&channel.channel, author), turn, admin, active };
    let (change, message) = append(channel, new, after, moment);
    Ok(Change { outcome: Some(PostOutcome::Message(Box::new(message))), ..change })
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

/// The author replaces the text of [`ChannelAggregate::message`]. Mentions are parsed again for show, but nobody is
/// woken and no turn moves (spec/2 section 2).
pub fn edit(access: Access<'_>, content: &str, limits: &Limits, now: Timestamp) -> Result<Change, Refusal> {
    access.require_reader()?;
    let message = access.channel.require_message()?;
    if message.author != *access.user {
        return Err(Refusal::NotAuthor);
    }
    if message.deleted_at.is_some() {
        return Err(Refusal::MessageDeleted);
    }
    if message.attachments.is_empty() {
        require_text(content)?;
    }
    access.channel.require_open()?;
    let window = limits.edit_window_seconds;
    if window > 0 && now > message.created_at.plus_seconds(window) {
        return Err(Refusal::EditWindowExpired);
    }
    if message.content == content {
        return Ok(Change::default());
    }
    let edited = Message {
        content: content.to_owned(),
        mentions: mention::parse(content),
        edited_at: Some(now),
        ..message.clone()
    };
    Ok(Change {
        revision: Some(Revision { content: message.content.clone(), replaced_at: now }),
        updated_message: Some(edited.clone()),
        events: vec![Event::MessageUpdated(edited)],
        ..Change::default()
    })
}

/// The author, or who manages the channel, deletes [`ChannelAggregate::message`]. Its tombstone stays, so seq has no
/// gaps; its text stays out of sight where texts are retained. Deleting twice changes nothing.
pub fn delete(access: Access<'_>, limits: &Limits, now: Timestamp) -> Result<Change, Refusal> {
    let manages = access.require_manager().is_ok();
    if !manages {
        access.require_reader()?;
    }
    let message = access.channel.require_message()?;
    if message.author != *access.user && !manages {
        return Err(Refusal::NotAllowedToDelete);
    }
    if message.deleted_at.is_some() {
        return Ok(Change::default());
    }
    let is_retained = limits.retention_days > 0;
    let tombstone = tombstone(message.clone(), now);
    Ok(Change {
        revision: is_retained.then(|| Revision { content: message.content.clone(), replaced_at: now }),
        updated_message: Some(tombstone.clone()),
        events: vec![Event::MessageDeleted(tombstone)],
        ..Change::default()
    })
}

/// What is left of a deleted message.
fn tombstone(message: Message, now: Timestamp) -> Message {
    Message {
        content: String::new(),
        mentions: Vec::new(),
        attachments: Vec::new(),
        deleted_at: Some(now),
        ..message
    }
}
