//! The websocket transport.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev, rt,
    web::Payload,
};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, ProtocolError, Session};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;

use super::{
    guard::{Guard, Verdict},
    response::RequestError,
};
use crate::{
    Config,
    connection::{Conn, Connections, Request},
    proto::server::{Input, Pull, Transport},
};

/// A session that begins on a websocket.
pub(super) async fn open(
    connections: &Arc<Connections>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, RequestError> {
    let accepted = Accepted::new(request, payload, &connections.shared.config).await?;
    let number = connections.shared.number();
    let conn = connections
        .open(Request::new(request, &connections.shared.config), Transport::WebSocket { conn: number });
    Ok(accepted.serve(conn, number))
}

/// A websocket for a session that exists.
pub(super) async fn upgrade(
    conn: &Arc<Conn>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, RequestError> {
    let accepted = Accepted::new(request, payload, &conn.shared.config).await?;
    let number = conn.shared.number();
    conn.handle(Input::WebSocket { conn: number });
    Ok(accepted.serve(Arc::clone(conn), number))
}

/// A websocket after its handshake.
struct Accepted {
    response: HttpResponse,
    control: Session,
    messages: AggregatedMessageStream,
    verdict: Verdict,
}

impl Accepted {
    async fn new(request: &HttpRequest, payload: Payload, config: &Config) -> Result<Self, RequestError> {
        let (guard, verdict) = Guard::new(payload, config.limits.max_payload, config.max_fragments);
        let mut guarded = dev::Payload::Stream { payload: guard.boxed_local() };
        let payload = Payload::from_request(request, &mut guarded).await;
        let payload = payload.map_err(|_| RequestError::Request)?;
        let (response, control, messages) =
            actix_ws::handle(request, payload).map_err(|_| RequestError::Request)?;
        let messages = messages
            .max_frame_size(config.limits.max_payload)
            .aggregate_continuations()
            .max_continuation_size(config.limits.max_payload);
        Ok(Self { response, control, messages, verdict })
    }

    fn serve(self, conn: Arc<Conn>, number: u64) -> HttpResponse {
        let Self { response, control, messages, verdict } = self;
        let writer = Arc::clone(&conn);
        rt::spawn(read(conn, number, messages, control, verdict));
        response.map_body(|_, control| {
            BoxBody::new(Writer {
                conn: writer,
                number,
                control: Some(control),
                frames: VecDeque::new(),
                ended: false,
            })
        })
    }
}

async fn read(
    conn: Arc<Conn>,
    number: u64,
    mut messages: AggregatedMessageStream,
    mut control: Session,
    verdict: Verdict,
) {
    let code = loop {
        conn.room().await;
        let Some(message) = messages.recv().await else { break verdict.get() };
        match message {
            Ok(AggregatedMessage::Text(text)) => {
                conn.handle(Input::Text { conn: number, text: &text });
            }
            Ok(AggregatedMessage::Binary(bytes)) => {
                conn.handle(Input::Binary { conn: number, bytes });
            }
            Ok(AggregatedMessage::Ping(bytes)) => {
                // Waits while the client does not read, so that a flood of pings is not read on.
                if control.pong(&bytes).await.is_err() {
                    break None;
                }
            }
            Ok(AggregatedMessage::Pong(_)) => {}
            Err(ProtocolError::Overflow) => break Some(1009),
            Err(ProtocolError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                break Some(1007);
            }
            Ok(AggregatedMessage::Close(_)) | Err(ProtocolError::Io(_)) => break None,
            Err(_) => break Some(1002),
        }
        if conn.is_closed() {
            break None;
        }
    };
    if conn.is_closed() {
        // What is queued may still go out; the writer says when it is done.
        return;
    }
    match code {
        Some(code) => conn.handle(Input::WebSocketBroken { conn: number, code }),
        None => conn.handle(Input::WebSocketClosed { conn: number }),
    };
}

/// The body of the response: frames as long as there are any. The server's connection polls it
/// until its buffer is full and writes then, so several frames leave in one write.
struct Writer {
    conn: Arc<Conn>,
    number: u64,
    /// Pongs, from the websocket crate.
    control: Option<BoxBody>,
    /// Taken from the session, not yet given to the connection.
    frames: VecDeque<Bytes>,
    ended: bool,
}

impl Writer {
    /// Takes what is to be written next, the end included.
    fn pull(&mut self) {
        if let Pull::End { code, reason } = self.conn.pull(self.number, &mut self.frames) {
            self.ended = true;
            self.frames.push_back(close_frame(code, reason));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.conn.handle(Input::WebSocketClosed { conn: self.number });
    }
}

impl MessageBody for Writer {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(control) = &mut self.control {
            match Pin::new(control).poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Some(Ok(bytes))),
                Poll::Ready(_) => self.control = None,
                Poll::Pending => {}
            }
        }
        let this = &mut *self;
        this.pull();
        if this.frames.is_empty() {
            // Only now: a websocket that is not the session's would take the place of the one that is. And then once
            // more: what was queued meanwhile woke nobody.
            this.conn.writer.register(cx.waker());
            this.pull();
        }
        match this.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Poll::Pending,
        }
    }
}

/// A close frame (RFC 6455 section 5.5.1). Our reasons are short enough for a control frame.
fn close_frame(code: u16, reason: &str) -> Bytes {
    let mut frame = BytesMut::with_capacity(4 + reason.len());
    frame.put_u8(0x88);
    frame.put_u8(u8::try_from(2 + reason.len()).unwrap_or(2));
    frame.put_u16(code);
    frame.put_slice(reason.as_bytes());
    frame.freeze()
}
