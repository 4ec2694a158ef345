//! Who of the guild is active, as Center says: whom a channel may have as members, for whom turns wait, and who is
//! woken (spec/2 section 8).

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Guild, ServiceError};
use crate::decisions::{ChannelAggregate, TurnRecord, turns};
use crate::model::{Active, Caller, ChannelId, FieldError, GuildMember, Refusal, UserId};
use crate::ports::Scope;

/// What Center last said, at hand for decisions that cannot wait for it.
#[derive(Debug, Default)]
pub(super) struct People {
    active: RwLock<Active>,
    /// The inactive whose turns are over.
    passed_over: RwLock<HashSet<UserId>>,
}

/// Users that a request names in one of its fields.
pub(super) struct Named<'a> {
    pub(super) field: &'static str,
    pub(super) users: &'a [UserId],
}

impl Guild {
    /// Who is active, as Center last said.
    pub(super) fn active(&self) -> Active {
        self.people.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_active(&self, members: &[GuildMember]) -> Active {
        let active = Active::new(members);
        *self.people.active.write().unwrap_or_else(PoisonError::into_inner) = active.clone();
        active
    }

    /// Asks Center who is active, and ends the turns of those who no longer are: to be called every ten seconds or so.
    /// While Center is away, what it said last holds.
    pub async fn look_who_is_active(&self) -> Result<(), ServiceError> {
        let members = self.ports.center.members().await?;
        let active = self.note_active(&members);
        let passed_over = || self.people.passed_over.write().unwrap_or_else(PoisonError::into_inner);
        passed_over().retain(|user| !active.is_active(user));
        for user in active.inactive() {
            if passed_over().contains(user) {
                continue;
            }
            // Noted first: what fails meanwhile takes the note away.
            passed_over().insert(user.clone());
            let channels = self.ports.store.list(user).await.inspect_err(|_| {
                passed_over().remove(user);
            })?;
            for channel in channels {
                if let Some(turn) = &channel.turn {
                    self.pass_over(&channel.channel.id, turn).await;
                }
            }
        }
        Ok(())
    }

    /// Refuses users of whom Center does not know that they are active members of the guild; every one is named.
    pub(super) async fn require_known(&self, named: &[Named<'_>]) -> Result<(), ServiceError> {
        let unknown = |active: &Active| {
            let each =
                named.iter().flat_map(|Named { field, users }| users.iter().map(|user| (*field, user)));
            each.filter(|(_, user)| !active.is_active(user))
                .map(|(field, user)| (field, user.clone()))
                .collect()
        };
        if named.iter().all(|named| named.users.is_empty()) {
            return Ok(());
        }
        let members = self.ports.center.members().await?;
        let mut strangers: Vec<_> = unknown(&self.note_active(&members));
        if !strangers.is_empty() {
            // Perhaps they have just joined.
            let members = self.ports.center.members_now().await?;
            strangers = unknown(&self.note_active(&members));
        }
        if strangers.is_empty() {
            return Ok(());
        }
        let complaint = |(field, user)| {
            FieldError::new(field, format!("{:?} is no active member of this guild", UserId::as_str(&user)))
        };
        Err(Refusal::UnknownUsers(strangers.into_iter().map(complaint).collect()).into())
    }

    /// The same for users who are to become members of a channel: those who are already stay as they are. Who may not
    /// see the channel does not learn by it who is in the guild.
    pub(super) async fn require_known_or_members(
        &self,
        caller: &Caller,
        id: &ChannelId,
        named: Named<'_>,
    ) -> Result<(), ServiceError> {
        let Named { field, users } = named;
        match self.require_known(&[Named { field, users }]).await {
            Err(ServiceError::Refused(Refusal::UnknownUsers(_)) | ServiceError::Center(_)) => {}
            other => return other,
        }
        if self.admin().await.as_ref() != Some(&caller.user_id) {
            self.readable(caller, id).await?;
        }
        let channel = self.ports.store.load(id).await?;
        let channel = channel.ok_or(ServiceError::Refused(Refusal::ChannelNotFound))?;
        let new: Vec<UserId> = users.iter().filter(|user| !channel.is_member(user)).cloned().collect();
        self.require_known(&[Named { field, users: &new }]).await
    }

    /// Somebody who came by themselves is active, whether or not they were the last time that Center was asked.
    pub(super) async fn note_newcomer(&self, user: &UserId) {
        if !self.active().is_active(user)
            && let Ok(members) = self.ports.center.members_now().await
        {
            self.note_active(&members);
        }
    }

    /// Ends the turns of inactive speakers, until it is the turn of one who is active, or nobody's. What fails is done
    /// when it is next looked who is active.
    pub(super) async fn pass_over(&self, channel: &ChannelId, turn: &TurnRecord) {
        let active = self.active();
        let mut speaker = turn.state.active().cloned();
        while let Some(user) = speaker.filter(|user| !active.is_active(user)) {
            let moment = self.moment();
            let passed_over = user.clone();
            let decide = move |channel: &ChannelAggregate| Ok(turns::pass_over(channel, &user, &moment));
            let change = self.ports.store.update(Scope::channel(channel), Arc::new(decide)).await;
            let Ok(change) = change else {
                self.people.passed_over.write().unwrap_or_else(PoisonError::into_inner).remove(&passed_over);
                return;
            };
            speaker = change.turn.and_then(|turn| turn.state.active().cloned());
        }
    }
}
