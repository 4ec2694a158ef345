//! Who is asking (spec/3 section 3).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use fabric_api::failure::{Failure, center_unavailable};
use fabric_domain::model::{Author, Caller};
use fabric_domain::services::Guild;
use futures_util::future::LocalBoxFuture;
use subtle::ConstantTimeEq;

use crate::Api;
use crate::failure::HttpFailure;

/// The header of the system caller.
const SYSTEM_KEY_HEADER: &str = "x-fabric-system-key";

/// The secret of the system caller. An empty one lets nobody in.
#[derive(Clone, Default)]
pub struct SystemKey(String);

impl SystemKey {
    /// A key; empty closes the door.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    fn admits(&self, given: &[u8]) -> bool {
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(given))
    }
}

impl fmt::Debug for SystemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemKey(…)")
    }
}

/// A guild user with a valid token for this node, and the guild that they ask.
#[derive(Debug)]
pub(crate) struct GuildUser {
    pub(crate) caller: Caller,
    pub(crate) guild: Arc<Guild>,
}

/// A guild user whose token is in the header, or in the address: a browser's `<img src>` sends no header. The
/// address is in no log of ours.
#[derive(Debug)]
pub(crate) struct LinkUser(pub(crate) GuildUser);

/// A guild user, or the guild itself.
#[derive(Debug)]
pub(crate) struct UserOrSystem {
    pub(crate) author: Author,
    pub(crate) guild: Arc<Guild>,
}

type Extraction<T> = LocalBoxFuture<'static, Result<T, HttpFailure>>;

impl FromRequest for GuildUser {
    type Error = HttpFailure;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { identify(&request, bearer(&request)).await })
    }
}

impl FromRequest for LinkUser {
    type Error = HttpFailure;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let in_address = access_token(&request);
            identify(&request, bearer(&request).or(in_address.as_deref())).await.map(Self)
        })
    }
}

impl FromRequest for UserOrSystem {
    type Error = HttpFailure;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let Some(key) = request.headers().get(SYSTEM_KEY_HEADER) else {
                let GuildUser { caller, guild } = identify(&request, bearer(&request)).await?;
                return Ok(Self { author: Author::User(caller), guild });
            };
            let api = api(&request)?;
            if api.system_key.admits(key.as_bytes()) {
                return Ok(Self { author: Author::System { wakeup: None }, guild: Arc::clone(&api.guild) });
            }
            // A wrong key is no reason to try another credential: whoever sends it means to be the guild.
            Err(Failure::new(401, "invalid_system_key", "invalid system key").into())
        })
    }
}

fn api(request: &HttpRequest) -> Result<&Api, Failure> {
    let api = request.app_data::<web::Data<Api>>().map(web::Data::get_ref);
    api.ok_or_else(|| Failure::new(500, "internal_error", "not configured"))
}

async fn identify(request: &HttpRequest, token: Option<&str>) -> Result<GuildUser, HttpFailure> {
    let api = api(request)?;
    // Databases differ in what they say to it; no id has one.
    if request.match_info().iter().any(|(_, part)| part.contains('\0')) {
        return Err(Failure::new(404, "route_not_found", "no such route").into());
    }
    let Some(token) = token else {
        return Err(Failure::new(401, "missing_bearer_token", "missing bearer token").into());
    };
    match api.guild.ports().center.introspect(token).await {
        Ok(Some(identity)) => Ok(GuildUser { caller: identity.caller(), guild: Arc::clone(&api.guild) }),
        Ok(None) => Err(Failure::new(401, "invalid_token", "invalid token").into()),
        Err(_) => Err(center_unavailable().into()),
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The token of `?access_token=`.
fn access_token(request: &HttpRequest) -> Option<String> {
    let query = web::Query::<HashMap<String, String>>::from_query(request.query_string()).ok()?;
    query.into_inner().remove("access_token").filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_system_key_admits_nobody() {
        assert!(!SystemKey::default().admits(b""));
        assert!(!SystemKey::default().admits(b"x"));
    }

    #[test]
    fn only_the_very_key_is_admitted_and_it_is_never_printed() {
        let key = SystemKey::new("s3cret");
        assert!(key.admits(b"s3cret"));
        assert!(!key.admits(b"s3cre") && !key.admits(b"S3cret") && !key.admits(b""));
        assert!(!format!("{key:?}").contains("s3cret"));
    }
}
