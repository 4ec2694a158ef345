//! Members: come, go, wake mapping, bypass.

use std::collections::{HashMap, HashSet};

use super::people::Named;
use super::{Guild, ServiceError};
use crate::decisions::{Access, ChannelAggregate, ChannelSummary, TurnRecord, members};
use crate::model::{Active, Caller, ChannelId, ChannelType, Member, PresenceStatus, Refusal, UserId};
use crate::ports::Scope;
use crate::rules::turn::Seat;

/// A member as a list shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// The member.
    pub member: Member,
    /// Display name, where Center tells; of one who is inactive the last one.
    pub name: Option<String>,
    /// Whether Center knows them as active; so they count while Center does not tell.
    pub active: bool,
    /// Outside the rotation.
    pub bypass: bool,
    /// What they last said of themselves.
    pub presence: PresenceStatus,
    /// Whether they have a live socket.
    pub online: bool,
}

impl Guild {
    /// The members of a channel that the caller may read, in the order in which they came, and its type.
    pub async fn members(
        &self,
        caller: &Caller,
        id: &ChannelId,
    ) -> Result<(ChannelType, Vec<MemberView>), ServiceError> {
        self.readable(caller, id).await?;
        self.all_members(id).await
    }

    async fn all_members(&self, id: &ChannelId) -> Result<(ChannelType, Vec<MemberView>), ServiceError> {
        match self.ports.store.load(id).await? {
            Some(channel) => Ok((channel.channel.channel_type, self.member_views(channel).await?)),
            None => Err(Refusal::ChannelNotFound.into()),
        }
    }

    async fn member_views(&self, channel: ChannelAggregate) -> Result<Vec<MemberView>, ServiceError> {
        // Without Center the list has no names, and is still right.
        let known = self.ports.center.members().await.unwrap_or_default();
        let active = if known.is_empty() { self.active() } else { Active::new(&known) };
        let names: HashMap<&UserId, &String> = known.iter().map(|user| (&user.user_id, &user.name)).collect();
        let presences = self.ports.store.presences().await?;
        let presences: HashMap<&UserId, PresenceStatus> =
            presences.iter().map(|presence| (&presence.user_id, presence.status)).collect();
        let bypass: HashSet<&UserId> = channel.turn.iter().flat_map(|turn| turn.state.bypass()).collect();
        let view = |member: &Member| MemberView {
            name: names.get(&member.user_id).map(|name| (*name).clone()),
            active: active.is_active(&member.user_id),
            bypass: bypass.contains(&member.user_id),
            presence: presences.get(&member.user_id).copied().unwrap_or_default(),
            online: self.ports.connected.is_connected(&member.user_id),
            member: member.clone(),
        };
        Ok(channel.members.iter().map(view).collect())
    }

    /// Makes the caller a member of a public channel; joining twice changes nothing.
    pub async fn join(&self, caller: &Caller, id: &ChannelId) -> Result<ChannelSummary, ServiceError> {
        self.note_newcomer(&caller.user_id).await;
        let now = self.ports.clock.now();
        self.change(caller, Scope::channel(id), move |access| members::join(access, now)).await?;
        self.own_summary(caller, id).await
    }

    /// Ends the caller's membership, with their place in the turn and the wake mapping.
    pub async fn leave(&self, caller: &Caller, id: &ChannelId) -> Result<(), ServiceError> {
        let moment = self.moment();
        self.change(caller, Scope::channel(id), move |access| members::leave(access, &moment)).await?;
        Ok(())
    }

    /// Makes others members; those who are already stay as they are.
    pub async fn add_members(
        &self,
        caller: &Caller,
        id: &ChannelId,
        users: Vec<UserId>,
    ) -> Result<(ChannelType, Vec<MemberView>), ServiceError> {
        self.require_known_or_members(caller, id, Named { field: "userIds", users: &users }).await?;
        let now = self.ports.clock.now();
        self.change(caller, Scope::channel(id), move |access| members::add(access, &users, now)).await?;
        self.members(caller, id).await
    }

    /// Ends another's membership. Anybody may remove themselves.
    pub async fn remove_member(
        &self,
        caller: &Caller,
        id: &ChannelId,
        removed: &UserId,
    ) -> Result<(), ServiceError> {
        let (removed, moment) = (removed.clone(), self.moment());
        let decide = move |access: Access<'_>| members::remove(access, &removed, &moment);
        self.change(caller, Scope::channel(id), decide).await?;
        Ok(())
    }

    /// Replaces the wake list of a `triage` or `custom`; whoever is on it becomes a member.
    pub async fn set_wake_mapping(
        &self,
        caller: &Caller,
        id: &ChannelId,
        mapped: Vec<UserId>,
    ) -> Result<(ChannelType, Vec<MemberView>), ServiceError> {
        self.require_known_or_members(caller, id, Named { field: "userIds", users: &mapped }).await?;
        let now = self.ports.clock.now();
        let decide = move |access: Access<'_>| members::set_wake_mapping(access, &mapped, now);
        self.change(caller, Scope::channel(id), decide).await?;
        self.all_members(id).await
    }

    /// Moves a member out of the rotation, or back to its end.
    pub async fn set_seat(
        &self,
        caller: &Caller,
        id: &ChannelId,
        target: &UserId,
        seat: Seat,
    ) -> Result<TurnRecord, ServiceError> {
        let (target, moment) = (target.clone(), self.moment());
        let decide = move |access: Access<'_>| members::set_seat(access, &target, seat, &moment);
        self.change(caller, Scope::channel(id), decide).await?;
        self.turn(caller, id).await
    }
}
