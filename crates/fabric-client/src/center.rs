//! Center, for users and agents: signing in.

use fabric_api::center::{Login, Register, User};
use reqwest::Method;

use crate::account::{self, Account};
use crate::error::Error;
use crate::http::{Call, Http, Timeouts};
use crate::session::Session;

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
        Ok(Session::new(Account::new(self.http.clone(), answer, None)))
    }

    /// Signs an agent in with its API key (`fak_…`). The session signs in again by itself when its
    /// refresh token is no longer good.
    pub async fn agent_login(&self, api_key: &str) -> Result<Session, Error> {
        let answer = account::sign_in(&self.http, api_key).await?;
        Ok(Session::new(Account::new(self.http.clone(), answer, Some(api_key.into()))))
    }
}
