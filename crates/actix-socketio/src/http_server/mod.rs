//! The HTTP server: actix-web's, and TCP connections that become websockets are ours.

mod clients;
mod guarded;

use std::{
    cell::OnceCell,
    fmt,
    future::ready,
    io,
    marker::PhantomData,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    pin::Pin,
    rc::Rc,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use actix_codec::Framed;
use actix_http::{
    ConnectionType, HttpService, KeepAlive, Protocol, Request, Response, StatusCode,
    body::{BodySize, BoxBody, MessageBody},
    error::{DispatchError, PayloadError},
    h1,
};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_factory, fn_service,
};
use actix_web::{HttpMessage as _, dev::AppConfig};
use bytes::{Bytes, BytesMut};
use socket2::{Domain, Socket, Type};
use tokio::{net::TcpStream, time::MissedTickBehavior};
use tokio_util::codec::Encoder as _;

use clients::Clients;
pub use clients::{Client, ClientLimits, Held, NoRoom};
use guarded::{Answer, Guarded, Watched};

use crate::{connection::Taken, http::Handover};

/// An HTTP/1.1 server for an actix-web application, as [`actix_web::HttpServer`] is one, with two differences. TCP
/// connections that become websockets leave actix: they are read and written by this crate, which costs a fraction of
/// the memory and of the work per event. And it has the settings that events need: `TCP_NODELAY` is set, and a client
/// that ends a connection in the middle of a long poll is noticed at once.
///
/// A request for a websocket passes the application like every other one, with its middleware; only what accepts it is
/// [`SocketIo`](crate::SocketIo) or [`EngineIo`](crate::EngineIo). Websockets of other crates (`actix-ws`) are not
/// served.
///
/// TLS is left to a proxy in front. [`AppConfig`] has no host name of its own.
#[must_use]
pub struct HttpServer<F, I, S, B> {
    app: F,
    builder: ServerBuilder,
    settings: Settings,
    listeners: Vec<TcpListener>,
    /// What `app` makes, and how that answers.
    makes: PhantomData<(I, S, B)>,
}

/// How often connections are looked at whose clients may have taken too long.
const SWEEP: Duration = Duration::from_secs(1);

type OnConnect = dyn Fn(&TcpStream) + Send + Sync;

#[derive(Clone)]
struct Settings {
    backlog: u32,
    keep_alive: KeepAlive,
    client_request_timeout: Duration,
    client_disconnect_timeout: Duration,
    on_connect: Option<Arc<OnConnect>>,
    limits: ClientLimits,
}

impl<F, I, S, B> HttpServer<F, I, S, B>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error>,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    /// A server for the application that `app` makes, once for each worker and address.
    pub fn new(app: F) -> Self {
        let settings = Settings {
            backlog: 1024,
            keep_alive: KeepAlive::default(),
            client_request_timeout: Duration::from_secs(5),
            client_disconnect_timeout: Duration::from_secs(1),
            on_connect: None,
            limits: ClientLimits::default(),
        };
        Self { app, builder: ServerBuilder::default(), settings, listeners: Vec::new(), makes: PhantomData }
    }

    /// Number of workers, each with a thread of its own. Default: one for each core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.builder = self.builder.workers(workers);
        self
    }

    /// How many connections may wait to be accepted. Default 1,024. To be set before [`HttpServer::bind`].
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.settings.backlog = backlog;
        self
    }

    /// How long a connection may rest between two requests. Default 5 s.
    pub fn keep_alive(mut self, keep_alive: impl Into<KeepAlive>) -> Self {
        self.settings.keep_alive = keep_alive.into();
        self
    }

    /// How long the head of the first request may take to arrive; zero for as long as it likes. Default 5 s.
    pub fn client_request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.client_request_timeout = timeout;
        self
    }

    /// How long a connection that is being closed may take for that; zero for as long as it likes. Default 1 s.
    pub fn client_disconnect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.client_disconnect_timeout = timeout;
        self
    }

    /// Called with every connection that was accepted.
    pub fn on_connect(mut self, call: impl Fn(&TcpStream) + Send + Sync + 'static) -> Self {
        self.settings.on_connect = Some(Arc::new(call));
        self
    }

    /// What clients may hold of the server.
    pub fn client_limits(mut self, limits: ClientLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Leaves the signals to stop to the program, which then uses [`Server::handle`].
    pub fn disable_signals(mut self) -> Self {
        self.builder = self.builder.disable_signals();
        self
    }

    /// How many seconds requests have to end when the server is stopped gracefully. Default 30. Websockets are not
    /// waited for: await [`SocketIo::close`](crate::SocketIo::close) before.
    pub fn shutdown_timeout(mut self, seconds: u64) -> Self {
        self.builder = self.builder.shutdown_timeout(seconds);
        self
    }

    /// Binds each address that a name stands for.
    ///
    /// # Errors
    ///
    /// When none of them can be bound.
    pub fn bind(mut self, addresses: impl ToSocketAddrs) -> io::Result<Self> {
        let mut failed = None;
        let bound = self.listeners.len();
        for address in addresses.to_socket_addrs()? {
            match listen(address, self.settings.backlog) {
                Ok(listener) => self.listeners.push(listener),
                Err(error) => failed = Some(error),
            }
        }
        if self.listeners.len() > bound {
            return Ok(self);
        }
        Err(failed.unwrap_or_else(|| io::Error::other("no address to bind")))
    }

    /// The addresses that are bound, with the ports that the system chose.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves. What is returned has to be awaited or spawned.
    ///
    /// # Errors
    ///
    /// When a bound address cannot be listened to.
    pub fn run(self) -> io::Result<Server> {
        let Self { app, mut builder, settings, listeners, .. } = self;
        let clients = Clients::new(settings.limits.clone(), settings.longest_rest());
        tokio::spawn(sweep(Arc::downgrade(&clients)));
        for (n, listener) in listeners.into_iter().enumerate() {
            let (app, settings, clients) = (app.clone(), settings.clone(), Arc::clone(&clients));
            let shutdown = builder.graceful_shutdown_signal();
            builder = builder.listen(format!("actix-socketio-{n}"), listener, move || {
                // One instance for each worker, whether a request asks for a websocket or not.
                let made = Rc::new(OnceCell::new());
                let on_connect = settings.on_connect.clone();
                let (shutdown, clients) = (shutdown.clone(), Arc::clone(&clients));
                let service = HttpService::build()
                    .graceful_shutdown_signal(move || {
                        let shutdown = shutdown.clone();
                        async move { shutdown.notified().await }
                    })
                    .keep_alive(settings.keep_alive)
                    .client_request_timeout(settings.client_request_timeout)
                    .client_disconnect_timeout(settings.client_disconnect_timeout)
                    .h1_allow_half_closed(false)
                    .on_connect_ext(move |stream: &Guarded, data| {
                        data.insert(Arc::clone(stream.client()));
                        if let (Some(call), Some(stream)) = (&on_connect, stream.stream()) {
                            call(stream);
                        }
                    })
                    .upgrade(websockets(Rc::clone(&made)))
                    .finish(instance(app().into_factory(), made));
                fn_service(move |stream: TcpStream| {
                    let peer = stream.peer_addr().ok();
                    let guarded = Guarded::new(stream, &clients).ok_or(DispatchError::DisconnectTimeout);
                    ready(guarded.map(|stream| (stream, Protocol::Http1, peer)))
                })
                .and_then(service)
            })?;
        }
        Ok(builder.run())
    }
}

