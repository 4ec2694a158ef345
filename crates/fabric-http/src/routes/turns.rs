//! Whose turn it is, and the two commands as plain calls.

use actix_web::{HttpRequest, HttpResponse, web};
use fabric_api::guild::{CommandAnswer, PassTurn, TurnView};
use fabric_domain::model::ChannelId;
use fabric_domain::rules::command::Command;

use crate::auth::GuildUser;
use crate::body::Body;
use crate::failure::HttpFailure;
use crate::routes::messages::idempotency_key;

pub(super) async fn get(user: GuildUser, channel: web::Path<ChannelId>) -> Result<HttpResponse, HttpFailure> {
    let turn = user.guild.turn(&user.caller, &channel).await?;
    Ok(HttpResponse::Ok().json(TurnView::new(channel.into_inner(), &turn)))
}

pub(super) async fn pass(
    request: HttpRequest,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<PassTurn>,
) -> Result<HttpResponse, HttpFailure> {
    if let Some(reason) = &body.0.reason {
        tracing::info!(channel = %channel, user = %user.caller.user_id, reason, "passed");
    }
    command(&request, &user, &channel, Command::NoReply, body.0.reason.as_deref()).await
}

pub(super) async fn force_proceed(
    request: HttpRequest,
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpFailure> {
    command(&request, &user, &channel, Command::ForceProceed, None).await
}

async fn command(
    request: &HttpRequest,
    user: &GuildUser,
    channel: &ChannelId,
    command: Command,
    reason: Option<&str>,
) -> Result<HttpResponse, HttpFailure> {
    let key = idempotency_key(request)?;
    let outcome = user.guild.command(&user.caller, channel, command, reason, key).await?;
    Ok(HttpResponse::Accepted().json(CommandAnswer::from(outcome)))
}
