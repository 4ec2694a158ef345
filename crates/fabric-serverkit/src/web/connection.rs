//! How long connections may rest, what their clients may hold, and how a server ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Request;
use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_socketio::{ClientLimits, HttpServer};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Response};
use tokio::net::TcpStream;

use super::proxies::TrustedProxies;

/// How long a connection may rest between two requests: longer than proxies and clients let theirs, so that it is they
/// who close it, and never we while a request is on its way.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection may take to send the head of its first request. A client whose machine stands still for some
/// seconds is no attacker.
const REQUEST_HEAD: Duration = Duration::from_secs(30);
/// How long what a client is still sending is read after it was refused, so that it gets to see the answer.
const LINGERING: Duration = Duration::from_secs(5);
/// Requests in flight get this many seconds when the server stops.
const SHUTDOWN_SECONDS: u64 = 5;
/// A peer that takes nothing for this long is gone, whatever it announced.
const UNACKNOWLEDGED: Duration = Duration::from_mins(1);
/// So many of the files that a process may have open are not for connections of clients.
const RESERVED_FILES: usize = 128;

/// How many connections there may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Of one address; 0 for any number.
    pub per_address: u32,
    /// Who speaks for many addresses, and has no limit therefore.
    pub proxies: TrustedProxies,
    /// How many files and sockets the process may have open, where that is bounded.
    pub open_files: Option<u64>,
}

impl ConnectionLimits {
    fn of_clients(self) -> ClientLimits {
        let mut limits = ClientLimits::default();
        limits.per_address = usize::try_from(self.per_address).unwrap_or(usize::MAX);
        if let Some(open) = self.open_files {
            // Half of them are left to websockets, the database, and files.
            let open = usize::try_from(open).unwrap_or(usize::MAX).saturating_sub(RESERVED_FILES) / 2;
            limits.connections = limits.connections.min(open.max(1));
        }
        limits.unlimited = Some(Arc::new(move |address| self.proxies.contains(address)));
        limits
    }
}

/// The server of every program of Fabric: how its connections rest and end, and what they may hold. Signals are left to
/// the program, which stops the server by its handle.
pub fn http_server<F, I, S, B>(app: F, limits: ConnectionLimits) -> HttpServer<F, I, S, B>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error>,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    HttpServer::new(app)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(REQUEST_HEAD)
        .client_disconnect_timeout(LINGERING)
        .client_limits(limits.of_clients())
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .on_connect(give_up_on_the_dead)
}

/// Has the kernel end connections whose peer acknowledges nothing: a closed socket's last bytes would keep it for a
/// quarter of an hour otherwise.
fn give_up_on_the_dead(connection: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(connection).set_tcp_user_timeout(Some(UNACKNOWLEDGED)) {
        tracing::debug!(%error, "a connection keeps the system's own time-out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_open_files_for_others() {
        let of = |open_files| {
            ConnectionLimits { open_files, ..ConnectionLimits::default() }.of_clients().connections
        };
        assert_eq!((of(None), of(Some(1_024)), of(Some(1 << 20)), of(Some(64))), (10_000, 448, 10_000, 1));
    }
}
