//! Channels: create, list, read, change, close, reopen, read marker.

use actix_web::{HttpResponse, web};
use fabric_api::guild::{ChannelRow, CreateChannel, MarkRead, PatchChannel};
use fabric_domain::decisions::{self, ChannelPatch};
use fabric_domain::model::{ChannelId, GuildId, Refusal};
use fabric_serverkit::web::HttpError;
use serde::Deserialize;
use serde_json::json;

use crate::auth::GuildUser;
use crate::body::Body;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListQuery {
    guild_id: Option<GuildId>,
}

pub(super) async fn list(user: GuildUser, query: web::Query<ListQuery>) -> Result<HttpResponse, HttpError> {
    let mut rows = Vec::new();
    // One node serves one guild; any other has no channels here.
    if query.guild_id.as_ref().is_none_or(|guild| guild == user.guild.id()) {
        let _place = user.room.for_a_list().await?;
        rows = user.guild.channels(&user.caller).await?.into_iter().map(ChannelRow::from).collect();
    }
    Ok(HttpResponse::Ok().json(rows))
}

pub(super) async fn create(user: GuildUser, body: Body<CreateChannel>) -> Result<HttpResponse, HttpError> {
    let new = body.0;
    if new.guild_id != *user.guild.id() {
        let refusal =
            Refusal::field("guildId", format!("must be {}, the guild of this node", user.guild.id()));
        return Err(refusal.into());
    }
    let new = decisions::CreateChannel {
        name: new.name,
        channel_type: new.channel_type,
        is_public: new.is_public,
        members: new.member_user_ids,
        wake_mapping: new.on_duty.into_iter().chain(new.listeners).collect(),
        bypass: new.bypass_user_ids,
        purpose: new.purpose,
        settings: new.settings,
    };
    let created = user.guild.create_channel(&user.caller, new).await?;
    Ok(HttpResponse::Created().json(ChannelRow::from(created)))
}

pub(super) async fn get(user: GuildUser, channel: web::Path<ChannelId>) -> Result<HttpResponse, HttpError> {
    let found = user.guild.channel(&user.caller, &channel).await?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(found)))
}

pub(super) async fn patch(
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<PatchChannel>,
) -> Result<HttpResponse, HttpError> {
    let PatchChannel { name, purpose, settings } = body.0;
    let patch = ChannelPatch { name, purpose, settings };
    let patched = user.guild.patch_channel(&user.caller, &channel, patch).await?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(patched)))
}

pub(super) async fn close(user: GuildUser, channel: web::Path<ChannelId>) -> Result<HttpResponse, HttpError> {
    let closed = user.guild.close_channel(&user.caller, &channel).await?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(closed)))
}

pub(super) async fn reopen(
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpError> {
    let reopened = user.guild.reopen_channel(&user.caller, &channel).await?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(reopened)))
}

pub(super) async fn mark_read(
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<MarkRead>,
) -> Result<HttpResponse, HttpError> {
    user.guild.mark_read(&user.caller, &channel, body.0.seq).await?;
    Ok(HttpResponse::Ok().json(json!({ "ok": true })))
}
