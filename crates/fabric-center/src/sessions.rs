//! Signing in, staying signed in, signing out; and what a guild node asks about a token.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use fabric_api::center::{Introspection, Session, TokenOwner, UserKind};
use fabric_domain::model::Timestamp;
use fabric_serverkit::system::new_uuid;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _,
};

use crate::audit::{Actor, record};
use crate::center::Center;
use crate::entity::{api_key, membership, refresh_token, session, user};
use crate::error::Error;
use crate::secret::{REFRESH_PREFIX, fingerprint, new_token};
use crate::tokens::Bearer;
use crate::users::{find_by_email, revoke_sessions, to_user};
use crate::values::email_key;

/// Expired sessions are deleted no more often than this.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// A signed-in user.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) user: user::Model,
    pub(crate) session: session::Model,
}

impl session::Model {
    /// What the user is in this session.
    pub(crate) fn kind(&self) -> UserKind {
        if self.api_key_id.is_some() { UserKind::Agent } else { UserKind::Human }
    }
}

impl SignedIn {
    pub(crate) fn bearer(&self) -> Bearer<'_> {
        Bearer { user_id: &self.user.id, kind: self.session.kind(), session_id: &self.session.id }
    }

    pub(crate) fn actor(&self) -> Actor {
        Actor::User(self.user.id.clone())
    }
}

