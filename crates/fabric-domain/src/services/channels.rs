//! Channels: create, list, read, change, close, reopen.

use super::people::Named;
use super::{Guild, ServiceError};
use crate::decisions::{Access, ChannelPatch, ChannelSummary, ChannelView, CreateChannel, channels};
use crate::model::{Caller, ChannelId, ChannelType, Refusal, Seq, UserId};
use crate::ports::Scope;

impl Guild {
    /// Creates a channel; the caller is its first member.
    pub async fn create_channel(
        &self,
        caller: &Caller,
        new: CreateChannel,
    ) -> Result<ChannelSummary, ServiceError> {
        let mapped = match new.channel_type {
            ChannelType::Triage => "onDuty",
            _ => "listeners",
        };
        let others = |users: &[UserId]| -> Vec<UserId> {
            users.iter().filter(|user| **user != caller.user_id).cloned().collect()
        };
        let (members, on_wakes) = (others(&new.members), others(&new.wake_mapping));
        self.note_newcomer(&caller.user_id).await;
        let named =
            [Named { field: "memberUserIds", users: &members }, Named { field: mapped, users: &on_wakes }];
        self.require_known(&named).await?;
        let now = self.ports.clock.now();
        let id = self.ports.ids.channel_id(now);
        let new = channels::create(&self.id, id, &caller.user_id, new, now);
        let summary = new.summary();
        self.ports.store.create(new).await?;
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
    pub async fn readable(&self, caller: &Caller, id: &ChannelId) -> Result<ChannelView, ServiceError> {
        let Some(channel) = self.ports.store.view(id, &caller.user_id).await? else {
            return Err(Refusal::ChannelNotFound.into());
        };
        // Center is asked only where its answer matters.
        let is_admin = !channel.is_participant() && self.admin().await.as_ref() == Some(&caller.user_id);
        channel.require_reader(is_admin)?;
        Ok(channel)
    }

    /// Changes name, purpose or settings.
    pub async fn patch_channel(
        &self,
        caller: &Caller,
        id: &ChannelId,
        patch: ChannelPatch,
    ) -> Result<ChannelSummary, ServiceError> {
        self.change(caller, Scope::channel(id), move |access| channels::patch(access, &patch)).await?;
        self.own_summary(caller, id).await
    }

    /// Makes a channel read-only; closing a closed one changes nothing.
    pub async fn close_channel(
        &self,
        caller: &Caller,
        id: &ChannelId,
    ) -> Result<ChannelSummary, ServiceError> {
        self.change(caller, Scope::channel(id), channels::close).await?;
        self.own_summary(caller, id).await
    }

    /// Makes a closed channel writable again.
    pub async fn reopen_channel(
        &self,
        caller: &Caller,
        id: &ChannelId,
    ) -> Result<ChannelSummary, ServiceError> {
        let moment = self.moment();
        let reopen = move |access: Access<'_>| channels::reopen(access, &moment);
        self.change(caller, Scope::channel(id), reopen).await?;
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
