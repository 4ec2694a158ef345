//! Who is asking (spec/3 section 3).

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use fabric_domain::model::{Author, Caller};
use fabric_domain::services::Guild;
use fabric_serverkit::web::{HttpError, bearer_token};
use futures_util::future::LocalBoxFuture;

use crate::{Api, Room};

/// The header of the system caller.
const SYSTEM_KEY_HEADER: &str = "x-fabric-system-key";

/// A guild user with a valid token for this node, and the guild that they ask.
#[derive(Debug)]
pub(crate) struct GuildUser {
    pub(crate) caller: Caller,
    pub(crate) guild: Arc<Guild>,
    pub(crate) room: Room,
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

type Extraction<T> = LocalBoxFuture<'static, Result<T, HttpError>>;

impl FromRequest for GuildUser {
    type Error = HttpError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { identify(&request, bearer_token(&request)).await })
    }
}

impl FromRequest for LinkUser {
    type Error = HttpError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let in_address = access_token(&request);
            identify(&request, bearer_token(&request).or(in_address.as_deref())).await.map(Self)
        })
    }
}

impl FromRequest for UserOrSystem {
    type Error = HttpError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let Some(key) = request.headers().get(SYSTEM_KEY_HEADER) else {
                let GuildUser { caller, guild, .. } = identify(&request, bearer_token(&request)).await?;
                return Ok(Self { author: Author::User(caller), guild });
            };
            let api = api(&request)?;
            if api.system_key.admits(key.as_bytes()) {
                return Ok(Self { author: Author::System { wakeup: None }, guild: Arc::clone(&api.guild) });
            }
            // A wrong key is no reason to try another credential: whoever sends it means to be the guild.
            Err(HttpError::new(401, "invalid_system_key", "invalid system key"))
        })
    }
}

fn api(request: &HttpRequest) -> Result<&Api, HttpError> {
    let api = request.app_data::<web::Data<Api>>().map(web::Data::get_ref);
    api.ok_or_else(|| HttpError::new(500, "internal_error", "not configured"))
}

async fn identify(request: &HttpRequest, token: Option<&str>) -> Result<GuildUser, HttpError> {
    let api = api(request)?;
    // Databases differ in what they say to it; no id has one.
    if request.match_info().iter().any(|(_, part)| part.contains('\0')) {
        return Err(HttpError::new(404, "route_not_found", "no such route"));
    }
    let Some(token) = token else {
        return Err(HttpError::new(401, "missing_bearer_token", "missing bearer token"));
    };
    let identity = api.guild.identify(token).await?;
    Ok(GuildUser { caller: identity.caller(), guild: Arc::clone(&api.guild), room: api.room.clone() })
}

/// The token of `?access_token=`.
fn access_token(request: &HttpRequest) -> Option<String> {
    let query = web::Query::<HashMap<String, String>>::from_query(request.query_string()).ok()?;
    query.into_inner().remove("access_token").filter(|token| !token.is_empty())
}