impl Center {
    /// Signs a person in. The answer to an unknown email, a wrong password and a disabled user is the same and takes
    /// the same time.
    pub(crate) async fn login(
        &self,
        email: &str,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<Session, Error> {
        self.0.logins.attempt(address, &fingerprint(&email_key(email)), self.now())?;
        let found = find_by_email(&self.0.db, email).await?;
        let stored = found.as_ref().map(|user| user.password_hash.as_str());
        let matches = self.0.passwords.verify(password, stored).await?;
        match found {
            Some(user) if matches && user.disabled_at.is_none() => self.open_session(user, None).await,
            _ => Err(Error::InvalidCredentials),
        }
    }

    /// Signs an agent in.
    pub(crate) async fn agent_login(&self, key: &str, address: Option<IpAddr>) -> Result<Session, Error> {
        let hash = fingerprint(key);
        self.0.logins.attempt(address, &hash, self.now())?;
        let key = api_key::Entity::find()
            .filter(api_key::Column::KeyHash.eq(hash))
            .filter(api_key::Column::RevokedAt.is_null())
            .one(&self.0.db)
            .await?
            .ok_or(Error::InvalidCredentials)?;
        let user = user::Entity::find_by_id(key.user_id.as_str()).one(&self.0.db).await?;
        let user = user.filter(|user| user.disabled_at.is_none()).ok_or(Error::InvalidCredentials)?;
        self.open_session(user, Some(key)).await
    }

    async fn open_session(&self, user: user::Model, key: Option<api_key::Model>) -> Result<Session, Error> {
        let now = self.now();
        self.sweep(now).await?;
        let session = session::Model {
            id: new_uuid(now),
            user_id: user.id.clone(),
            api_key_id: key.map(|key| key.id),
            created_at: now.0,
            expires_at: self.refresh_end(now),
            revoked_at: None,
        };
        let tx = self.write().await?;
        if let Some(key) = &session.api_key_id {
            // Read again where no other write can come between: a key that was revoked while we waited for the
            // lock ended the sessions there were, and this one was not among them.
            let live = api_key::Entity::find_by_id(key).filter(api_key::Column::RevokedAt.is_null());
            live.one(&tx).await?.ok_or(Error::InvalidCredentials)?;
        }
        session::Entity::insert(session.clone().into_active_model()).exec_without_returning(&tx).await?;
        let refresh_token = add_refresh_token(&tx, &session).await?;
        let who = SignedIn { user, session };
        record(&tx, now, &who.actor(), "session.opened", &who.session.id, None).await?;
        tx.commit().await?;
        self.session_answer(&who, refresh_token).await
    }

    /// Changes a refresh token for a new one. A token that was spent before has been stolen, from one side or the
    /// other: its family ends, and only its family.
    pub(crate) async fn refresh(&self, token: &str) -> Result<Session, Error> {
        let now = self.now();
        let tx = self.write().await?;
        let found = refresh_token::Entity::find_by_id(fingerprint(token)).one(&tx).await?;
        let spent = found.ok_or(Error::InvalidRefreshToken)?;
        let session = session::Entity::find_by_id(spent.session_id.as_str()).one(&tx).await?;
        let session = session.filter(|s| s.revoked_at.is_none()).ok_or(Error::InvalidRefreshToken)?;
        // Compare and swap: of two uses at the same moment, one is the second, also where the database does not lock
        // the row that was read.
        let first_use = refresh_token::Entity::update_many()
            .col_expr(refresh_token::Column::UsedAt, now.0.into())
            .filter(refresh_token::Column::TokenHash.eq(spent.token_hash.as_str()))
            .filter(refresh_token::Column::UsedAt.is_null())
            .exec(&tx)
            .await?
            .rows_affected
            == 1;
        if !first_use {
            revoke_sessions(&tx, session::Column::Id.eq(session.id.as_str()), now).await?;
            let detail = Some("a refresh token was used twice".to_owned());
            record(&tx, now, &Actor::Anonymous, "session.revoked", &session.id, detail).await?;
            tx.commit().await?;
            return Err(Error::InvalidRefreshToken);
        }
        let user = user::Entity::find_by_id(session.user_id.as_str()).one(&tx).await?;
        let user = user.filter(|user| user.disabled_at.is_none()).ok_or(Error::InvalidRefreshToken)?;
        if now.0 >= spent.expires_at {
            return Err(Error::InvalidRefreshToken);
        }
        let mut change = session.into_active_model();
        change.expires_at = Set(self.refresh_end(now));
        let session = change.update(&tx).await?;
        let refresh_token = add_refresh_token(&tx, &session).await?;
        tx.commit().await?;
        self.session_answer(&SignedIn { user, session }, refresh_token).await
    }

    /// Ends the session with all its tokens.
    pub(crate) async fn logout(&self, who: &SignedIn) -> Result<(), Error> {
        let now = self.now();
        let tx = self.write().await?;
        revoke_sessions(&tx, session::Column::Id.eq(who.session.id.as_str()), now).await?;
        record(&tx, now, &who.actor(), "session.closed", &who.session.id, None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whose access token this is.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<SignedIn, Error> {
        let claims = self.0.signer.read_access(token, self.now()).ok_or(Error::InvalidToken)?;
        self.live_session(&claims.sid).await?.ok_or(Error::InvalidToken)
    }

    /// What a node asks: whose guild token this is. Signing out, the end of a key or membership, and being disabled end
    /// the token at once.
    pub(crate) async fn introspect(&self, node_id: &str, token: &str) -> Result<Introspection, Error> {
        let Some(claims) = self.0.signer.read_guild(token, node_id, self.now()) else {
            return Ok(Introspection::Inactive);
        };
        let Some(who) = self.live_session(&claims.sid).await? else { return Ok(Introspection::Inactive) };
        let member = membership::Entity::find_by_id((node_id.to_owned(), who.user.id.clone()));
        if member.one(&self.0.db).await?.is_none() {
            return Ok(Introspection::Inactive);
        }
        Ok(Introspection::Active(TokenOwner {
            user_id: who.user.id.into(),
            name: who.user.name,
            kind: claims.kind,
            guild_node_id: node_id.into(),
            expires_at: claims.expires_at().into(),
        }))
    }

    async fn live_session(&self, session_id: &str) -> Result<Option<SignedIn>, Error> {
        let session = session::Entity::find_by_id(session_id).one(&self.0.db).await?;
        let Some(session) = session.filter(|session| session.revoked_at.is_none()) else { return Ok(None) };
        let user = user::Entity::find_by_id(session.user_id.as_str()).one(&self.0.db).await?;
        let user = user.filter(|user| user.disabled_at.is_none());
        Ok(user.map(|user| SignedIn { user, session }))
    }

    async fn session_answer(&self, who: &SignedIn, refresh_token: String) -> Result<Session, Error> {
        let mine = self.my_guilds(who).await?;
        Ok(Session {
            access_token: self.0.signer.access(
                who.bearer(),
                self.now(),
                self.0.settings.access_token_seconds,
            )?,
            refresh_token,
            user: to_user(who.user.clone(), who.session.kind()),
            guilds: mine.guilds,
            guild_access_tokens: mine.guild_access_tokens,
        })
    }

    fn refresh_end(&self, now: Timestamp) -> i64 {
        now.plus(Duration::from_hours(24) * self.0.settings.refresh_token_days).0
    }

    /// Deletes what has expired, once in a while: tables must not grow with every sign-in for ever. A session outlives
    /// its last refresh token by far less than its tokens, which are good for minutes.
    async fn sweep(&self, now: Timestamp) -> Result<(), Error> {
        {
            let mut swept_at = self.0.swept_at.lock().unwrap_or_else(PoisonError::into_inner);
            if now.since(*swept_at) < SWEEP_EVERY {
                return Ok(());
            }
            *swept_at = now;
        }
        let longest = self.0.settings.access_token_seconds.max(self.0.settings.guild_token_seconds);
        let before = now.minus(Duration::from_secs(longest.into())).0;
        let tx = self.write().await?;
        refresh_token::Entity::delete_many()
            .filter(refresh_token::Column::ExpiresAt.lt(before))
            .exec(&tx)
            .await?;
        session::Entity::delete_many().filter(session::Column::ExpiresAt.lt(before)).exec(&tx).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn add_refresh_token(db: &impl ConnectionTrait, session: &session::Model) -> Result<String, Error> {
    let token = new_token(REFRESH_PREFIX);
    let row = refresh_token::ActiveModel {
        token_hash: Set(fingerprint(&token)),
        session_id: Set(session.id.clone()),
        expires_at: Set(session.expires_at),
        used_at: Set(None),
    };
    refresh_token::Entity::insert(row).exec_without_returning(db).await?;
    Ok(token)
}
