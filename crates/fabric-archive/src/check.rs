//! Whether lines belong together. The same checks run on what is exported, before an import writes anything,
//! and once more while it writes.
//!
//! The memory of a check grows with the number of channels and of the members of one channel, and with nothing else.
//! Two things are left to the database because of that: that ids of messages are unique, and that answered, numbered
//! and revised messages are there (`import.rs`).

use std::collections::{HashMap, HashSet};

use fabric_domain::decisions::TurnRecord;
use fabric_domain::model::{ChannelId, FileId, GuildId, MessageId, Revision, Seq, UserId};

use crate::bytes;
use crate::line::{
    AttachmentLine, ChannelLine, FileLine, IdempotencyLine, MemberLine, MessageLine, OwedWakeLine,
    PresenceLine, ReadMarkerLine, RevisionLine, SearchOrderLine,
};
use crate::part::Part;
use crate::port::Record;

/// The error says what is wrong with a line.
pub(crate) type Checked<T> = Result<T, String>;

/// What was seen of an archive so far.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    channels: HashMap<ChannelId, Facts>,
    last_channel: Option<ChannelId>,
    last_member: Option<(ChannelId, u64)>,
    members: HashSet<UserId>,
    last_message: Option<ChannelId>,
    /// Messages that can be found by searching, and those of them that have a number.
    findable: u64,
    numbered: u64,
    last_number: Option<i64>,
    last_attachment: Option<(MessageId, u64)>,
    last_revision: Option<(MessageId, u64)>,
    last_read_marker: Option<(ChannelId, UserId)>,
    last_presence: Option<UserId>,
    last_owed_wake: Option<(ChannelId, Seq)>,
    last_idempotency_key: Option<(UserId, String, String)>,
    last_file: Option<FileId>,
}

/// What is kept of a channel.
#[derive(Debug)]
struct Facts {
    guild: GuildId,
    last_seq: Seq,
    /// Up to which seq its messages were there.
    seen: Seq,
    /// Members that its turn names and that were not seen yet; `None` where there are no turns.
    awaited: Option<HashSet<UserId>>,
}

impl Checker {
    pub(crate) fn channel(&mut self, line: ChannelLine) -> Checked<Record> {
        ascends(&mut self.last_channel, line.id.clone())?;
        let (channel, turn) = line.into_channel()?;
        id("id", channel.id.as_str())?;
        id("guildId", channel.guild_id.as_str())?;
        id("createdBy", channel.created_by.as_str())?;
        length("name", &channel.name, 100)?;
        column("lastSeq", channel.last_seq.0)?;
        column("version", channel.version)?;
        if channel.channel_type.has_turns() != turn.is_some() {
            return Err(format!("a turn belongs to a channel of type {} or does not", channel.channel_type));
        }
        let awaited = turn.as_ref().map(|turn| {
            let TurnRecord { state, .. } = turn;
            state.order().iter().chain(state.bypass()).cloned().collect()
        });
        if let Some(seq) = turn.as_ref().and_then(|turn| turn.wake_seq)
            && seq > channel.last_seq
        {
            return Err(format!("wakeSeq is {seq}, and the last message has {}", channel.last_seq));
        }
        let facts =
            Facts { guild: channel.guild_id.clone(), last_seq: channel.last_seq, seen: Seq::ZERO, awaited };
        self.channels.insert(channel.id.clone(), facts);
        Ok(Record::Channel { channel: Box::new(channel), turn: turn.map(Box::new) })
    }

    /// The guild of a channel whose line was seen.
    pub(crate) fn guild_of(&self, channel: &ChannelId) -> Option<&GuildId> {
        self.channels.get(channel).map(|facts| &facts.guild)
    }

    pub(crate) fn member(&mut self, line: MemberLine) -> Checked<Record> {
        let MemberLine { channel_id, user_id, wake_mapped, settled_seq } = line;
        id("userId", user_id.as_str())?;
        column("settledSeq", settled_seq.0)?;
        let position = match &self.last_member {
            Some((last, position)) if *last == channel_id => position + 1,
            Some((last, _)) if *last > channel_id => return Err(out_of_order()),
            _ => {
                self.members.clear();
                0
            }
        };
        let facts = facts(&mut self.channels, &channel_id)?;
        if !self.members.insert(user_id.clone()) {
            return Err(format!("{user_id} is a member of this channel already"));
        }
        if let Some(awaited) = &mut facts.awaited
            && !awaited.remove(&user_id)
        {
            return Err(format!("{user_id} is a member, and the turn of the channel does not know them"));
        }
        self.last_member = Some((channel_id.clone(), position));
        Ok(Record::Member { channel: channel_id, position, user: user_id, wake_mapped, settled: settled_seq })
    }

