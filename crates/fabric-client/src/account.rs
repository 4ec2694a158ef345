//! Somebody's account at a Center: tokens that stay fresh, and calls with them.

use std::collections::HashMap;
use std::sync::Arc;

use fabric_api::center::{AgentLogin, Guild, MyGuilds, Refresh, Session as Answer, User};
use parking_lot::Mutex;
use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::http::{Call, Http};
use crate::model::GuildId;
use crate::token::Token;

/// Somebody who is signed in.
pub(crate) struct Account {
    pub(crate) http: Http,
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

/// Signs an agent in with its API key.
pub(crate) async fn sign_in(http: &Http, api_key: &str) -> Result<Answer, Error> {
    let body = AgentLogin { api_key: api_key.into() };
    http.send(&Call::new(Method::POST, &["auth", "agent", "login"]).body(&body)?, None).await
}

impl Account {
    /// The account of an answer to signing in; with the API key it signs in again by itself when its
    /// refresh token is no longer good.
    pub(crate) fn new(http: Http, answer: Answer, api_key: Option<Arc<str>>) -> Self {
        Self { http, api_key, renewing: tokio::sync::Mutex::new(()), state: Mutex::new(State::new(answer)) }
    }

    /// Who is signed in, as of the last answer of Center.
    pub(crate) fn user(&self) -> User {
        self.state.lock().user.clone()
    }

    pub(crate) fn set_user(&self, user: User) {
        self.state.lock().user = user;
    }

    /// The guilds the user has joined, as of the last answer of Center.
    pub(crate) fn guilds(&self) -> Vec<Guild> {
        self.state.lock().guilds.clone()
    }

    pub(crate) fn set_guilds(&self, mine: MyGuilds) {
        self.state.lock().take_guilds(mine);
    }

    /// Where Center knows a guild to be.
    pub(crate) fn endpoint(&self, id: &GuildId) -> Option<String> {
        self.state.lock().guilds.iter().find(|guild| guild.node_id == *id).map(|guild| guild.endpoint.clone())
    }

    /// Asks Center for the guilds of the user, with fresh tokens.
    pub(crate) async fn refresh_guilds(&self) -> Result<(), Error> {
        self.set_guilds(self.call(&Call::new(Method::GET, &["auth", "me", "guilds"])).await?);
        Ok(())
    }

    /// Renews all tokens now.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let _renewing = self.renewing.lock().await;
        self.renew().await
    }

    /// A guild token that is good for a while and is not `refused`.
    pub(crate) async fn guild_token(&self, id: &GuildId, refused: Option<&str>) -> Result<Arc<str>, Error> {
        let good = || {
            let state = self.state.lock();
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
        let state = self.state.lock();
        let token = state.guild_tokens.get(id).ok_or_else(|| Error::NotInGuild(id.clone()))?;
        Ok(token.text.clone())
    }

    /// A call with the access token; a refused token is renewed once.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Error> {
        let token = self.access_token(None).await?;
        match self.http.send(call, Some(&token)).await {
            Err(error) if error.status() == Some(401) => {
                let token = self.access_token(Some(&token)).await?;
                self.http.send(call, Some(&token)).await
            }
            answer => answer,
        }
    }

    /// An access token that is good for a while and is not `refused`.
    pub(crate) async fn access_token(&self, refused: Option<&str>) -> Result<Arc<str>, Error> {
        let good = || {
            let state = self.state.lock();
            (state.access.is_fresh() && refused != Some(&*state.access.text))
                .then(|| state.access.text.clone())
        };
        if let Some(token) = good() {
            return Ok(token);
        }
        let _renewing = self.renewing.lock().await;
        // Somebody else may have renewed it while we waited.
        if let Some(token) = good() {
            return Ok(token);
        }
        self.renew().await?;
        Ok(self.state.lock().access.text.clone())
    }

    /// Spends the refresh token; where that fails for good, an API key signs in again.
    async fn renew(&self) -> Result<(), Error> {
        let body = Refresh { refresh_token: self.state.lock().refresh.clone() };
        let call = Call::new(Method::POST, &["auth", "refresh"]).body(&body)?;
        let answer: Result<Answer, Error> = self.http.send(&call, None).await;
        let answer = match (answer, &self.api_key) {
            (Err(error), Some(key)) if error.status() == Some(401) => sign_in(&self.http, key).await?,
            (answer, _) => answer?,
        };
        *self.state.lock() = State::new(answer);
        Ok(())
    }
}
