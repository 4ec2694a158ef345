//! What somebody can do who is signed in at a Center.

use std::fmt;
use std::sync::Arc;

use fabric_api::center::{Guild, JoinGuild, Member, UpdateMe, User};
use reqwest::Method;

use crate::account::Account;
use crate::error::Error;
use crate::guild::GuildClient;
use crate::http::{Call, Http};
use crate::model::GuildId;
use crate::tokens::Tokens;

/// Somebody who is signed in. Cheap to clone; clones share their tokens.
#[derive(Clone)]
pub struct Session(Arc<Account>);

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user()).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(account: Account) -> Self {
        Self(Arc::new(account))
    }

    /// Who is signed in, as of the last answer of Center.
    pub fn user(&self) -> User {
        self.0.user()
    }

    /// The guilds the user has joined, as of the last answer of Center; see [`Self::refresh_guilds`].
    pub fn guilds(&self) -> Vec<Guild> {
        self.0.guilds()
    }

    /// The client of one of these guilds, at the address that Center knows for it.
    pub fn guild(&self, id: &GuildId) -> Result<GuildClient, Error> {
        let endpoint = self.0.endpoint(id).ok_or_else(|| Error::NotInGuild(id.clone()))?;
        self.guild_at(id, &endpoint)
    }

    /// The client of a guild at another address than the one that Center knows.
    pub fn guild_at(&self, id: &GuildId, endpoint: &str) -> Result<GuildClient, Error> {
        let http = Http::new(endpoint, self.0.http.timeouts())?;
        Ok(GuildClient::new(http, id.clone(), Tokens::Account(Arc::clone(&self.0), id.clone())))
    }

    /// Asks Center who is signed in.
    pub async fn me(&self) -> Result<User, Error> {
        self.0.call(&Call::new(Method::GET, &["auth", "me"])).await
    }

    /// Changes the display name.
    pub async fn rename(&self, name: &str) -> Result<User, Error> {
        let body = UpdateMe { name: name.into() };
        let user: User = self.0.call(&Call::new(Method::PATCH, &["auth", "me"]).body(&body)?).await?;
        self.0.set_user(user.clone());
        Ok(user)
    }

    /// Asks Center for the guilds of the user, with fresh tokens.
    pub async fn refresh_guilds(&self) -> Result<Vec<Guild>, Error> {
        self.0.refresh_guilds().await?;
        Ok(self.guilds())
    }

    /// Joins a guild: an open one, or one to which the user was invited.
    pub async fn join_guild(&self, id: &GuildId, invite_code: Option<&str>) -> Result<GuildClient, Error> {
        let body = JoinGuild { node_id: id.clone(), invite_code: invite_code.map(str::to_owned) };
        let call = Call::new(Method::POST, &["auth", "me", "guilds", "join"]).body(&body)?;
        self.0.set_guilds(self.0.call(&call).await?);
        self.guild(id)
    }

    /// The members of a guild.
    pub async fn guild_members(&self, id: &GuildId) -> Result<Vec<Member>, Error> {
        self.0.call(&Call::new(Method::GET, &["auth", "guilds", id.as_str(), "members"])).await
    }

    /// Renews all tokens now.
    pub async fn refresh(&self) -> Result<(), Error> {
        self.0.refresh().await
    }

    /// Signs out: the session's refresh token ends at Center.
    pub async fn logout(&self) -> Result<(), Error> {
        let token = self.0.access_token(None).await?;
        self.0.http.send_only(&Call::new(Method::POST, &["auth", "logout"]), Some(&token)).await
    }
}