impl<F, I, S, B> fmt::Debug for HttpServer<F, I, S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

impl Settings {
    /// How long a connection may rest between two requests, and then take for the head of the next one.
    fn longest_rest(&self) -> Option<Duration> {
        let head = Some(self.client_request_timeout).filter(|timeout| !timeout.is_zero())?;
        match self.keep_alive {
            KeepAlive::Timeout(rest) => Some(rest + head),
            KeepAlive::Disabled => Some(head),
            KeepAlive::Os => None,
        }
    }
}

/// Ends connections whose clients took too long, as long as there is a server.
async fn sweep(clients: Weak<Clients>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(clients) = clients.upgrade() else { return };
        clients.sweep();
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// The application's instance of a worker, once it is made.
type Made<S> = Rc<OnceCell<Rc<S>>>;

/// Makes the application's instance, and leaves it in `made` as well.
fn instance<S, B>(
    factory: S,
    made: Made<Watched<S::Service, B>>,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<Answer>,
    Error = Response<BoxBody>,
    InitError = S::InitError,
    Service: Service<Request, Future: 'static>,
    Future: 'static,
>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error>,
    S::Response: Into<Response<B>>,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let factory = Rc::new(factory);
    fn_factory(move || {
        let (factory, made) = (Rc::clone(&factory), Rc::clone(&made));
        async move {
            let service = Rc::new(Watched::new(factory.new_service(AppConfig::default()).await?));
            Ok(Rc::clone(made.get_or_init(|| service)))
        }
    })
}

/// Serves requests for websockets: those that are accepted become ours, and the others get the application's answer.
fn websockets<S>(
    app: Made<S>,
) -> impl ServiceFactory<
    (Request, Framed<Guarded, h1::Codec>),
    Config = (),
    Response = (),
    Error = actix_http::Error,
    InitError = (),
    Future: 'static,
>
where
    S: Service<Request, Response = Response<Answer>, Error = Response<BoxBody>> + 'static,
{
    fn_service(move |(request, framed): (Request, Framed<Guarded, h1::Codec>)| {
        let app = app.get().cloned();
        // Boxed, because room for it is part of every connection.
        Box::pin(async move {
            // The server makes it before it accepts a connection.
            let Some(app) = app else { return Ok(()) };
            let handover = Handover::default();
            request.extensions_mut().insert(handover.clone());
            match app.call(request).await {
                Ok(response) => answer(response, &handover, framed).await,
                Err(response) => answer(response, &handover, framed).await,
            }
        })
    })
}

async fn answer<B: MessageBody + 'static>(
    mut response: Response<B>,
    handover: &Handover,
    framed: Framed<Guarded, h1::Codec>,
) -> Result<(), actix_http::Error> {
    if let Some(taker) = handover.take()
        && response.status() == StatusCode::SWITCHING_PROTOCOLS
    {
        let mut parts = framed.into_parts();
        let mut head = BytesMut::new();
        let message = h1::Message::Item((response.drop_body(), BodySize::None));
        if let Err(error) = parts.codec.encode(message, &mut head) {
            tracing::error!(%error, "the answer to a request for a websocket cannot be written");
        } else if let Some(stream) = parts.io.into_stream() {
            let unread = parts.read_buf.to_vec();
            taker.accept(Taken { stream, head: head.freeze(), unread });
        }
        return Ok(());
    }
    response.head_mut().set_connection_type(ConnectionType::Close);
    let response = response.map_body(|_, body| OtherBody(body.boxed()));
    h1::SendResponse::new(framed, response).await.map(drop)
}

/// The body of an answer that is no websocket.
struct OtherBody(BoxBody);

impl MessageBody for OtherBody {
    type Error = actix_http::Error;

    fn size(&self) -> BodySize {
        self.0.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = Pin::new(&mut self.0).poll_next(cx);
        next.map_err(|error| PayloadError::Io(io::Error::other(error.to_string())).into())
    }
}
