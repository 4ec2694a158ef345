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

pub use upload::Pace;

use actix_cors::Cors;
use actix_web::{HttpResponse, web};
use fabric_api::failure::Failure;
use fabric_domain::model::Refusal;

use crate::Api;
use crate::body::{MAX_BODY, MAX_MESSAGE_BODY};
use crate::failure::HttpFailure;

pub(crate) fn configure(config: &mut web::ServiceConfig, api: Api) {
    config
        .app_data(web::Data::new(api))
        .app_data(web::PayloadConfig::new(MAX_BODY))
        .app_data(web::QueryConfig::default().error_handler(|error, _| unreadable("query", &error)))
        .app_data(web::PathConfig::default().error_handler(|error, _| unreadable("path", &error)))
        .route("/healthz", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready))
        .service(
            web::scope("/api")
                .route("/healthz", web::get().to(health::alive))
                .route("/readyz", web::get().to(health::ready))
                .service(
                    web::resource("/channels")
                        .route(web::get().to(channels::list))
                        .route(web::post().to(channels::create))
                        .default_service(web::to(method_not_allowed)),
                )
                .service(
                    web::scope("/channels/{channel}").configure(channel).default_service(web::to(not_found)),
                )
                .service(
                    web::resource("/files")
                        .route(web::post().to(upload::post))
                        .default_service(web::to(method_not_allowed)),
                )
                .service(
                    web::resource("/files/{file}")
                        .route(web::get().to(download::get))
                        .route(web::head().to(download::head))
                        .default_service(web::to(method_not_allowed)),
                )
                .service(
                    web::resource("/search")
                        .route(web::get().to(search::search))
                        .default_service(web::to(method_not_allowed)),
                )
                .route("/presence", web::get().to(presence::all))
                .service(
                    web::resource("/agents/{user}/presence")
                        .route(web::get().to(presence::get))
                        .route(web::put().to(presence::put))
                        .default_service(web::to(method_not_allowed)),
                )
                .default_service(web::to(not_found)),
        )
        .default_service(web::to(not_found));
}

/// Routes of one channel.
fn channel(config: &mut web::ServiceConfig) {
    let resource = |path| web::resource(path).default_service(web::to(method_not_allowed));
    config
        .service(resource("").route(web::get().to(channels::get)).route(web::patch().to(channels::patch)))
        .service(resource("/close").route(web::post().to(channels::close)))
        .service(resource("/reopen").route(web::post().to(channels::reopen)))
        .service(resource("/read").route(web::put().to(channels::mark_read)))
        .service(resource("/join").route(web::post().to(members::join)))
        .service(resource("/leave").route(web::post().to(members::leave)))
        .service(resource("/members").route(web::get().to(members::list)).route(web::post().to(members::add)))
        .service(resource("/members/{user}").route(web::delete().to(members::remove)))
        .service(resource("/wake-mapping").route(web::put().to(members::set_wake_mapping)))
        .service(resource("/bypass").route(web::post().to(members::bypass)))
        .service(resource("/unbypass").route(web::post().to(members::unbypass)))
        .service(resource("/turn").route(web::get().to(turns::get)))
        .service(resource("/turn/pass").route(web::post().to(turns::pass)))
        .service(resource("/turn/force-proceed").route(web::post().to(turns::force_proceed)))
        .service(
            resource("/messages")
                .app_data(web::PayloadConfig::new(MAX_MESSAGE_BODY))
                .route(web::get().to(messages::page))
                .route(web::post().to(messages::post)),
        )
        .service(
            resource("/messages/{message}")
                .app_data(web::PayloadConfig::new(MAX_MESSAGE_BODY))
                .route(web::get().to(messages::get))
                .route(web::patch().to(messages::edit))
                .route(web::delete().to(messages::delete)),
        )
        .service(resource("/messages/{message}/revisions").route(web::get().to(messages::revisions)));
}

/// A query or path that cannot be read, in the shape of every error.
fn unreadable(part: &'static str, error: &impl std::fmt::Display) -> actix_web::Error {
    HttpFailure::from(Refusal::field(part, error.to_string())).into()
}

async fn not_found() -> Result<HttpResponse, HttpFailure> {
    Err(Failure::new(404, "route_not_found", "no such route").into())
}

async fn method_not_allowed() -> Result<HttpResponse, HttpFailure> {
    Err(Failure::new(405, "method_not_allowed", "this route does not know that method").into())
}

/// Which web pages may call: all, or the listed ones. The origin `null` (a desktop shell) always may.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default().allow_any_method().allow_any_header().expose_any_header().max_age(3_600);
    if origins.is_empty() {
        return cors.allow_any_origin();
    }
    origins.iter().fold(cors.allowed_origin("null"), |cors, origin| cors.allowed_origin(origin))
}
