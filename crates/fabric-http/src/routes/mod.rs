//! Every route, in the order of spec/3.

mod channels;
mod download;
mod health;
mod members;
mod messages;
mod presence;
mod search;
mod turns;
mod upload;

pub use upload::UploadPace;

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::web;
use fabric_domain::model::Refusal;
use fabric_serverkit::web::{BodyLimit, HttpError, REQUEST_ID, alive, not_found, on, resource};

use crate::Api;
use crate::body::{MAX_BODY, MAX_MESSAGE_BODY};

pub(crate) fn configure(config: &mut web::ServiceConfig, api: Api) {
    config
        .app_data(web::Data::new(api))
        .app_data(BodyLimit(MAX_BODY))
        .app_data(web::QueryConfig::default().error_handler(|error, _| unreadable("query", &error)))
        .app_data(web::PathConfig::default().error_handler(|error, _| unreadable("path", &error)))
        .configure(health)
        .service(
            web::scope("/api")
                .configure(health)
                .service(resource(
                    "/channels",
                    [on(Method::GET, channels::list), on(Method::POST, channels::create)],
                ))
                .service(
                    web::scope("/channels/{channel}").configure(channel).default_service(web::to(not_found)),
                )
                .service(resource("/files", [on(Method::POST, upload::post)]))
                .service(resource(
                    "/files/{file}",
                    [on(Method::GET, download::get), on(Method::HEAD, download::head)],
                ))
                .service(resource("/search", [on(Method::GET, search::search)]))
                .service(resource("/presence", [on(Method::GET, presence::all)]))
                .service(resource(
                    "/agents/{user}/presence",
                    [on(Method::GET, presence::get), on(Method::PUT, presence::put)],
                ))
                .default_service(web::to(not_found)),
        )
        .default_service(web::to(not_found));
}

/// For whoever watches the node, with or without `/api`.
fn health(config: &mut web::ServiceConfig) {
    config
        .service(resource("/healthz", [on(Method::GET, alive), on(Method::HEAD, alive)]))
        .service(resource("/readyz", [on(Method::GET, health::ready), on(Method::HEAD, health::ready)]));
}

/// Routes of one channel.
fn channel(config: &mut web::ServiceConfig) {
    config
        .service(resource("", [on(Method::GET, channels::get), on(Method::PATCH, channels::patch)]))
        .service(resource("/close", [on(Method::POST, channels::close)]))
        .service(resource("/reopen", [on(Method::POST, channels::reopen)]))
        .service(resource("/read", [on(Method::PUT, channels::mark_read)]))
        .service(resource("/join", [on(Method::POST, members::join)]))
        .service(resource("/leave", [on(Method::POST, members::leave)]))
        .service(resource("/members", [on(Method::GET, members::list), on(Method::POST, members::add)]))
        .service(resource("/members/{user}", [on(Method::DELETE, members::remove)]))
        .service(resource("/wake-mapping", [on(Method::PUT, members::set_wake_mapping)]))
        .service(resource("/bypass", [on(Method::POST, members::bypass)]))
        .service(resource("/unbypass", [on(Method::POST, members::unbypass)]))
        .service(resource("/turn", [on(Method::GET, turns::get)]))
        .service(resource("/turn/pass", [on(Method::POST, turns::pass)]))
        .service(resource("/turn/force-proceed", [on(Method::POST, turns::force_proceed)]))
        .service(
            resource("/messages", [on(Method::GET, messages::page), on(Method::POST, messages::post)])
                .app_data(BodyLimit(MAX_MESSAGE_BODY)),
        )
        .service(
            resource(
                "/messages/{message}",
                [
                    on(Method::GET, messages::get),
                    on(Method::PATCH, messages::edit),
                    on(Method::DELETE, messages::delete),
                ],
            )
            .app_data(BodyLimit(MAX_MESSAGE_BODY)),
        )
        .service(resource("/messages/{message}/revisions", [on(Method::GET, messages::revisions)]));
}

/// A query or path that cannot be read, in the shape of every error.
fn unreadable(part: &'static str, error: &impl std::fmt::Display) -> actix_web::Error {
    HttpError::from(Refusal::field(part, error.to_string())).into()
}

/// Headers that a script of another origin may read. Those that are set outside of CORS have to be named.
const EXPOSED: [HeaderName; 8] = [
    REQUEST_ID,
    header::ACCEPT_RANGES,
    header::ALLOW,
    header::CONTENT_DISPOSITION,
    header::CONTENT_RANGE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
];

/// Which web pages may call: all, or the listed ones. The origin `null` (a desktop shell) always may.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default().allow_any_method().allow_any_header().expose_headers(EXPOSED).max_age(3_600);
    if origins.is_empty() {
        return cors.allow_any_origin();
    }
    origins.iter().fold(cors.allowed_origin("null"), |cors, origin| cors.allowed_origin(origin))
}
