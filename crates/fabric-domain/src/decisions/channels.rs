//! Channels: create, change, close, reopen.

use super::{Access, Change, ChannelAggregate, ChannelSummary, Event, Moment, NewChannel, TurnRecord, turns};
use crate::model::{
    Ack, AckCause, Channel, ChannelId, ChannelSettings, ChannelType, GuildId, Member, Members, Refusal, Seq,
    SettingsPatch, Timestamp, UserId,
};
use crate::rules::turn::TurnState;

/// A channel to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateChannel {
    /// Display name.
    pub name: String,
    /// Its type.
    pub channel_type: ChannelType,
    /// Whether any guild user may read, write and join.
    pub is_public: bool,
    /// Members besides the creator, in speaking order.
    pub members: Vec<UserId>,
    /// Who is woken in a `triage` or `custom`; they become members.
    pub wake_mapping: Vec<UserId>,
    /// Members outside the rotation of a `discuss` or `work`; others in the list are ignored.
    pub bypass: Vec<UserId>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Settings that differ from the defaults.
    pub settings: SettingsPatch,
}

impl CreateChannel {
    /// A private channel of its creator alone, with everything else as it is by default.
    pub fn new(name: impl Into<String>, channel_type: ChannelType) -> Self {
        Self {
            name: name.into(),
            channel_type,
            is_public: false,
            members: Vec::new(),
            wake_mapping: Vec::new(),
            bypass: Vec::new(),
            purpose: None,
            settings: SettingsPatch::default(),
        }
    }
}

/// What to change of a channel's row. `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelPatch {
    /// The new name (creator or admin).
    pub name: Option<String>,
    /// The new purpose (any participant); empty clears it.
    pub purpose: Option<String>,
    /// Settings to change (creator or admin).
    pub settings: Option<SettingsPatch>,
}

/// A new channel of this guild; the creator is its first member.
pub fn create(
    guild: &GuildId,
    id: ChannelId,
    creator: &UserId,
    new: CreateChannel,
    now: Timestamp,
) -> NewChannel {
    let mut members = Members::default();
    for user in std::iter::once(creator).chain(&new.members).chain(&new.wake_mapping) {
        members.upsert(Member { user_id: user.clone(), wake_mapped: new.wake_mapping.contains(user) });
    }
    let turn = new.channel_type.has_turns().then(|| {
        let users = members.users().cloned();
        let (bypass, order): (Vec<_>, Vec<_>) = users.partition(|user| new.bypass.contains(user));
        TurnRecord::idle(TurnState::new(order, bypass))
    });
    let joined = |member: &Member| Event::MemberJoined {
        user: member.user_id.clone(),
        channel_type: new.channel_type,
        at: now,
    };
    let events = members.iter().map(joined).chain(turn.clone().map(Event::TurnUpdated)).collect();
    let channel = Channel {
        id,
        guild_id: guild.clone(),
        name: new.name,
        channel_type: new.channel_type,
        purpose: new.purpose,
        is_public: new.is_public,
        closed: false,
        last_seq: Seq::ZERO,
        created_by: creator.clone(),
        created_at: now,
        settings: new.settings.apply(ChannelSettings::default()),
        version: 1,
        agent_run: 0,
    };
    NewChannel { channel, members, turn, events }
}

impl NewChannel {
    /// The channel as its creator sees it.
    pub fn summary(&self) -> ChannelSummary {
        ChannelSummary {
            channel: self.channel.clone(),
            member_count: self.members.len() as u64,
            is_member: true,
            unread_count: 0,
            turn: self.turn.clone(),
        }
    }
}

/// Changes name, purpose or settings.
pub fn patch(access: Access<'_>, patch: &ChannelPatch) -> Result<Change, Refusal> {
    if patch.name.is_some() || patch.settings.is_some() {
        access.require_manager()?;
    } else {
        access.require_participant()?;
    }
    let mut channel = access.channel.channel.clone();
    if let Some(name) = &patch.name {
        channel.name.clone_from(name);
    }
    if let Some(purpose) = &patch.purpose {
        channel.purpose = Some(purpose.clone()).filter(|purpose| !purpose.trim().is_empty());
    }
    if let Some(settings) = patch.settings {
        channel.settings = settings.apply(channel.settings);
    }
    Ok(with_row(access.channel, channel))
}

/// Any participant, and who manages the channel, makes it read-only; closing a closed one changes nothing.
pub fn close(access: Access<'_>) -> Result<Change, Refusal> {
    if access.require_participant().is_err() {
        access.require_manager()?;
    }
    Ok(set_closed(access.channel, true))
}

/// Who manages the channel makes it writable again. A running turn begins anew, and the guild's `/ack` wakes its
/// speaker: the turn may have come to them while nobody could write, or their answer was refused.
pub fn reopen(access: Access<'_>, moment: &Moment) -> Result<Change, Refusal> {
    access.require_manager()?;
    let before = access.channel;
    let change = set_closed(before, false);
    let (Some(row), Some(turn)) = (&change.channel, &before.turn) else { return Ok(change) };
    let Some(turn) = turn.clone().restarted(row.settings, moment.now) else { return Ok(change) };
    let reopened = ChannelAggregate { channel: row.clone(), ..before.clone() };
    let ack = Ack { cause: AckCause::Reopened, by: access.user.clone() };
    let woken = turns::acknowledge(&reopened, turn, ack, moment).0;
    Ok(Change { events: change.events.into_iter().chain(woken.events).collect(), ..woken })
}

fn set_closed(channel: &ChannelAggregate, closed: bool) -> Change {
    with_row(channel, Channel { closed, ..channel.channel.clone() })
}

/// The channel with another row.
fn with_row(before: &ChannelAggregate, channel: Channel) -> Change {
    if channel == before.channel {
        return Change::default();
    }
    let member_count = before.members.len() as u64;
    let mut events = vec![Event::ChannelUpdated { channel: channel.clone(), member_count }];
    // Another time-out holds for the running turn, too.
    let turn = before
        .turn
        .clone()
        .map(|turn| turn.leased(channel.settings))
        .filter(|turn| Some(turn) != before.turn.as_ref());
    events.extend(turn.clone().map(Event::TurnUpdated));
    Change { channel: Some(channel), turn, events, ..Change::default() }
}
