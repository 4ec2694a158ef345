//! Long-polling: GET to receive, POST to send.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Payload,
};
use futures_util::StreamExt;
use tokio::sync::oneshot;

use super::response::{RequestError, respond};
use crate::{DisconnectReason, connection::Conn, proto::server::Input};

/// How long the answer to a POST waits for the handlers of what it brought.
const SETTLE: Duration = Duration::from_millis(50);

pub(super) async fn get(conn: &Arc<Conn>, request: &HttpRequest) -> Result<HttpResponse, RequestError> {
    let poll = conn.shared.number();
    let mut waiting = Poll { conn, number: poll, answer: conn.poll(poll), answered: false };
    let body = (&mut waiting.answer).await;
    waiting.answered = true;
    let Ok(Some(body)) = body else { return Err(RequestError::Request) };
    Ok(respond(&conn.shared.config.origins, request, StatusCode::OK)
        .insert_header((header::CONTENT_TYPE, "text/plain; charset=UTF-8"))
        .body(body))
}

/// Tells the session when the client goes away in the middle of a poll.
struct Poll<'a> {
    conn: &'a Arc<Conn>,
    number: u64,
    answer: oneshot::Receiver<Option<Vec<u8>>>,
    answered: bool,
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        self.conn.poll_aborted(self.number);
        if let Ok(Some(_)) = self.answer.try_recv() {
            // Answered, but nobody was there to take it: what was sent is lost.
            self.conn.act(|session, now, out| {
                session.close(DisconnectReason::TransportClose, now, out);
            });
        }
    }
}

pub(super) async fn post(
    conn: &Arc<Conn>,
    request: &HttpRequest,
    mut payload: Payload,
) -> Result<HttpResponse, RequestError> {
    if conn.handle(Input::PostStarted).post == Some(false) {
        return Err(RequestError::Request);
    }
    let mut post = Post { conn, done: false };
    let max = conn.shared.config.limits.max_payload;
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = Vec::with_capacity(announced.unwrap_or(0_usize).min(16 * 1024));
    let mut too_large = announced.is_some_and(|length| length > max);
    // Nobody needs longer than a client may be silent; the session would be gone by then.
    let patience = conn.shared.config.limits.ping_interval + conn.shared.config.limits.ping_timeout;
    let deadline = tokio::time::Instant::now() + patience;
    while !too_large {
        // A body that breaks off or does not end ends the session when `post` is dropped.
        let chunk = tokio::time::timeout_at(deadline, payload.next()).await;
        let Some(chunk) = chunk.map_err(|_| RequestError::Request)? else { break };
        let chunk = chunk.map_err(|_| RequestError::Request)?;
        too_large = body.len() + chunk.len() > max;
        body.extend_from_slice(&chunk);
    }
    if too_large {
        post.done = true;
        conn.handle(Input::PostTooLarge);
        return Ok(respond(&conn.shared.config.origins, request, StatusCode::PAYLOAD_TOO_LARGE).finish());
    }
    let body = String::from_utf8(body).map_err(|_| RequestError::Request)?;
    conn.room().await;
    // The client sends nothing more before this request is answered.
    conn.paced().await;
    post.done = true;
    if conn.handle(Input::PostBody { body: &body }).post != Some(true) {
        return Err(RequestError::Request);
    }
    // So that the client's next poll, maybe at another worker, finds all that this caused and not
    // the half of it. No promise: a handler may take its time.
    let _ = tokio::time::timeout(SETTLE, conn.settled()).await;
    Ok(respond(&conn.shared.config.origins, request, StatusCode::OK)
        .insert_header((header::CONTENT_TYPE, "text/html"))
        .body("ok"))
}

/// Tells the session when a POST breaks off.
struct Post<'a> {
    conn: &'a Arc<Conn>,
    done: bool,
}

impl Drop for Post<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.conn.handle(Input::PostBroken);
        }
    }
}
