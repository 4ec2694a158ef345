//! Center, for users and agents: signing in, and tokens that stay fresh.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use fabric_api::center::{
    AgentLogin, Guild, JoinGuild, Login, Member, MyGuilds, Refresh, Register, Session as Answer, UpdateMe,
    User,
};
use parking_lot::Mutex;
use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::guild::GuildClient;
use crate::http::{Call, Http, Timeouts};
use crate::model::GuildId;
use crate::tokens::{Token, Tokens};

/// A Center. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Center {
    http: Http,
}

impl Center {
    /// The Center at this address (`http://host:port`, without `/api`), with default time-outs.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with_timeouts(url, Timeouts::default())
    }

    /// The same with other time-outs; guild clients of its sessions have them too.
    pub fn with_timeouts(url: &str, timeouts: Timeouts) -> Result<Self, Error> {
        Ok(Self { http: Http::new(url, timeouts)? })
    }

    /// Makes a user, where registration is open.
    pub async fn register(&self, email: &str, password: &str, name: Option<&str>) -> Result<User, Error> {
        let body = Register { email: email.into(), password: password.into(), name: name.map(str::to_owned) };
        self.http.send(&Call::new(Method::POST, &["auth", "register"]).body(&body)?, None).await
    }

    /// Signs a person in. The session lives as long as its refresh token; the password is not kept.
    pub async fn login(&self, email: &str, password: &str) -> Result<Session, Error> {
        let body = Login { email: email.into(), password: password.into() };
        let answer = self.http.send(&Call::new(Method::POST, &["auth", "login"]).body(&body)?, None).await?;
        Ok(Session::new(self.clone(), answer, None))
    }

    /// Signs an agent in with its API key (`fak_…`). The session signs in again by itself when its
    /// refresh token is no longer good.
    pub async fn agent_login(&self, api_key: &str) -> Result<Session, Error> {
        let answer = self.agent_session(api_key).await?;
        Ok(Session::new(self.clone(), answer, Some(api_key.into())))
    }

    async fn agent_session(&self, api_key: &str) -> Result<Answer, Error> {
        let body = AgentLogin { api_key: api_key.into() };
        self.http.send(&Call::new(Method::POST, &["auth", "agent", "login"]).body(&body)?, None).await
    }
}

/// Somebody who is signed in. Cheap to clone; clones share their tokens.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    center: Center,
    api_key: Option<Arc<str>>,
    /// Held while tokens are fetched: a refresh token is spent by its first use, so two at once
    /// would sign the session out.
    renewing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    user: User,
    access: Token,
    refresh: String,
    guilds: Vec<Guild>,
    guild_tokens: HashMap<GuildId, Token>,
}

impl State {
    fn new(answer: Answer) -> Self {
        let mut state = Self {
            access: Token::new(&answer.access_token),
            refresh: answer.refresh_token,
            user: answer.user,
            guilds: Vec::new(),
            guild_tokens: HashMap::new(),
        };
        state
            .take_guilds(MyGuilds { guilds: answer.guilds, guild_access_tokens: answer.guild_access_tokens });
        state
    }

    fn take_guilds(&mut self, mine: MyGuilds) {
        self.guilds = mine.guilds;
        self.guild_tokens = mine
            .guild_access_tokens
            .into_iter()
            .map(|token| (token.guild_node_id, Token::new(&token.token)))
            .collect();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user()).finish_non_exhaustive()
    }
}

impl Session {
    fn new(center: Center, answer: Answer, api_key: Option<Arc<str>>) -> Self {
        Self(Arc::new(Inner {
            center,
            api_key,
            renewing: tokio::sync::Mutex::new(()),
            state: Mutex::new(State::new(answer)),
        }))
    }

    /// Who is signed in, as of the last answer of Center.
    pub fn user(&self) -> User {
        self.0.state.lock().user.clone()
    }

    /// The guilds the user has joined, as of the last answer of Center; see [`Self::refresh_guilds`].
    pub fn guilds(&self) -> Vec<Guild> {
        self.0.state.lock().guilds.clone()
    }

    /// The client of one of these guilds, at the address that Center knows for it.
    pub fn guild(&self, id: &GuildId) -> Result<GuildClient, Error> {
        let endpoint =
            self.0.state.lock().guilds.iter().find(|g| g.node_id == *id).map(|g| g.endpoint.clone());
        let endpoint = endpoint.ok_or_else(|| Error::NotInGuild(id.clone()))?;
        self.guild_at(id, &endpoint)
    }

    /// The client of a guild at another address than the one that Center knows.
    pub fn guild_at(&self, id: &GuildId, endpoint: &str) -> Result<GuildClient, Error> {
        let http = Http::new(endpoint, self.0.center.http.timeouts())?;
        Ok(GuildClient::new(http, id.clone(), Tokens::Session(self.clone(), id.clone())))
    }

