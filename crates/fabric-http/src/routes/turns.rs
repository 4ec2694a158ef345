//! Whose turn it is, and the two commands as plain calls.

use actix_web::{HttpRequest, HttpResponse, web};
use fabric_api::guild::{CommandAnswer, TurnCommand, TurnView};
use fabric_domain::model::{ChannelId, CommandOutcome};
use fabric_domain::rules::command::Command;
use fabric_domain::services::CommandRequest;
use fabric_serverkit::web::HttpError;

use crate::auth::GuildUser;
use crate::body::Body;
use crate::routes::messages::idempotency_key;

pub(super) async fn get(user: GuildUser, channel: web::Path<ChannelId>) -> Result<HttpResponse, HttpError> {
    let turn = user.guild.turn(&user.caller, &channel).await?;
    Ok(HttpResponse::Ok().json(TurnView::new(channel.into_inner(), &turn)))
}

pub(super) async fn pass(
    request: HttpRequest,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<TurnCommand>,
) -> Result<HttpResponse, HttpError> {
    command(&request, &user, &channel, Command::NoReply, body.0).await
}

pub(super) async fn force_proceed(
    request: HttpRequest,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<TurnCommand>,
) -> Result<HttpResponse, HttpError> {
    command(&request, &user, &channel, Command::ForceProceed, body.0).await
}

async fn command(
    request: &HttpRequest,
    user: &GuildUser,
    channel: &ChannelId,
    command: Command,
    TurnCommand { turn, reason }: TurnCommand,
) -> Result<HttpResponse, HttpError> {
    let key = idempotency_key(request)?;
    let asked = CommandRequest { turn, reason: reason.clone() };
    let outcome = user.guild.command(&user.caller, channel, command, asked, key).await?;
    if let (Some(reason), CommandOutcome::Accepted { .. }) = (reason, &outcome) {
        tracing::info!(%channel, user = %user.caller.user_id, command = command.as_str(), reason, "a turn ended early");
    }
    Ok(HttpResponse::Accepted().json(CommandAnswer::from(outcome)))
}
