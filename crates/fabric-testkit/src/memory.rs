//! The store ports on a mutex: the shortest text that fulfils the contract.

mod files;
mod search;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use fabric_domain::decisions::{
    Change, ChannelAggregate, ChannelSummary, ChannelView, Commit, NewChannel, TurnRecord,
};
use fabric_domain::model::{
    Channel, ChannelId, ChannelType, Members, Message, MessageId, MissedWake, PendingWake, Presence,
    PresenceStatus, Revision, Seq, Timestamp, UserId,
};
use fabric_domain::model::{IdempotencySlot, PriorAnswer};
use fabric_domain::ports::{
    ChannelStore, Decide, ERASED_AT_ONCE, MessageStore, PresenceStore, Publisher, Scope, SeqRange,
    SettledWakes, StoreError, UpdateError, fitting,
};
use tokio::sync::Mutex;

/// A store that forgets when it is dropped.
pub struct MemoryStore {
    /// Held while publishing: commits are published in the order in which they were made.
    state: Mutex<State>,
    publisher: Arc<dyn Publisher>,
}

impl MemoryStore {
    /// An empty store that publishes here.
    pub fn new(publisher: Arc<dyn Publisher>) -> Self {
        Self { state: Mutex::default(), publisher }
    }
}

#[derive(Debug, Default)]
struct State {
    channels: Vec<StoredChannel>,
    files: files::Files,
    revisions: HashMap<MessageId, Vec<Revision>>,
    presences: HashMap<UserId, Presence>,
    answers: HashMap<(UserId, String, String), PriorAnswer>,
    markers: HashMap<(ChannelId, UserId), Seq>,
    /// Of every member: up to which message they have got their wakes.
    settled: HashMap<(ChannelId, UserId), Seq>,
    /// Every message, in the order in which they were stored.
    posted: Vec<(ChannelId, MessageId)>,
}

#[derive(Debug)]
struct StoredChannel {
    channel: Channel,
    members: Members,
    turn: Option<TurnRecord>,
    messages: Vec<Message>,
    pending_wakes: Vec<(Seq, PendingWake)>,
}

fn answer_key(slot: &IdempotencySlot) -> (UserId, String, String) {
    (slot.caller.clone(), slot.route.clone(), slot.key.clone())
}

impl State {
    fn find(&self, id: &ChannelId) -> Option<&StoredChannel> {
        self.channels.iter().find(|stored| stored.channel.id == *id)
    }

    fn aggregate(&self, scope: &Scope) -> Option<ChannelAggregate> {
        let stored = self.find(&scope.channel)?;
        let is_busy = |presence: &&Presence| presence.status == PresenceStatus::Busy;
        let busy = self.presences.values().filter(is_busy).map(|presence| presence.user_id.clone());
        Some(ChannelAggregate {
            channel: stored.channel.clone(),
            members: stored.members.clone(),
            busy: if stored.channel.channel_type == ChannelType::Announce {
                busy.collect()
            } else {
                BTreeSet::new()
            },
            turn: stored.turn.clone(),
            message: scope
                .message
                .as_ref()
                .and_then(|id| stored.messages.iter().find(|m| m.id == *id).cloned()),
            files: self.files.wanted(&scope.files),
            prior: scope.idempotency.as_ref().and_then(|slot| self.answers.get(&answer_key(slot)).cloned()),
        })
    }

    fn summary(&self, stored: &StoredChannel, user: &UserId) -> ChannelSummary {
        let marker =
            self.markers.get(&(stored.channel.id.clone(), user.clone())).copied().unwrap_or_default();
        ChannelSummary {
            channel: stored.channel.clone(),
            member_count: stored.members.len() as u64,
            is_member: stored.members.contains(user),
            unread_count: stored.channel.last_seq.0.saturating_sub(marker.0),
            turn: stored.turn.clone(),
        }
    }
}

#[async_trait]
impl ChannelStore for MemoryStore {
    async fn create(&self, new: NewChannel) -> Result<(), StoreError> {
        let NewChannel { channel, members, turn, events } = new;
        let commit = Commit { channel_id: channel.id.clone(), version: channel.version, events };
        let mut state = self.state.lock().await;
        for member in &members {
            state.settled.insert((channel.id.clone(), member.user_id.clone()), Seq::ZERO);
        }
        state.channels.push(StoredChannel {
            channel,
            members,
            turn,
            messages: Vec::new(),
            pending_wakes: Vec::new(),
        });
        self.publisher.publish(commit).await;
        Ok(())
    }

