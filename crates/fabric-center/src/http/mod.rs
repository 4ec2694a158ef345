//! Center's routes (spec/5). Thin: who asks, what the body says, one use case, the answer.

mod auth_routes;
mod body;
mod caller;
mod error;
mod node_routes;

use std::net::SocketAddr;

use actix_cors::Cors;
use actix_web::App;
use actix_web::dev::Server;
use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use fabric_serverkit::program::raise_open_files;
use fabric_serverkit::web::{
    BodyLimit, ConnectionLimits, REQUEST_ID, alive, http_server, not_found, on, resource, safe_headers,
    with_client_address, with_request_id,
};

use crate::center::Center;

/// Signing in is the only heavy work, and it runs elsewhere.
const WORKERS: usize = 2;
/// The longest body, in bytes. No request of Center's is anywhere near as long.
const MAX_BODY: usize = 64 * 1024;

impl Center {
    /// Binds the socket; the returned server runs when it is awaited or spawned. The address has the port that the
    /// system chose when [`Settings::port`](crate::Settings::port) is 0. Signals are left to the caller: stop with
    /// [`Server::handle`].
    pub fn server(&self) -> std::io::Result<(Server, SocketAddr)> {
        let settings = self.settings();
        let limits = ConnectionLimits {
            per_address: settings.connections_per_address,
            proxies: settings.trusted_proxies.clone(),
            open_files: raise_open_files(),
        };
        let center = self.clone();
        let server = http_server(move || App::new().configure(center.configure()), limits)
            .workers(WORKERS)
            .bind((settings.bind, settings.port))?;
        let address = server.addrs().first().copied();
        let address = address.ok_or_else(|| std::io::Error::other("no address was bound"))?;
        Ok((server.run()?, address))
    }

    /// Adds Center's routes to an application of the caller's.
    pub fn configure(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let center = self.clone();
        move |config| {
            let cors = cors(&center.settings().cors_origins);
            let proxies = center.settings().trusted_proxies.clone();
            config.service(
                web::scope("")
                    .app_data(Data::new(center))
                    .wrap(cors)
                    .wrap(from_fn(with_request_id))
                    .wrap(safe_headers())
                    .wrap(from_fn(move |request, next| {
                        let proxies = proxies.clone();
                        async move { with_client_address(&proxies, request, next).await }
                    }))
                    .app_data(BodyLimit(MAX_BODY))
                    .configure(routes)
                    .default_service(web::to(not_found)),
            );
        }
    }
}

fn routes(config: &mut ServiceConfig) {
    config.configure(health).service(
        web::scope("/api")
            .configure(health)
            .configure(auth_routes::configure)
            .configure(node_routes::configure)
            .default_service(web::to(not_found)),
    );
}

/// For whoever watches Center, with or without `/api`.
fn health(config: &mut ServiceConfig) {
    config.service(resource("/healthz", [on(Method::GET, alive), on(Method::HEAD, alive)]));
}

/// `origins` is a comma list; empty allows all. No cookies are used, so any origin is harmless.
fn cors(origins: &str) -> Cors {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST, Method::PATCH])
        .allow_any_header()
        .expose_headers([header::ALLOW, header::RETRY_AFTER, REQUEST_ID])
        .max_age(3_600);
    let mut listed = origins.split(',').map(str::trim).filter(|origin| !origin.is_empty()).peekable();
    if listed.peek().is_none() {
        return cors.allow_any_origin().send_wildcard();
    }
    listed.fold(cors.allowed_origin_fn(|origin, _| origin == "null"), |cors, origin| {
        let origin = origin.trim_end_matches('/').to_owned();
        cors.allowed_origin_fn(move |asking, _| asking.as_bytes() == origin.as_bytes())
    })
}
