//! Members: come, go, wake mapping, bypass.

use std::collections::HashMap;
use std::sync::Arc;

use super::access::Access;
use super::turns::acknowledge;
use super::{Guild, ServiceError};
use crate::decisions::{Change, ChannelAggregate, ChannelSummary, Event, Moment, TurnRecord};
use crate::model::{AckCause, Caller, ChannelId, Member, PresenceStatus, Refusal, UserId, XType};
use crate::ports::Scope;
use crate::rules::turn::{Effect, Input, Seat};

/// A member as a list shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// The member.
    pub member: Member,
    /// Display name, where Center tells.
    pub name: Option<String>,
    /// Outside the rotation.
    pub bypass: bool,
    /// Whether they have a live socket.
    pub online: bool,
}

impl Guild {
    /// The members of a channel that the caller may read, in the order in which they came, and its type.
    pub async fn members(
        &self,
        caller: &Caller,
        id: &ChannelId,
    ) -> Result<(XType, Vec<MemberView>), ServiceError> {
        let channel = self.readable(caller, id).await?;
        Ok((channel.channel.x_type, self.member_views(channel).await))
    }

    async fn member_views(&self, channel: ChannelAggregate) -> Vec<MemberView> {
        // Names are a courtesy: without Center the list is still right.
        let known = self.ports.center.members().await.unwrap_or_default();
        let mut names: HashMap<UserId, String> =
            known.into_iter().map(|user| (user.user_id, user.name)).collect();
        let bypass = channel.turn.as_ref().map(|turn| turn.state.bypass()).unwrap_or_default();
        channel
            .members
            .into_iter()
            .map(|member| MemberView {
                name: names.remove(&member.user_id),
                bypass: bypass.contains(&member.user_id),
                online: self.ports.online.is_online(&member.user_id),
                member,
            })
            .collect()
    }

    /// Makes the caller a member of a public channel; joining twice changes nothing.
    pub async fn join(&self, caller: &Caller, id: &ChannelId) -> Result<ChannelSummary, ServiceError> {
        let (user, admin, now) = (caller.user_id.clone(), self.admin().await, self.ports.clock.now());
        let decide = move |agg: &ChannelAggregate| {
            Access { channel: agg, user: &user, admin: admin.as_ref() }.participate()?;
            Ok(add(agg, std::slice::from_ref(&user), now))
        };
        self.commit(Scope::channel(id), Arc::new(decide)).await?;
        self.own_summary(caller, id).await
    }

    /// Ends the caller's membership, with their place in the turn and the wake mapping.
    pub async fn leave(&self, caller: &Caller, id: &ChannelId) -> Result<(), ServiceError> {
        let (user, admin, moment) = (caller.user_id.clone(), self.admin().await, self.moment());
        let decide = move |agg: &ChannelAggregate| {
            Access { channel: agg, user: &user, admin: admin.as_ref() }.member()?;
            Ok(remove(agg, &user, &moment))
        };
        self.commit(Scope::channel(id), Arc::new(decide)).await?;
        Ok(())
    }

    /// Makes others members; those who are already stay as they are.
    pub async fn add_members(
        &self,
        caller: &Caller,
        id: &ChannelId,
        users: Vec<UserId>,
    ) -> Result<(XType, Vec<MemberView>), ServiceError> {
        let (user, admin, now) = (caller.user_id.clone(), self.admin().await, self.ports.clock.now());
        let decide = move |agg: &ChannelAggregate| {
            Access { channel: agg, user: &user, admin: admin.as_ref() }.member()?;
            Ok(add(agg, &users, now))
        };
        self.commit(Scope::channel(id), Arc::new(decide)).await?;
        self.members(caller, id).await
    }

    /// Ends another's membership. Anybody may remove themselves.
    pub async fn remove_member(
        &self,
        caller: &Caller,
        id: &ChannelId,
        removed: &UserId,
    ) -> Result<(), ServiceError> {
        let (user, admin, moment) = (caller.user_id.clone(), self.admin().await, self.moment());
        let removed = removed.clone();
        let decide = move |agg: &ChannelAggregate| {
            let access = Access { channel: agg, user: &user, admin: admin.as_ref() };
            if user == removed {
                access.member()?;
            } else {
                access.manage()?;
            }
            if !agg.is_member(&removed) {
                return Err(Refusal::MemberNotFound);
            }
            Ok(remove(agg, &removed, &moment))
        };
        self.commit(Scope::channel(id), Arc::new(decide)).await?;
        Ok(())
    }

