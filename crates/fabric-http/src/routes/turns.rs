//! Whose turn it is, and the two commands as plain calls.

use actix_web::{HttpRequest, HttpResponse, web};
use fabric_api::guild::{CommandAnswer, PassTurn, TurnView};
use fabric_domain::model::ChannelId;
use fabric_domain::rules::command::Command;

use crate::Api;
use crate::auth::GuildUser;
use crate::body::Body;
use crate::failure::{Failed, HttpFailure};
use crate::routes::messages::idempotency_key;

pub(super) async fn get(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpFailure> {
    let turn = api.guild.turn(&user.0, &channel).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(TurnView::new(channel.into_inner(), &turn)))
}

pub(super) async fn pass(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<PassTurn>,
) -> Result<HttpResponse, HttpFailure> {
    if let Some(reason) = &body.0.reason {
        tracing::info!(channel = %channel, user = %user.0.user_id, reason, "passed");
    }
    command(&request, &api, &user, &channel, Command::NoReply, body.0.reason.as_deref()).await
}

pub(super) async fn force_proceed(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpFailure> {
    command(&request, &api, &user, &channel, Command::ForceProceed, None).await
}

async fn command(
    request: &HttpRequest,
    api: &Api,
    user: &GuildUser,
    channel: &ChannelId,
    command: Command,
    reason: Option<&str>,
) -> Result<HttpResponse, HttpFailure> {
    let key = idempotency_key(request).or_fail(request)?;
    let outcome = api.guild.command(&user.0, channel, command, reason, key).await.or_fail(request)?;
    Ok(HttpResponse::Accepted().json(CommandAnswer::from(outcome)))
}
