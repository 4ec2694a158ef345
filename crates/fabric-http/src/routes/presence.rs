//! Presence.

use actix_web::{HttpRequest, HttpResponse, web};
use fabric_api::guild::{PresenceRow, SetPresence};
use fabric_domain::model::{Presence, UserId};

use crate::Api;
use crate::auth::GuildUser;
use crate::body::Body;
use crate::failure::{Failed, HttpFailure};

fn row(api: &Api, presence: Presence) -> PresenceRow {
    let online = api.guild.ports().online.is_online(&presence.user_id);
    PresenceRow::new(presence, online)
}

pub(super) async fn get(
    request: HttpRequest,
    api: web::Data<Api>,
    _user: GuildUser,
    of: web::Path<UserId>,
) -> Result<HttpResponse, HttpFailure> {
    let presence = api.guild.presence(&of).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(row(&api, presence)))
}

pub(super) async fn put(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    of: web::Path<UserId>,
    body: Body<SetPresence>,
) -> Result<HttpResponse, HttpFailure> {
    let SetPresence { status, source } = body.0;
    let presence = api.guild.set_presence(&user.0, &of, status, source).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(row(&api, presence)))
}

pub(super) async fn all(
    request: HttpRequest,
    api: web::Data<Api>,
    _user: GuildUser,
) -> Result<HttpResponse, HttpFailure> {
    let presences = api.guild.presences().await.or_fail(&request)?;
    let rows: Vec<_> = presences.into_iter().map(|presence| row(&api, presence)).collect();
    Ok(HttpResponse::Ok().json(rows))
}
