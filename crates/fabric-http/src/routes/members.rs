//! Members: join, leave, add, remove, wake mapping, bypass.

use actix_web::{HttpResponse, web};
use fabric_api::guild::{AddMembers, ChannelRow, MemberRow, SetBypass, SetWakeMapping, TurnView};
use fabric_domain::model::{ChannelId, ChannelType, UserId};
use fabric_domain::rules::turn::Seat;
use fabric_domain::services::MemberView;
use fabric_serverkit::web::HttpError;
use serde_json::json;

use crate::auth::GuildUser;
use crate::body::Body;

/// Members of a channel of this type, on the wire.
fn rows(channel_type: ChannelType, members: Vec<MemberView>) -> Vec<MemberRow> {
    let row = |view: MemberView| MemberRow {
        bypass: view.bypass,
        name: view.name,
        active: view.active,
        on_duty: channel_type == ChannelType::Triage && view.member.wake_mapped,
        listener: channel_type == ChannelType::Custom && view.member.wake_mapped,
        presence: view.presence.into(),
        online: view.online,
        user_id: view.member.user_id,
    };
    members.into_iter().map(row).collect()
}

pub(super) async fn list(user: GuildUser, channel: web::Path<ChannelId>) -> Result<HttpResponse, HttpError> {
    let _place = user.room.for_a_list().await?;
    let (channel_type, members) = user.guild.members(&user.caller, &channel).await?;
    Ok(HttpResponse::Ok().json(rows(channel_type, members)))
}

pub(super) async fn add(
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<AddMembers>,
) -> Result<HttpResponse, HttpError> {
    let (channel_type, members) = user.guild.add_members(&user.caller, &channel, body.0.user_ids).await?;
    Ok(HttpResponse::Ok().json(rows(channel_type, members)))
}

pub(super) async fn remove(
    user: GuildUser,
    path: web::Path<(ChannelId, UserId)>,
) -> Result<HttpResponse, HttpError> {
    let (channel, removed) = path.into_inner();
    user.guild.remove_member(&user.caller, &channel, &removed).await?;
    Ok(HttpResponse::Ok().json(json!({ "ok": true })))
}

pub(super) async fn join(user: GuildUser, channel: web::Path<ChannelId>) -> Result<HttpResponse, HttpError> {
    let joined = user.guild.join(&user.caller, &channel).await?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(joined)))
}

pub(super) async fn leave(user: GuildUser, channel: web::Path<ChannelId>) -> Result<HttpResponse, HttpError> {
    user.guild.leave(&user.caller, &channel).await?;
    Ok(HttpResponse::Ok().json(json!({ "ok": true })))
}

pub(super) async fn set_wake_mapping(
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<SetWakeMapping>,
) -> Result<HttpResponse, HttpError> {
    let mapped = user.guild.set_wake_mapping(&user.caller, &channel, body.0.user_ids).await;
    let (channel_type, members) = mapped?;
    Ok(HttpResponse::Ok().json(rows(channel_type, members)))
}

pub(super) async fn bypass(
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<SetBypass>,
) -> Result<HttpResponse, HttpError> {
    set_seat(&user, channel.into_inner(), &body.0.user_id, Seat::Bypass).await
}

pub(super) async fn unbypass(
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<SetBypass>,
) -> Result<HttpResponse, HttpError> {
    set_seat(&user, channel.into_inner(), &body.0.user_id, Seat::Order).await
}

async fn set_seat(
    user: &GuildUser,
    channel: ChannelId,
    target: &UserId,
    seat: Seat,
) -> Result<HttpResponse, HttpError> {
    let turn = user.guild.set_seat(&user.caller, &channel, target, seat).await?;
    Ok(HttpResponse::Ok().json(TurnView::new(channel, &turn)))
}