    /// Replaces the wake list of a `triage` or `custom`; whoever is on it becomes a member.
    pub async fn set_wake_mapping(
        &self,
        caller: &Caller,
        id: &ChannelId,
        mapped: Vec<UserId>,
    ) -> Result<(XType, Vec<MemberView>), ServiceError> {
        let (user, admin, now) = (caller.user_id.clone(), self.admin().await, self.ports.clock.now());
        let decide = move |agg: &ChannelAggregate| {
            Access { channel: agg, user: &user, admin: admin.as_ref() }.manage()?;
            if !agg.channel.x_type.has_wake_mapping() {
                return Err(Refusal::NoWakeMapping);
            }
            let mut change = add(agg, &mapped, now);
            for member in &mut change.upserted_members {
                member.wake_mapped = true;
            }
            for member in &agg.members {
                let wake_mapped = mapped.contains(&member.user_id);
                if member.wake_mapped != wake_mapped {
                    change.upserted_members.push(Member { wake_mapped, ..member.clone() });
                }
            }
            let has_new = change.events.iter().any(|event| matches!(event, Event::ChannelUpdated { .. }));
            if !change.upserted_members.is_empty() && !has_new {
                change.events.push(row_updated(agg, &change, agg.members.len()));
            }
            Ok(change)
        };
        self.commit(Scope::channel(id), Arc::new(decide)).await?;
        match self.ports.store.load(id).await? {
            Some(channel) => Ok((channel.channel.x_type, self.member_views(channel).await)),
            None => Err(Refusal::ChannelNotFound.into()),
        }
    }

    /// Moves a member out of the rotation, or back to its end.
    pub async fn set_seat(
        &self,
        caller: &Caller,
        id: &ChannelId,
        target: &UserId,
        seat: Seat,
    ) -> Result<TurnRecord, ServiceError> {
        let (user, target, moment) = (caller.user_id.clone(), target.clone(), self.moment());
        let admin = self.admin().await;
        let decide = move |agg: &ChannelAggregate| {
            Access { channel: agg, user: &user, admin: admin.as_ref() }.member()?;
            if agg.turn.is_none() {
                return Err(Refusal::NoTurns);
            }
            if !agg.is_member(&target) {
                return Err(Refusal::MemberNotFound);
            }
            Ok(match seat {
                Seat::Order => move_turn(agg, &Input::MovedToOrder { user: target.clone() }, None, &moment),
                Seat::Bypass => {
                    let cause = Some((AckCause::MovedToBypass, &target));
                    move_turn(agg, &Input::MovedToBypass { user: target.clone() }, cause, &moment)
                }
            })
        };
        self.commit(Scope::channel(id), Arc::new(decide)).await?;
        self.turn(caller, id).await
    }
}

/// The channel with these users as members, in the rotation where there is one.
fn add(agg: &ChannelAggregate, users: &[UserId], now: crate::model::Timestamp) -> Change {
    let mut change = Change::default();
    let mut turn = agg.turn.clone();
    for user in users.iter().filter(|user| !agg.is_member(user)) {
        change.upserted_members.push(Member {
            user_id: user.clone(),
            wake_mapped: false,
            presence: PresenceStatus::Unknown,
        });
        change.events.push(Event::MemberJoined { user: user.clone(), x_type: agg.channel.x_type, at: now });
        if let Some(record) = &mut turn {
            let input = Input::MemberAdded { user: user.clone(), seat: Seat::Order };
            // Nobody's turn changes, so there is nothing to be random about.
            record.state.apply(&input, crate::rules::turn::Seed(0));
        }
    }
    if turn != agg.turn {
        change.events.extend(turn.clone().map(Event::TurnUpdated));
        change.turn = turn;
    }
    if !change.upserted_members.is_empty() {
        let member_count = agg.members.len() + change.upserted_members.len();
        change.events.push(row_updated(agg, &change, member_count));
    }
    change
}

/// How many members there are, and whom the channel wakes, shows in its row: whoever shows it fetches anew.
fn row_updated(agg: &ChannelAggregate, change: &Change, member_count: usize) -> Event {
    let channel = change.channel.clone().unwrap_or_else(|| agg.channel.clone());
    Event::ChannelUpdated { channel, member_count: member_count as u64 }
}

/// The channel without this member.
fn remove(agg: &ChannelAggregate, user: &UserId, moment: &Moment) -> Change {
    let remaining = ChannelAggregate {
        members: agg.members.iter().filter(|member| member.user_id != *user).cloned().collect(),
        ..agg.clone()
    };
    let input = Input::MemberRemoved { user: user.clone() };
    let mut change = move_turn(&remaining, &input, Some((AckCause::MemberLeft, user)), moment);
    change.removed_members.push(user.clone());
    let left = Event::MemberLeft {
        user: user.clone(),
        x_type: agg.channel.x_type,
        at: moment.now,
        may_read: agg.channel.is_public,
    };
    change.events.insert(0, left);
    change.events.push(row_updated(agg, &change, remaining.members.len()));
    change
}

/// Applies an input to the turn, if there is one. Where it hands the turn to somebody, the guild's `/ack`
/// wakes them: no message of anybody's would.
fn move_turn(
    agg: &ChannelAggregate,
    input: &Input,
    cause: Option<(AckCause, &UserId)>,
    moment: &Moment,
) -> Change {
    let Some(before) = &agg.turn else { return Change::default() };
    let (turn, effect) = before.after(input, agg.channel.settings, moment);
    if turn == *before {
        return Change::default();
    }
    match cause {
        Some((cause, by)) if effect == Effect::Moved && !turn.state.is_idle() && !agg.channel.closed => {
            acknowledge(agg, turn, cause, by, moment)
        }
        _ => Change { turn: Some(turn.clone()), events: vec![Event::TurnUpdated(turn)], ..Change::default() },
    }
}
