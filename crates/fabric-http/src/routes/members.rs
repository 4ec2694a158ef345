//! Members: join, leave, add, remove, wake mapping, bypass.

use actix_web::{HttpRequest, HttpResponse, web};
use fabric_api::guild::{AddMembers, ChannelRow, MemberRow, SetBypass, SetWakeMapping, TurnView};
use fabric_domain::model::{ChannelId, UserId, XType};
use fabric_domain::rules::turn::Seat;
use fabric_domain::services::MemberView;
use serde_json::json;

use crate::Api;
use crate::auth::GuildUser;
use crate::body::Body;
use crate::failure::{Failed, HttpFailure};

/// Members of a channel of this type, on the wire.
fn rows(x_type: XType, members: Vec<MemberView>) -> Vec<MemberRow> {
    let row = |view: MemberView| MemberRow {
        bypass: view.bypass,
        name: view.name,
        on_duty: x_type == XType::Triage && view.member.wake_mapped,
        listener: x_type == XType::Custom && view.member.wake_mapped,
        presence: view.member.presence,
        online: view.online,
        user_id: view.member.user_id,
    };
    members.into_iter().map(row).collect()
}

pub(super) async fn list(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpFailure> {
    let (x_type, members) = api.guild.members(&user.0, &channel).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(rows(x_type, members)))
}

pub(super) async fn add(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<AddMembers>,
) -> Result<HttpResponse, HttpFailure> {
    let (x_type, members) =
        api.guild.add_members(&user.0, &channel, body.0.user_ids).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(rows(x_type, members)))
}

pub(super) async fn remove(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    path: web::Path<(ChannelId, UserId)>,
) -> Result<HttpResponse, HttpFailure> {
    let (channel, removed) = path.into_inner();
    api.guild.remove_member(&user.0, &channel, &removed).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(json!({ "ok": true })))
}

pub(super) async fn join(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpFailure> {
    let joined = api.guild.join(&user.0, &channel).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(ChannelRow::from(joined)))
}

pub(super) async fn leave(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
) -> Result<HttpResponse, HttpFailure> {
    api.guild.leave(&user.0, &channel).await.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(json!({ "ok": true })))
}

pub(super) async fn set_wake_mapping(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<SetWakeMapping>,
) -> Result<HttpResponse, HttpFailure> {
    let mapped = api.guild.set_wake_mapping(&user.0, &channel, body.0.user_ids).await;
    let (x_type, members) = mapped.or_fail(&request)?;
    Ok(HttpResponse::Ok().json(rows(x_type, members)))
}

pub(super) async fn bypass(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<SetBypass>,
) -> Result<HttpResponse, HttpFailure> {
    set_seat(&request, &api, &user, channel.into_inner(), &body.0.user_id, Seat::Bypass).await
}

pub(super) async fn unbypass(
    request: HttpRequest,
    api: web::Data<Api>,
    user: GuildUser,
    channel: web::Path<ChannelId>,
    body: Body<SetBypass>,
) -> Result<HttpResponse, HttpFailure> {
    set_seat(&request, &api, &user, channel.into_inner(), &body.0.user_id, Seat::Order).await
}

async fn set_seat(
    request: &HttpRequest,
    api: &Api,
    user: &GuildUser,
    channel: ChannelId,
    target: &UserId,
    seat: Seat,
) -> Result<HttpResponse, HttpFailure> {
    let turn = api.guild.set_seat(&user.0, &channel, target, seat).await.or_fail(request)?;
    Ok(HttpResponse::Ok().json(TurnView::new(channel, &turn)))
}
