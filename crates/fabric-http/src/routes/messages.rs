//! Messages: post, page, read, edit, delete.

use actix_web::{HttpRequest, HttpResponse, web};
use fabric_api::guild::{EditMessage, Message, MessagePage, PageInfo, PostAnswer, PostMessage, Revision};
use fabric_api::realtime::MessageDeleted;
use fabric_domain::decisions::Post;
use fabric_domain::model::{Author, ChannelId, FieldError, MessageId, Refusal, Seq};
use fabric_domain::ports::SeqRange;
use fabric_domain::services::RequestKey;
use fabric_serverkit::web::HttpError;
use std::collections::HashMap;

use crate::auth::{GuildUser, UserOrSystem};
use crate::body::Body;

const KEY_HEADER: &str = "idempotency-key";
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// The request's `Idempotency-Key`, if it has one.
pub(super) fn idempotency_key(request: &HttpRequest) -> Result<Option<RequestKey>, Refusal> {
    let Some(value) = request.headers().get(KEY_HEADER) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Refusal::field("Idempotency-Key", "must be text"))?;
    RequestKey::parse(text).map(Some)
}

pub(super) async fn post(
    request: HttpRequest,
    UserOrSystem { author, guild }: UserOrSystem,
    channel: web::Path<ChannelId>,
    body: Body<PostMessage>,
) -> Result<HttpResponse, HttpError> {
    let PostMessage { content, reply_to, turn, wakeup_user_id, attachment_ids: attachments } = body.0;
    let author = match author {
        // Only the guild itself may choose whom to wake.
        Author::System { .. } => Author::System { wakeup: wakeup_user_id },
        user @ Author::User(_) => user,
    };
    let key = idempotency_key(&request)?;
    let post = Post { content, reply_to, attachments, turn };
    let outcome = guild.post(&author, &channel, post, key).await?;
    let answer = PostAnswer::from(outcome);
    let mut response = match &answer {
        PostAnswer::Message(_) => HttpResponse::Created(),
        PostAnswer::Command(_) => HttpResponse::Accepted(),
    };
    Ok(response.json(answer))
}

/// `seqFrom`, `seqTo` and `limit` of a page; every bad one is listed.
fn page_query(query: &HashMap<String, String>) -> Result<(SeqRange, u32), Refusal> {
    let mut problems = Vec::new();
    let mut number = |field: &'static str, least: u64, most: u64| {
        let text = query.get(field)?;
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            problems.push(FieldError::new(field, format!("must be a whole number from {least} to {most}")));
        }
        number
    };
    let most = u64::from(u32::MAX);
    let range = SeqRange { from: number("seqFrom", 0, most).map(Seq), to: number("seqTo", 0, most).map(Seq) };
    let limit = number("limit", 1, u64::from(MAX_LIMIT)).and_then(|limit| u32::try_from(limit).ok());
    if problems.is_empty() {
        Ok((range, limit.unwrap_or(DEFAULT_LIMIT)))
    } else {
        Err(Refusal::Invalid(problems))
    }
}

/// What a range begins with.
fn first_of(range: SeqRange) -> Seq {
    range.from.unwrap_or_default().max(Seq(1))
}

pub(super) async fn page(
    user: GuildUser,
    channel: web::Path<ChannelId>,
    query: web::Query<HashMap<String, String>>,
) -> Result<HttpResponse, HttpError> {
    let (range, limit) = page_query(&query)?;
    let _place = user.room.for_a_list().await?;
    let page = user.guild.messages(&user.caller, &channel, range, limit).await?;
    let (first, last) = (page.messages.first().map(|m| m.seq), page.messages.last().map(|m| m.seq));
    let info = PageInfo {
        seq_from: first,
        seq_to: last,
        limit,
        last_seq: page.last_seq,
        // Where there is nothing, what was asked for first, as far as it can be there.
        next_expected_seq: last.map_or_else(|| first_of(range).min(page.last_seq.next()), Seq::next),
        has_more: page.has_more,
    };
    let messages = page.messages.into_iter().map(Message::from).collect();
    Ok(HttpResponse::Ok().json(MessagePage { messages, page: info }))
}

pub(super) async fn get(
    user: GuildUser,
    path: web::Path<(ChannelId, MessageId)>,
) -> Result<HttpResponse, HttpError> {
    let (channel, id) = path.into_inner();
    let message = user.guild.message(&user.caller, &channel, &id).await?;
    Ok(HttpResponse::Ok().json(Message::from(message)))
}

pub(super) async fn edit(
    user: GuildUser,
    path: web::Path<(ChannelId, MessageId)>,
    body: Body<EditMessage>,
) -> Result<HttpResponse, HttpError> {
    let (channel, id) = path.into_inner();
    let edited = user.guild.edit(&user.caller, &channel, &id, body.0.content).await?;
    Ok(HttpResponse::Ok().json(Message::from(edited)))
}

pub(super) async fn delete(
    user: GuildUser,
    path: web::Path<(ChannelId, MessageId)>,
) -> Result<HttpResponse, HttpError> {
    let (channel, id) = path.into_inner();
    let deleted = user.guild.delete(&user.caller, &channel, &id).await?;
    Ok(HttpResponse::Ok().json(MessageDeleted::from(deleted)))
}

pub(super) async fn revisions(
    user: GuildUser,
    path: web::Path<(ChannelId, MessageId)>,
) -> Result<HttpResponse, HttpError> {
    let (channel, id) = path.into_inner();
    let _place = user.room.for_a_list().await?;
    let revisions = user.guild.revisions(&user.caller, &channel, &id).await?;
    Ok(HttpResponse::Ok().json(revisions.into_iter().map(Revision::from).collect::<Vec<_>>()))
}
