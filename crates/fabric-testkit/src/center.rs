//! Center as a table.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use fabric_domain::model::{GuildMember, Timestamp, UserId, UserKind};
use fabric_domain::ports::{CenterError, Identity, IdentityCenter};
use parking_lot::Mutex;

/// A Center whose token for a user is the user's id, and whose names are ids too.
#[derive(Debug, Default)]
pub struct StubCenter {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<GuildMember>,
    admin: Option<UserId>,
    is_down: bool,
}

impl StubCenter {
    /// A Center that knows nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a user access to the guild.
    pub fn add(&self, user: &str, kind: UserKind) {
        let member = member(user, kind);
        let members = &mut self.state.lock().members;
        members.retain(|known| known.user_id != member.user_id);
        members.push(member);
    }

    /// Gives access to those of whom it has never heard; they are people.
    pub fn know<'a>(&self, users: impl Iterator<Item = &'a UserId>) {
        let members = &mut self.state.lock().members;
        for user in users {
            if members.iter().all(|known| known.user_id != *user) {
                members.push(member(user.as_str(), UserKind::Human));
            }
        }
    }

    /// Takes a user's access away: their token is known no more, nor is their name resolved.
    pub fn revoke(&self, user: &str) {
        for member in &mut self.state.lock().members {
            member.is_active &= member.user_id.as_str() != user;
        }
    }

    /// Makes a user the admin.
    pub fn set_admin(&self, admin: Option<&str>) {
        self.state.lock().admin = admin.map(UserId::from);
    }

    /// Takes Center away, or gives it back.
    pub fn set_down(&self, is_down: bool) {
        self.state.lock().is_down = is_down;
    }
}

fn member(user: &str, kind: UserKind) -> GuildMember {
    GuildMember { user_id: user.into(), name: user.to_owned(), kind, is_active: true }
}

fn unavailable() -> CenterError {
    CenterError::Unavailable("taken away".to_owned())
}

#[async_trait]
impl IdentityCenter for StubCenter {
    async fn introspect(&self, token: &str) -> Result<Option<Identity>, CenterError> {
        let state = self.state.lock();
        if state.is_down {
            return Err(unavailable());
        }
        let member = state.members.iter().find(|member| member.is_active && member.user_id.as_str() == token);
        Ok(member.map(|member| Identity {
            user_id: member.user_id.clone(),
            name: member.name.clone(),
            kind: member.kind,
            expires_at: Timestamp(i64::MAX),
        }))
    }

    async fn resolve_names(&self, names: &[String]) -> Result<HashMap<String, UserId>, CenterError> {
        let state = self.state.lock();
        if state.is_down {
            return Err(unavailable());
        }
        let known =
            |name: &String| state.members.iter().find(|member| member.is_active && member.name == *name);
        Ok(names.iter().filter_map(|name| Some((name.clone(), known(name)?.user_id.clone()))).collect())
    }

    async fn admin(&self) -> Option<UserId> {
        let state = self.state.lock();
        state.admin.clone().filter(|_| !state.is_down)
    }

    async fn members(&self) -> Result<Arc<[GuildMember]>, CenterError> {
        let state = self.state.lock();
        if state.is_down { Err(unavailable()) } else { Ok(state.members.as_slice().into()) }
    }

    async fn members_now(&self) -> Result<Arc<[GuildMember]>, CenterError> {
        self.members().await
    }
}