    /// Asks Center who is signed in.
    pub async fn me(&self) -> Result<User, Error> {
        self.call(&Call::new(Method::GET, &["auth", "me"])).await
    }

    /// Changes the display name.
    pub async fn rename(&self, name: &str) -> Result<User, Error> {
        let body = UpdateMe { name: name.into() };
        let user: User = self.call(&Call::new(Method::PATCH, &["auth", "me"]).body(&body)?).await?;
        self.0.state.lock().user = user.clone();
        Ok(user)
    }

    /// Asks Center for the guilds of the user, with fresh tokens.
    pub async fn refresh_guilds(&self) -> Result<Vec<Guild>, Error> {
        let mine: MyGuilds = self.call(&Call::new(Method::GET, &["auth", "me", "guilds"])).await?;
        self.0.state.lock().take_guilds(mine);
        Ok(self.guilds())
    }

    /// Joins a guild: an open one, or one to which the user was invited.
    pub async fn join_guild(&self, id: &GuildId, invite_code: Option<&str>) -> Result<GuildClient, Error> {
        let body = JoinGuild { node_id: id.clone(), invite_code: invite_code.map(str::to_owned) };
        let call = Call::new(Method::POST, &["auth", "me", "guilds", "join"]).body(&body)?;
        let mine: MyGuilds = self.call(&call).await?;
        self.0.state.lock().take_guilds(mine);
        self.guild(id)
    }

    /// The members of a guild.
    pub async fn guild_members(&self, id: &GuildId) -> Result<Vec<Member>, Error> {
        self.call(&Call::new(Method::GET, &["auth", "guilds", id.as_str(), "members"])).await
    }

    /// Renews all tokens now.
    pub async fn refresh(&self) -> Result<(), Error> {
        let _renewing = self.0.renewing.lock().await;
        self.renew().await
    }

    /// Signs out: the session's refresh token ends at Center.
    pub async fn logout(&self) -> Result<(), Error> {
        let token = self.access_token(None).await?;
        self.0.center.http.send_only(&Call::new(Method::POST, &["auth", "logout"]), Some(&token)).await
    }

    /// A guild token that is good for a while and is not `refused`.
    pub(crate) async fn guild_token(&self, id: &GuildId, refused: Option<&str>) -> Result<Arc<str>, Error> {
        let good = || {
            let state = self.0.state.lock();
            let token = state.guild_tokens.get(id)?;
            (token.is_fresh() && refused != Some(&*token.text)).then(|| token.text.clone())
        };
        match good() {
            Some(token) => Ok(token),
            None => self.fresh_guild_token(id).await,
        }
    }

    /// A guild token fetched just now.
    pub(crate) async fn fresh_guild_token(&self, id: &GuildId) -> Result<Arc<str>, Error> {
        self.refresh_guilds().await?;
        let state = self.0.state.lock();
        let token = state.guild_tokens.get(id).ok_or_else(|| Error::NotInGuild(id.clone()))?;
        Ok(token.text.clone())
    }

    /// A call with the access token; a refused token is renewed once.
    async fn call<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Error> {
        let token = self.access_token(None).await?;
        match self.0.center.http.send(call, Some(&token)).await {
            Err(error) if error.status() == Some(401) => {
                let token = self.access_token(Some(&token)).await?;
                self.0.center.http.send(call, Some(&token)).await
            }
            answer => answer,
        }
    }

    async fn access_token(&self, refused: Option<&str>) -> Result<Arc<str>, Error> {
        let good = || {
            let state = self.0.state.lock();
            (state.access.is_fresh() && refused != Some(&*state.access.text))
                .then(|| state.access.text.clone())
        };
        if let Some(token) = good() {
            return Ok(token);
        }
        let _renewing = self.0.renewing.lock().await;
        // Somebody else may have renewed it while we waited.
        if let Some(token) = good() {
            return Ok(token);
        }
        self.renew().await?;
        Ok(self.0.state.lock().access.text.clone())
    }

    /// Spends the refresh token; where that fails for good, an API key signs in again.
    async fn renew(&self) -> Result<(), Error> {
        let body = Refresh { refresh_token: self.0.state.lock().refresh.clone() };
        let center = &self.0.center;
        let call = Call::new(Method::POST, &["auth", "refresh"]).body(&body)?;
        let answer: Result<Answer, Error> = center.http.send(&call, None).await;
        let answer = match (answer, &self.0.api_key) {
            (Err(error), Some(key)) if error.status() == Some(401) => center.agent_session(key).await?,
            (answer, _) => answer?,
        };
        *self.0.state.lock() = State::new(answer);
        Ok(())
    }
}