    async fn update(&self, scope: Scope, decide: Decide) -> Result<Change, UpdateError> {
        let mut state = self.state.lock().await;
        let before = state.aggregate(&scope).ok_or(UpdateError::NoSuchChannel)?;
        let mut change = decide(&before).map_err(UpdateError::Refused)?;
        if let (Some(slot), Some(outcome), None) = (&scope.idempotency, &change.outcome, &before.prior) {
            let answer = PriorAnswer { fingerprint: slot.fingerprint.clone(), outcome: outcome.clone() };
            state.answers.insert(answer_key(slot), answer);
        }
        if change.is_silent() {
            return Ok(change);
        }
        if let (Some(message), Some(revision)) = (&change.updated_message, &change.revision) {
            state.revisions.entry(message.id.clone()).or_default().push(revision.clone());
        }
        for user in &change.removed_members {
            state.settled.remove(&(scope.channel.clone(), user.clone()));
        }
        for member in change.upserted_members.iter().filter(|member| !before.is_member(&member.user_id)) {
            state.settled.insert((scope.channel.clone(), member.user_id.clone()), before.channel.last_seq);
        }
        let version = before.channel.version + 1;
        let Some(stored) = state.channels.iter_mut().find(|stored| stored.channel.id == scope.channel) else {
            return Err(UpdateError::NoSuchChannel);
        };
        let mut after = before.clone();
        after.advance(&change, version);
        (stored.channel, stored.members, stored.turn) = (after.channel, after.members, after.turn);
        if let (Some(message), Some(pending)) = (&change.new_message, &change.pending_wake) {
            stored.pending_wakes.push((message.seq, pending.clone()));
        }
        stored.messages.extend(change.new_message.clone());
        let posted = change.new_message.as_ref().map(|message| (scope.channel.clone(), message.id.clone()));
        if let Some(updated) = &change.updated_message
            && let Some(message) = stored.messages.iter_mut().find(|message| message.id == updated.id)
        {
            message.clone_from(updated);
        }
        if let Some(message) = &change.new_message {
            state.files.attach(message);
        }
        if let (Some(before), Some(at)) =
            (&before.message, change.updated_message.as_ref().and_then(|updated| updated.deleted_at))
        {
            state.detach(before, at);
        }
        state.posted.extend(posted);
        let commit =
            Commit { channel_id: scope.channel, version, events: std::mem::take(&mut change.events) };
        self.publisher.publish(commit).await;
        Ok(change)
    }

    async fn load(&self, id: &ChannelId) -> Result<Option<ChannelAggregate>, StoreError> {
        Ok(self.state.lock().await.aggregate(&Scope::channel(id)))
    }

    async fn view(&self, id: &ChannelId, user: &UserId) -> Result<Option<ChannelView>, StoreError> {
        let state = self.state.lock().await;
        Ok(state.find(id).map(|stored| ChannelView {
            channel: stored.channel.clone(),
            turn: stored.turn.clone(),
            is_member: stored.members.contains(user),
        }))
    }

    async fn list(&self, user: &UserId) -> Result<Vec<ChannelSummary>, StoreError> {
        let state = self.state.lock().await;
        let all = state.channels.iter().map(|stored| state.summary(stored, user));
        Ok(all.filter(|summary| summary.channel.is_public || summary.is_member).collect())
    }

    async fn summary(&self, id: &ChannelId, user: &UserId) -> Result<Option<ChannelSummary>, StoreError> {
        let state = self.state.lock().await;
        Ok(state.find(id).map(|stored| state.summary(stored, user)))
    }

    async fn due_turns(&self, now: Timestamp) -> Result<Vec<ChannelId>, StoreError> {
        let state = self.state.lock().await;
        let deadline = |stored: &StoredChannel| stored.turn.as_ref().and_then(|turn| turn.deadline);
        let mut due: Vec<_> = state
            .channels
            .iter()
            .filter(|stored| {
                !stored.channel.closed && deadline(stored).is_some_and(|deadline| deadline <= now)
            })
            .collect();
        due.sort_by_key(|stored| (deadline(stored), stored.channel.id.clone()));
        Ok(due.into_iter().take(100).map(|stored| stored.channel.id.clone()).collect())
    }