    fn end_of_members(&self) -> Checked<()> {
        let named = |facts: &Facts| facts.awaited.as_ref().and_then(|awaited| awaited.iter().next().cloned());
        match self.channels.iter().find_map(|(id, facts)| Some((id, named(facts)?))) {
            Some((channel, user)) => {
                Err(format!("{user} has a turn in the channel {channel} and is no member"))
            }
            None => Ok(()),
        }
    }

    /// After the last line of a part: whether all of it was there.
    pub(crate) fn end_of(&self, part: Part) -> Checked<()> {
        match part {
            Part::Members => self.end_of_members(),
            Part::Messages => self.end_of_messages(),
            Part::SearchOrder => self.end_of_search_order(),
            _ => Ok(()),
        }
    }

    pub(crate) fn message(&mut self, line: MessageLine) -> Checked<Record> {
        if self.last_message.as_ref().is_some_and(|last| *last > line.channel_id) {
            return Err(out_of_order());
        }
        let facts = facts(&mut self.channels, &line.channel_id)?;
        let next = facts.seen.next();
        if line.seq != next {
            return Err(format!("its seq is {}, and {next} is the next one of its channel", line.seq));
        }
        if next > facts.last_seq {
            return Err(format!("its seq is {next}, and {} is the last of its channel", facts.last_seq));
        }
        facts.seen = next;
        if self.last_message.as_ref() != Some(&line.channel_id) {
            self.last_message = Some(line.channel_id.clone());
        }
        let message = line.into_message(facts.guild.clone());
        self.findable += u64::from(message.ack.is_none());
        id("id", message.id.as_str())?;
        id("authorUserId", message.author.as_str())?;
        if let Some(answered) = &message.reply_to {
            id("replyTo", answered.as_str())?;
        }
        Ok(Record::Message(Box::new(message)))
    }

