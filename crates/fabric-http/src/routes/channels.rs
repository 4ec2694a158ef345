//! Channels: create, list, read, change, close, reopen, read marker.

use actix_web::{HttpRequest, HttpResponse, web};
use fabric_api::guild::{ChannelRow, CreateChannel, MarkRead, PatchChannel};
use fabric_domain::model::{ChannelId, GuildId, Refusal};
use fabric_domain::services::{self, ChannelPatch};
use serde::Deserialize;
use serde_json::json;

use crate::Api;
use crate::auth::GuildUser;
use crate::body::Body;
use crate::failure::{Failed, HttpFailure};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListQuery {
    guild_id: Option<GuildId>,
}

pub(super) async fn list(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, HttpFailure> {
    let mut rows = Vec::new();
    // One node serves one guild; any other has no channels here.
    if query.guild_id.as_ref().is_none_or(|guild| guild == api.guild.id()) {
        rows =
            api.guild.channels(&user.0).await.or_fail(&request)?.into_iter().map(ChannelRow::from).collect();
    }
    Ok(HttpResponse::Ok().json(rows))
}

pub(super) async fn create(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    body: Body<CreateChannel>,
) -> Result<HttpResponse, HttpFailure> {
    let new = body.0;
    if new.guild_id != *api.guild.id() {
        let refusal =
            Refusal::field("guildId", format!("must be {}, the guild of this node", api.guild.id()));
        return Err(HttpFailure::new(&request, refusal));
    }
    let new = services::CreateChannel {
        name: new.name,
        x_type: new.x_type,
        is_public: new.is_public,
        members: new.member_user_ids,
        wake_mapping: new.on_duty.into_iter().chain(new.listeners).collect(),
        bypass: new.bypass_user_ids,
        purpose: new.purpose,
        settings: new.settings,
    };
    let created = api.guild.create_channel(&user.0, new).await.or_fail(&request)?;
    Ok(HttpResponse::Created().json(ChannelRow::from(created)))
}

pub(super) async fn get(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpFailure> {
    let found = api.guild.channel(&user.0, &channel).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(found)))
}

pub(super) async fn patch(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<PatchChannel>,
) -> Result<HttpResponse, HttpFailure> {
    let PatchChannel { name, purpose, settings } = body.0;
    let patch = ChannelPatch { name, purpose, settings };
    let patched = api.guild.patch_channel(&user.0, &channel, patch).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(patched)))
}

pub(super) async fn close(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpFailure> {
    let closed = api.guild.close_channel(&user.0, &channel).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(closed)))
}

pub(super) async fn reopen(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpFailure> {
    let reopened = api.guild.reopen_channel(&user.0, &channel).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(reopened)))
}

pub(super) async fn mark_read(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<MarkRead>,
) -> Result<HttpResponse, HttpFailure> {
    api.guild.mark_read(&user.0, &channel, body.0.seq).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(json!({ "ok": true })))
}
