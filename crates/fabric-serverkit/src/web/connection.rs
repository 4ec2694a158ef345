//! How long connections may rest, and how a server ends.

use std::fmt;
use std::time::Duration;

use actix_http::Request;
use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Response};
use actix_web::{Error, HttpServer};

/// How connections of a server rest and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionSettings {
    /// How long a connection may rest between two requests: longer than proxies and clients let theirs, so that it is
    /// they who close it, and never we while a request is on its way.
    pub keep_alive: Duration,
    /// How long a connection may take to send the head of its first request. A client whose machine stands still for
    /// some seconds is no attacker.
    pub request_head: Duration,
    /// How long what a client is still sending is read after it was refused, so that it gets to see the answer.
    pub lingering: Duration,
    /// Requests in flight get this many seconds when the server stops.
    pub shutdown_seconds: u64,
}

/// Those of every server of Fabric.
pub const CONNECTION_SETTINGS: ConnectionSettings = ConnectionSettings {
    keep_alive: Duration::from_secs(75),
    request_head: Duration::from_secs(30),
    lingering: Duration::from_secs(5),
    shutdown_seconds: 5,
};

/// A server whose connections rest and end by [`CONNECTION_SETTINGS`]. Signals are left to the program, which stops
/// the server by its handle.
pub fn with_connection_settings<F, I, S, B>(server: HttpServer<F, I, S, B>) -> HttpServer<F, I, S, B>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    server
        .keep_alive(CONNECTION_SETTINGS.keep_alive)
        .client_request_timeout(CONNECTION_SETTINGS.request_head)
        .client_disconnect_timeout(CONNECTION_SETTINGS.lingering)
        // Answers and events are small.
        .tcp_nodelay(true)
        .disable_signals()
        .shutdown_timeout(CONNECTION_SETTINGS.shutdown_seconds)
}