    fn end_of_messages(&self) -> Checked<()> {
        match self.channels.iter().find(|(_, facts)| facts.seen != facts.last_seq) {
            Some((id, Facts { seen, last_seq, .. })) => {
                Err(format!("the channel {id} has {last_seq} messages, and {seen} are there"))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn search_order(&mut self, line: SearchOrderLine) -> Checked<Record> {
        let SearchOrderLine { number, message_id } = line;
        if number < 1 {
            return Err("number is less than 1".to_owned());
        }
        ascends(&mut self.last_number, number)?;
        id("messageId", message_id.as_str())?;
        self.numbered += 1;
        Ok(Record::SearchOrder { number, message: message_id })
    }

    /// Whether every message that can be found has a number. The database checks that no message has two and that each
    /// number has a message, so equal counts are enough.
    fn end_of_search_order(&self) -> Checked<()> {
        let Self { findable, numbered, .. } = self;
        if findable == numbered {
            return Ok(());
        }
        Err(format!(
            "{findable} messages can be found by searching, and {numbered} have a place in its order"
        ))
    }

    pub(crate) fn attachment(&mut self, line: AttachmentLine) -> Checked<Record> {
        let (message, channel, position) = (line.message_id.clone(), line.channel_id.clone(), line.position);
        let next = match &self.last_attachment {
            Some((last, position)) if *last == message => position + 1,
            _ => 0,
        };
        if position != next {
            return Err(format!("its position is {position}, and {next} is the next one of its message"));
        }
        ascends(&mut self.last_attachment, (message.clone(), position))?;
        facts(&mut self.channels, &channel)?;
        id("messageId", message.as_str())?;
        let kept = line.into_attachment()?;
        id("fileId", kept.id.as_str())?;
        column("size", kept.size)?;
        Ok(Record::Attachment { message, channel, position, attachment: kept })
    }

    pub(crate) fn revision(&mut self, line: RevisionLine) -> Checked<Record> {
        let RevisionLine { message_id, number, content, replaced_at, deleted_at } = line;
        ascends(&mut self.last_revision, (message_id.clone(), number))?;
        id("messageId", message_id.as_str())?;
        column("number", number)?;
        let revision = Revision { content, replaced_at };
        Ok(Record::Revision { message: message_id, number, revision, deleted_at })
    }

    pub(crate) fn read_marker(&mut self, line: ReadMarkerLine) -> Checked<Record> {
        let ReadMarkerLine { channel_id, user_id, seq } = line;
        ascends(&mut self.last_read_marker, (channel_id.clone(), user_id.clone()))?;
        id("userId", user_id.as_str())?;
        column("seq", seq.0)?;
        facts(&mut self.channels, &channel_id)?;
        Ok(Record::ReadMarker { channel: channel_id, user: user_id, seq })
    }

    pub(crate) fn presence(&mut self, line: PresenceLine) -> Checked<Record> {
        ascends(&mut self.last_presence, line.user_id.clone())?;
        id("userId", line.user_id.as_str())?;
        length("source", line.source.as_deref().unwrap_or_default(), 80)?;
        Ok(Record::Presence(line.into_presence()))
    }

    pub(crate) fn owed_wake(&mut self, line: OwedWakeLine) -> Checked<Record> {
        let (channel, seq, created_at) = (line.channel_id.clone(), line.seq, line.created_at);
        ascends(&mut self.last_owed_wake, (channel.clone(), seq))?;
        let last_seq = facts(&mut self.channels, &channel)?.last_seq;
        if seq == Seq::ZERO || seq > last_seq {
            return Err(format!("there is no message {seq} in its channel"));
        }
        Ok(Record::OwedWake { channel, seq, pending: line.into_pending(), created_at })
    }

    pub(crate) fn idempotency_key(&mut self, line: IdempotencyLine) -> Checked<Record> {
        let (caller, route, key) = (line.caller_user_id.clone(), line.route.clone(), line.key.clone());
        id("callerUserId", caller.as_str())?;
        length("route", &route, 160)?;
        length("key", &key, 255)?;
        length("fingerprint", &line.fingerprint, 64)?;
        ascends(&mut self.last_idempotency_key, (caller, route, key))?;
        let created_at = line.created_at;
        let (slot, outcome) = line.into_answer()?;
        Ok(Record::IdempotencyKey { slot: Box::new(slot), outcome: Box::new(outcome), created_at })
    }

    pub(crate) fn file(&mut self, line: FileLine) -> Checked<Record> {
        ascends(&mut self.last_file, line.id.clone())?;
        if !bytes::is_name(line.id.as_str()) {
            return Err(format!("{:?} cannot be the name of a file", line.id));
        }
        let file = line.into_file()?;
        id("uploaderUserId", file.uploader.as_str())?;
        column("size", file.size)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if file.sha256.len() != 64 || !file.sha256.bytes().all(is_digit) {
            return Err("sha256 is none".to_owned());
        }
        Ok(Record::File(Box::new(file)))
    }
}

fn facts<'a>(channels: &'a mut HashMap<ChannelId, Facts>, id: &ChannelId) -> Checked<&'a mut Facts> {
    channels.get_mut(id).ok_or_else(|| format!("there is no channel {id}"))
}

fn out_of_order() -> String {
    "lines are not in their order, or one is there twice".to_owned()
}

/// Keys have to grow, so that none is there twice.
fn ascends<K: Ord>(last: &mut Option<K>, key: K) -> Checked<()> {
    if last.as_ref().is_some_and(|last| *last >= key) {
        return Err(out_of_order());
    }
    *last = Some(key);
    Ok(())
}

fn id(field: &str, id: &str) -> Checked<()> {
    if id.is_empty() {
        return Err(format!("{field} is empty"));
    }
    length(field, id, UserId::MAX_CHARS)
}

/// Refuses a text that is longer than its column.
fn length(field: &str, text: &str, chars: usize) -> Checked<()> {
    if text.len() > chars && text.chars().count() > chars {
        return Err(format!("{field} is longer than {chars} characters"));
    }
    Ok(())
}

/// Refuses a number that does not fit a signed column.
fn column(field: &str, number: u64) -> Checked<()> {
    i64::try_from(number).map(drop).map_err(|_| format!("{field} is too large"))
}
