//! Channels: create, list, read, change, close, reopen.

use std::sync::Arc;

use super::access::Access;
use super::{Guild, ServiceError};
use crate::decisions::{Change, ChannelAggregate, ChannelSummary, Event, NewChannel, TurnRecord};
use crate::model::{
    Caller, Channel, ChannelId, ChannelSettings, Member, PresenceStatus, Refusal, Seq, SettingsPatch, UserId,
    XType,
};
use crate::ports::Scope;
use crate::rules::turn::TurnState;

/// A channel to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateChannel {
    /// Display name.
    pub name: String,
    /// Its type.
    pub x_type: XType,
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
    pub fn new(name: impl Into<String>, x_type: XType) -> Self {
        Self {
            name: name.into(),
            x_type,
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

impl Guild {
    /// Creates a channel; the caller is its first member.
    pub async fn create_channel(
        &self,
        caller: &Caller,
        new: CreateChannel,
    ) -> Result<ChannelSummary, ServiceError> {
        let now = self.ports.clock.now();
        let channel = Channel {
            id: self.ports.entropy.channel_id(now),
            guild_id: self.id.clone(),
            name: new.name,
            x_type: new.x_type,
            purpose: new.purpose,
            is_public: new.is_public,
            closed: false,
            last_seq: Seq::ZERO,
            created_by: caller.user_id.clone(),
            created_at: now,
            settings: new.settings.apply(ChannelSettings::default()),
            version: 1,
            agent_run: 0,
        };
        let mut members: Vec<Member> = Vec::new();
        for user in std::iter::once(&caller.user_id).chain(&new.members).chain(&new.wake_mapping) {
            if !members.iter().any(|member| member.user_id == *user) {
                members.push(Member {
                    user_id: user.clone(),
                    wake_mapped: new.wake_mapping.contains(user),
                    presence: PresenceStatus::Unknown,
                });
            }
        }
        let turn = channel.x_type.has_turns().then(|| {
            let (bypass, order): (Vec<_>, Vec<_>) = members
                .iter()
                .map(|member| member.user_id.clone())
                .partition(|user| new.bypass.contains(user));
            TurnRecord::idle(TurnState::new(order, bypass))
        });
        let mut events: Vec<Event> = members
            .iter()
            .map(|member| Event::MemberJoined {
                user: member.user_id.clone(),
                x_type: channel.x_type,
                at: now,
            })
            .collect();
        events.extend(turn.clone().map(Event::TurnUpdated));
        let summary = ChannelSummary {
            channel: channel.clone(),
            member_count: members.len() as u64,
            is_member: true,
            unread_count: 0,
            turn: turn.clone(),
        };
        self.ports.store.create(NewChannel { channel, members, turn, events }).await?;
        Ok(summary)
    }

    /// Public channels and the caller's own, closed ones too.
    pub async fn channels(&self, caller: &Caller) -> Result<Vec<ChannelSummary>, ServiceError> {
        Ok(self.ports.store.list(&caller.user_id).await?)
    }

    /// One channel, if the caller may read it.
    pub async fn channel(&self, caller: &Caller, id: &ChannelId) -> Result<ChannelSummary, ServiceError> {
        self.readable(caller, id).await?;
        let summary = self.ports.store.summary(id, &caller.user_id).await?;
        summary.ok_or(ServiceError::Refused(Refusal::ChannelNotFound))
    }

    /// The channel as committed now, if the caller may read it.
    pub async fn readable(&self, caller: &Caller, id: &ChannelId) -> Result<ChannelAggregate, ServiceError> {
        let Some(channel) = self.ports.store.load(id).await? else {
            return Err(Refusal::ChannelNotFound.into());
        };
        // Center is asked only where its answer matters.
        let admin = if channel.is_participant(&caller.user_id) { None } else { self.admin().await };
        Access { channel: &channel, user: &caller.user_id, admin: admin.as_ref() }.read()?;
        Ok(channel)
    }

    /// Changes name, purpose or settings.
    pub async fn patch_channel(
        &self,
        caller: &Caller,
        id: &ChannelId,
        patch: ChannelPatch,
    ) -> Result<ChannelSummary, ServiceError> {
        let (user, admin) = (caller.user_id.clone(), self.admin().await);
        let decide = move |agg: &ChannelAggregate| {
            let access = Access { channel: agg, user: &user, admin: admin.as_ref() };
            if patch.name.is_some() || patch.settings.is_some() {
                access.manage()?;
            } else {
                access.participate()?;
            }
            let mut channel = agg.channel.clone();
            if let Some(name) = &patch.name {
                channel.name.clone_from(name);
            }
            if let Some(purpose) = &patch.purpose {
                channel.purpose = Some(purpose.clone()).filter(|purpose| !purpose.trim().is_empty());
            }
            if let Some(settings) = patch.settings {
                channel.settings = settings.apply(channel.settings);
            }
            Ok(row_change(agg, channel))
        };
        self.commit(Scope::channel(id), Arc::new(decide)).await?;
        self.own_summary(caller, id).await
    }

    /// Makes a channel read-only; closing a closed one changes nothing.
    pub async fn close_channel(
        &self,
        caller: &Caller,
        id: &ChannelId,
    ) -> Result<ChannelSummary, ServiceError> {
        self.set_closed(caller, id, true).await
    }

    /// Makes a closed channel writable again.
    pub async fn reopen_channel(
        &self,
        caller: &Caller,
        id: &ChannelId,
    ) -> Result<ChannelSummary, ServiceError> {
        self.set_closed(caller, id, false).await
    }

    async fn set_closed(
        &self,
        caller: &Caller,
        id: &ChannelId,
        closed: bool,
    ) -> Result<ChannelSummary, ServiceError> {
        let (user, admin) = (caller.user_id.clone(), self.admin().await);
        let decide = move |agg: &ChannelAggregate| {
            let access = Access { channel: agg, user: &user, admin: admin.as_ref() };
            // Any participant closes; reopening is for the creator and the admin.
            let may_close = closed && access.participate().is_ok();
            if !may_close {
                access.manage()?;
            }
            Ok(row_change(agg, Channel { closed, ..agg.channel.clone() }))
        };
        self.commit(Scope::channel(id), Arc::new(decide)).await?;
        self.own_summary(caller, id).await
    }

    /// The channel as the caller sees it after a change that they were allowed to make.
    pub(super) async fn own_summary(
        &self,
        caller: &Caller,
        id: &ChannelId,
    ) -> Result<ChannelSummary, ServiceError> {
        let summary = self.ports.store.summary(id, &caller.user_id).await?;
        summary.ok_or(ServiceError::Refused(Refusal::ChannelNotFound))
    }

    /// Moves the caller's read marker; never back.
    pub async fn mark_read(&self, caller: &Caller, id: &ChannelId, seq: Seq) -> Result<(), ServiceError> {
        let channel = self.readable(caller, id).await?;
        // Nobody has read what is not written.
        let seq = seq.min(channel.channel.last_seq);
        Ok(self.ports.store.mark_read(id, &caller.user_id, seq).await?)
    }
}

fn row_change(before: &ChannelAggregate, channel: Channel) -> Change {
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
