//! A connection whose server knows what it waits for, and which ends when it is told to.

use std::{
    io,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::{
    BoxedPayloadStream, Payload, Request, Response,
    body::{BodySize, BoxBody, MessageBody},
    error::PayloadError,
};
use actix_service::Service;
use bytes::Bytes;
use futures_util::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::clients::{Client, Clients, Held, Phase};

/// So many bytes of an answer are copied for a client at a time. Larger chunks are handed over in parts, so that what
/// is not read yet is there once.
const PART: usize = 32 * 1024;

/// A TCP connection of a client.
pub(super) struct Guarded {
    /// There until it is given away.
    stream: Option<TcpStream>,
    client: Arc<Client>,
    clients: Arc<Clients>,
}

impl Guarded {
    /// `None` where there is no room for it.
    pub(super) fn new(stream: TcpStream, clients: &Arc<Clients>) -> Option<Self> {
        let client = clients.enter(stream.peer_addr().ok().map(|peer| peer.ip()))?;
        // What is written is all that there is for now: to wait for more would take as long as the client's delayed
        // acknowledgement. It may be gone already.
        let _ = stream.set_nodelay(true);
        Some(Self { stream: Some(stream), client, clients: Arc::clone(clients) })
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(super) fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_ref()
    }

    /// The connection, which is no HTTP client's any more.
    pub(super) fn into_stream(mut self) -> Option<TcpStream> {
        self.stream.take()
    }

    fn ready(&mut self, cx: &Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        if self.client.is_ended(cx.waker()) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.clients.leave(&self.client);
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.ready(cx)?.poll_read(cx, buf);
        let read = buf.filled().len() - before;
        if read > 0 {
            self.client.moved(read);
        }
        polled
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = self.ready(cx)?.poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = polled {
            self.client.moved(written);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ready(cx)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ready(cx)?.poll_shutdown(cx)
    }
}

/// The application, which says of every request what its connection waits for.
pub(super) struct Watched<S, B> {
    app: S,
    answers: PhantomData<B>,
}

impl<S, B> Watched<S, B> {
    pub(super) fn new(app: S) -> Self {
        Self { app, answers: PhantomData }
    }
}

impl<S, B> Service<Request> for Watched<S, B>
where
    S: Service<Request, Response: Into<Response<B>>, Error: Into<actix_web::Error>, Future: 'static>,
    B: MessageBody + 'static,
{
    type Response = Response<Answer>;
    type Error = Response<BoxBody>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.app.poll_ready(cx).map_err(|error| error.into().error_response().into())
    }

    fn call(&self, request: Request) -> Self::Future {
        let (request, client) = begin(request);
        let answered = self.app.call(request);
        Box::pin(async move {
            Ok(match answered.await {
                Ok(response) => answer(response.into(), client),
                Err(error) => answer(error.into().error_response().into(), client),
            })
        })
    }
}

/// Tells the client's connection what the request waits for.
fn begin(request: Request) -> (Request, Option<Arc<Client>>) {
    let Some(client) = request.conn_data::<Arc<Client>>().cloned() else { return (request, None) };
    let (request, payload) = request.replace_payload(Payload::<BoxedPayloadStream>::None);
    let payload = if matches!(payload, Payload::None) {
        client.enter(Phase::Work);
        payload
    } else {
        client.enter(Phase::Body);
        Payload::Stream { payload: Box::pin(Reading { payload, client: Arc::clone(&client) }) as _ }
    };
    (request.replace_payload(payload).0, Some(client))
}

/// A body that is being read.
struct Reading {
    payload: Payload,
    client: Arc<Client>,
}

impl Stream for Reading {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.payload).poll_next(cx);
        if let Poll::Ready(None) = polled {
            self.client.enter(Phase::Work);
        }
        polled
    }
}

/// The answer, as the client's connection is to take it.
fn answer<B: MessageBody + 'static>(response: Response<B>, client: Option<Arc<Client>>) -> Response<Answer> {
    if let Some(client) = &client {
        client.enter(Phase::Answer);
    }
    response.map_body(|_, body| Answer { body: body.boxed(), part: Bytes::new(), held: None, client })
}

/// The body of an answer, in parts.
pub(super) struct Answer {
    body: BoxBody,
    /// What is left of its last chunk.
    part: Bytes,
    held: Option<Held>,
    client: Option<Arc<Client>>,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        if this.part.is_empty() {
            this.held = None;
            match Pin::new(&mut this.body).poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => this.part = chunk,
                other => return other,
            }
            if this.part.len() > PART {
                // It is made already: without room for it, it goes out all the same.
                this.held = this.client.as_ref().and_then(|client| client.hold(this.part.len()).ok());
            }
        }
        let size = this.part.len().min(PART);
        Poll::Ready(Some(Ok(this.part.split_to(size))))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.held = None;
        if let Some(client) = &self.client {
            client.enter(Phase::Rest);
        }
    }
}
