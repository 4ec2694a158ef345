//! Center's routes (spec/5). Thin: who asks, what the body says, one use case, the answer.

mod auth_routes;
mod body;
mod caller;
mod failure;
mod node_routes;
mod request_id;

use std::net::SocketAddr;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, Resource};

use crate::center::Center;
use crate::http::failure::Failure;

/// Requests in flight get this many seconds when the server stops.
const SHUTDOWN_SECONDS: u64 = 5;

/// Signing in is the only heavy work, and it runs elsewhere.
const WORKERS: usize = 2;
/// How long a connection may rest between two requests: longer than proxies and clients let theirs, so that it is they
/// who close it, and never we while a request is on its way.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection may take to send the head of its first request. A client whose machine stands still for some
/// seconds is no attacker.
const REQUEST_HEAD: Duration = Duration::from_secs(30);

impl Center {
    /// Binds the socket; the returned server runs when it is awaited or spawned. The address has the port that the
    /// system chose when [`Settings::port`](crate::Settings::port) is 0. Signals are left to the caller: stop with
    /// [`Server::handle`].
    pub fn server(&self) -> std::io::Result<(Server, SocketAddr)> {
        let center = self.clone();
        let server = HttpServer::new(move || App::new().configure(center.configure()))
            .workers(WORKERS)
            .tcp_nodelay(true)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(REQUEST_HEAD)
            .disable_signals()
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .bind((self.settings().bind, self.settings().port))?;
        let address = server.addrs().first().copied();
        let address = address.ok_or_else(|| std::io::Error::other("no address was bound"))?;
        Ok((server.run(), address))
    }

    /// Adds Center's routes to an application of the caller's.
    pub fn configure(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let center = self.clone();
        move |config| {
            let cors = cors(&center.settings().cors_origins);
            config.service(
                web::scope("")
                    .app_data(Data::new(center))
                    .wrap(cors)
                    .wrap(from_fn(request_id::tag))
                    .configure(routes)
                    .default_service(web::to(no_route)),
            );
        }
    }
}

fn routes(config: &mut ServiceConfig) {
    config.service(resource("/healthz").get(healthz)).service(
        web::scope("/api")
            .service(resource("/healthz").get(healthz))
            .configure(auth_routes::configure)
            .configure(node_routes::configure)
            .default_service(web::to(no_route)),
    );
}

/// A path and what its methods do; every other method is answered in the common shape.
struct Route(Resource);

fn resource(path: &str) -> Route {
    Route(web::resource(path).default_service(web::to(no_method)))
}

macro_rules! methods {
    ($($name:ident),*) => {
        impl Route {
            $(fn $name<F, Args>(self, handler: F) -> Self
            where
                F: actix_web::Handler<Args>,
                Args: actix_web::FromRequest + 'static,
                F::Output: actix_web::Responder + 'static,
            {
                Self(self.0.route(web::$name().to(handler)))
            })*
        }
    };
}

methods!(get, patch, post);

impl actix_web::dev::HttpServiceFactory for Route {
    fn register(self, config: &mut actix_web::dev::AppService) {
        self.0.register(config);
    }
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

async fn no_route() -> Result<HttpResponse, Failure> {
    Err(Failure::NoRoute)
}

async fn no_method() -> Result<HttpResponse, Failure> {
    Err(Failure::NoMethod)
}

/// `origins` is a comma list; empty allows all. No cookies are used, so any origin is harmless.
fn cors(origins: &str) -> Cors {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST, Method::PATCH])
        .allow_any_header()
        .expose_headers([header::RETRY_AFTER.as_str(), request_id::HEADER])
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