    async fn published(&self, _: &ChannelId) -> Result<(), StoreError> {
        // Publishing happens under the lock.
        drop(self.state.lock().await);
        Ok(())
    }

    async fn missed_wakes(&self, id: &ChannelId, user: &UserId) -> Result<Vec<MissedWake>, StoreError> {
        let state = self.state.lock().await;
        let Some(stored) = state.find(id) else { return Ok(Vec::new()) };
        let own =
            stored.messages.iter().filter(|message| message.author == *user).map(|message| message.seq).max();
        let Some(settled) = state.settled.get(&(id.clone(), user.clone())) else { return Ok(Vec::new()) };
        let after = own.unwrap_or_default().max(*settled);
        let missed =
            stored.pending_wakes.iter().filter(|(seq, _)| *seq > after).filter_map(|(seq, pending)| {
                pending.reason_for(user).map(|reason| MissedWake { seq: *seq, reason, hop: pending.hop })
            });
        Ok(missed.collect())
    }

    async fn settle_wakes(&self, settled: Vec<SettledWakes>) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        for SettledWakes { channel, user, seq } in settled {
            if let Some(marker) = state.settled.get_mut(&(channel, user)) {
                *marker = seq.max(*marker);
            }
        }
        Ok(())
    }

    async fn mark_read(&self, id: &ChannelId, user: &UserId, seq: Seq) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        let marker = state.markers.entry((id.clone(), user.clone())).or_default();
        *marker = seq.max(*marker);
        Ok(())
    }
}

#[async_trait]
impl MessageStore for MemoryStore {
    async fn message(&self, channel: &ChannelId, id: &MessageId) -> Result<Option<Message>, StoreError> {
        let scope = Scope { message: Some(id.clone()), ..Scope::channel(channel) };
        Ok(self.state.lock().await.aggregate(&scope).and_then(|aggregate| aggregate.message))
    }

    async fn page(
        &self,
        channel: &ChannelId,
        range: SeqRange,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let state = self.state.lock().await;
        let Some(stored) = state.find(channel) else { return Ok(Vec::new()) };
        let within = |message: &&Message| {
            range.from.is_none_or(|from| message.seq >= from) && range.to.is_none_or(|to| message.seq <= to)
        };
        let mut page: Vec<Message> = stored.messages.iter().filter(within).cloned().collect();
        let limit = limit as usize;
        let length = |message: &Message| message.content.len() as u64;
        if range.from.is_some() {
            page.truncate(limit);
            page.truncate(fitting(page.iter().map(length)));
        } else {
            page.drain(..page.len().saturating_sub(limit));
            page.drain(..page.len() - fitting(page.iter().rev().map(length)));
        }
        Ok(page)
    }

    async fn revisions(&self, message: &MessageId) -> Result<Vec<Revision>, StoreError> {
        Ok(self.state.lock().await.revisions.get(message).cloned().unwrap_or_default())
    }

    async fn erase_deleted(&self, until: Timestamp) -> Result<usize, StoreError> {
        let mut state = self.state.lock().await;
        let messages = state.channels.iter().flat_map(|stored| &stored.messages);
        let mut deleted: Vec<(Timestamp, MessageId)> = messages
            .filter_map(|message| Some((message.deleted_at?, message.id.clone())))
            .filter(|(at, _)| *at <= until)
            .collect();
        deleted.sort();
        let mut erased = 0;
        for (_, id) in deleted {
            let Some(texts) = state.revisions.get_mut(&id) else { continue };
            let count = texts.len().min(ERASED_AT_ONCE - erased);
            texts.drain(..count);
            erased += count;
        }
        Ok(erased)
    }
}

#[async_trait]
impl PresenceStore for MemoryStore {
    async fn set_presence(&self, presence: &Presence) -> Result<(), StoreError> {
        self.state.lock().await.presences.insert(presence.user_id.clone(), presence.clone());
        self.publisher.presence(presence.clone()).await;
        Ok(())
    }

    async fn presence(&self, user: &UserId) -> Result<Option<Presence>, StoreError> {
        Ok(self.state.lock().await.presences.get(user).cloned())
    }

    async fn presences(&self) -> Result<Vec<Presence>, StoreError> {
        Ok(self.state.lock().await.presences.values().cloned().collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
