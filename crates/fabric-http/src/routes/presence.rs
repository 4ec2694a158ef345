//! Presence.

use actix_web::{HttpResponse, web};
use fabric_api::guild::{PresenceRow, SetPresence};
use fabric_domain::model::{Presence, UserId};
use fabric_domain::services::Guild;
use fabric_serverkit::web::HttpError;

use crate::auth::GuildUser;
use crate::body::Body;

fn row(guild: &Guild, presence: Presence) -> PresenceRow {
    let online = guild.is_connected(&presence.user_id);
    PresenceRow::new(presence, online)
}

pub(super) async fn get(user: GuildUser, of: web::Path<UserId>) -> Result<HttpResponse, HttpError> {
    let presence = user.guild.presence(&of).await?;
    Ok(HttpResponse::Ok().json(row(&user.guild, presence)))
}

pub(super) async fn put(
    user: GuildUser,
    of: web::Path<UserId>,
    body: Body<SetPresence>,
) -> Result<HttpResponse, HttpError> {
    let SetPresence { status, source } = body.0;
    let presence = user.guild.set_presence(&user.caller, &of, status, source).await?;
    Ok(HttpResponse::Ok().json(row(&user.guild, presence)))
}

pub(super) async fn all(user: GuildUser) -> Result<HttpResponse, HttpError> {
    let presences = user.guild.presences().await?;
    let rows: Vec<_> = presences.into_iter().map(|presence| row(&user.guild, presence)).collect();
    Ok(HttpResponse::Ok().json(rows))
}
