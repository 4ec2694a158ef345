//! Answers to requests.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};

use crate::Origins;

/// The errors of the protocol: a code and its text.
#[derive(Debug, Clone, Copy)]
pub(super) enum RequestError {
    Transport,
    Session,
    Method,
    Request,
    Origin,
    Version,
    TooFast,
    TooMany,
}

impl RequestError {
    pub(super) fn parts(self) -> (StatusCode, u8, &'static str) {
        match self {
            Self::Transport => (StatusCode::BAD_REQUEST, 0, "Transport unknown"),
            Self::Session => (StatusCode::BAD_REQUEST, 1, "Session ID unknown"),
            Self::Method => (StatusCode::BAD_REQUEST, 2, "Bad handshake method"),
            Self::Request => (StatusCode::BAD_REQUEST, 3, "Bad request"),
            Self::Origin => (StatusCode::FORBIDDEN, 4, "Forbidden"),
            Self::Version => (StatusCode::BAD_REQUEST, 5, "Unsupported protocol version"),
            Self::TooFast => (StatusCode::TOO_MANY_REQUESTS, 4, "Too many requests"),
            Self::TooMany => (StatusCode::SERVICE_UNAVAILABLE, 4, "Server is full"),
        }
    }
}

/// A response with what browsers want to see before they show it to a page.
pub(super) fn respond(origins: &Origins, request: &HttpRequest, status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        match origins {
            Origins::Any => {
                response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
            }
            Origins::List(_) => {
                let allowed = origin.to_str().ok();
                if origins.allows(Some(allowed.unwrap_or(""))) {
                    response
                        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()))
                        .insert_header((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"));
                }
                response.insert_header((header::VARY, "Origin"));
            }
        }
    }
    response
}
