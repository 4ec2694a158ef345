//! `/auth/…`

use actix_web::http::Method;
use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use fabric_api::center::{
    Admin, AgentLogin, Introspect, Introspection, JoinGuild, Login, Member, MyGuilds, Refresh, ResolveNames,
    ResolvedNames, Session, User,
};
use fabric_api::fields::{Fields, FromFields};
use fabric_serverkit::web::{HttpError, on, resource};

use super::body::{Body, optional, required};
use super::caller::{ByNode, Caller, Origin};
use crate::audit::Actor;
use crate::center::Center;
use crate::error::Error;
use crate::sessions::SignedIn;
use crate::users::{NewUser, to_user};
use crate::values::{DisplayName, Email, Password};

type Answer<T> = Result<Json<T>, HttpError>;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/auth/register", [on(Method::POST, register)]))
        .service(resource("/auth/login", [on(Method::POST, login)]))
        .service(resource("/auth/agent/login", [on(Method::POST, agent_login)]))
        .service(resource("/auth/refresh", [on(Method::POST, refresh)]))
        .service(resource("/auth/logout", [on(Method::POST, logout)]))
        .service(resource("/auth/me", [on(Method::GET, me), on(Method::PATCH, update_me)]))
        .service(resource("/auth/me/guilds", [on(Method::GET, my_guilds)]))
        .service(resource("/auth/me/guilds/join", [on(Method::POST, join)]))
        .service(resource("/auth/guilds/{node_id}/members", [on(Method::GET, members)]))
        .service(resource("/auth/resolve-names", [on(Method::POST, resolve_names)]))
        .service(resource("/auth/introspect", [on(Method::POST, introspect)]))
        .service(resource("/auth/admin-email", [on(Method::GET, admin)]));
}

impl FromFields for NewUser {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let email = required(fields, "email", Email::parse);
        let password = required(fields, "password", Password::parse);
        let name = optional(fields, "name", DisplayName::parse);
        Some(Self { email: email?, password: password?, name })
    }
}

async fn register(
    center: Data<Center>,
    caller: Caller,
    body: Body<NewUser>,
) -> Result<impl Responder, HttpError> {
    let actor = match caller {
        Caller::Node(node) => Actor::Node(node.id),
        _ if center.settings().open_registration => Actor::Anonymous,
        _ => return Err(Error::RegistrationClosed.into()),
    };
    Ok(HttpResponse::Created().json(center.register_user(&actor, body.0).await?))
}

async fn login(center: Data<Center>, origin: Origin, body: Body<Login>) -> Answer<Session> {
    Ok(Json(center.login(&body.0.email, &body.0.password, origin.address).await?))
}

async fn agent_login(center: Data<Center>, origin: Origin, body: Body<AgentLogin>) -> Answer<Session> {
    Ok(Json(center.agent_login(&body.0.api_key, origin.address).await?))
}

async fn refresh(center: Data<Center>, body: Body<Refresh>) -> Answer<Session> {
    Ok(Json(center.refresh(&body.0.refresh_token).await?))
}

async fn logout(center: Data<Center>, who: SignedIn) -> Result<HttpResponse, HttpError> {
    center.logout(&who).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn me(who: SignedIn) -> Json<User> {
    let kind = who.session.kind();
    Json(to_user(who.user, kind))
}

/// A checked [`UpdateMe`](fabric_api::center::UpdateMe).
struct Rename(DisplayName);

impl FromFields for Rename {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        required(fields, "name", DisplayName::parse).map(Self)
    }
}

async fn update_me(center: Data<Center>, who: SignedIn, body: Body<Rename>) -> Answer<User> {
    let renamed = center.rename(&who.user, &body.0.0).await?;
    Ok(Json(to_user(renamed, who.session.kind())))
}

async fn my_guilds(center: Data<Center>, who: SignedIn) -> Answer<MyGuilds> {
    Ok(Json(center.my_guilds(&who).await?))
}

async fn join(center: Data<Center>, who: SignedIn, body: Body<JoinGuild>) -> Answer<MyGuilds> {
    Ok(Json(center.join_guild(&who, body.0.node_id.as_str()).await?))
}

/// Emails are for the node and the admin; whoever is not in the guild does not learn that there is one.
async fn members(center: Data<Center>, caller: Caller, node_id: Path<String>) -> Answer<Vec<Member>> {
    // The node keeps the names of the disabled for what they have written.
    let (with_emails, with_disabled) = match caller {
        Caller::Node(node) if node.id == *node_id => (true, true),
        Caller::Node(_) => return Err(Error::GuildNotFound.into()),
        Caller::User(who) if center.is_admin(&who.user.id).await? => (true, false),
        Caller::User(who) => {
            require_member(&center, &node_id, &who).await?;
            (false, false)
        }
        Caller::Nobody => return Err(Error::MissingToken.into()),
    };
    Ok(Json(center.guild_members(&node_id, with_emails, with_disabled).await?))
}

async fn resolve_names(
    center: Data<Center>,
    caller: Caller,
    body: Body<ResolveNames>,
) -> Answer<ResolvedNames> {
    let node_id = body.0.node_id.as_str();
    match caller {
        Caller::Nobody => return Err(Error::MissingToken.into()),
        Caller::Node(node) if node.id == node_id => {}
        Caller::Node(_) => return Err(Error::GuildNotFound.into()),
        Caller::User(who) => require_member(&center, node_id, &who).await?,
    }
    Ok(Json(ResolvedNames { resolved: center.resolve_names(node_id, &body.0.names).await? }))
}

async fn require_member(center: &Center, node_id: &str, who: &SignedIn) -> Result<(), Error> {
    if center.is_member(node_id, &who.user.id).await? { Ok(()) } else { Err(Error::GuildNotFound) }
}

async fn introspect(center: Data<Center>, node: ByNode, body: Body<Introspect>) -> Answer<Introspection> {
    Ok(Json(center.introspect(&node.0.id, &body.0.token).await?))
}

async fn admin(center: Data<Center>, _node: ByNode) -> Answer<Option<Admin>> {
    Ok(Json(center.current_admin().await?))
}
