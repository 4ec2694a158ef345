//! Requests: which session and which transport they are for.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{Method, StatusCode, header},
    web::{self, Payload, ServiceConfig},
};

use super::{
    handshake::{self, Request},
    hub::{Hub, Refused},
    polling, websocket,
};
use crate::{Origins, proto::server::Transport};

/// The errors of the protocol: a code and its text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Problem {
    Transport,
    Session,
    Method,
    Request,
    Origin,
    Version,
    TooFast,
    TooMany,
}

impl Problem {
    fn parts(self) -> (StatusCode, u8, &'static str) {
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

pub(super) fn configure(hub: Arc<Hub>) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
    move |services| {
        let path = hub.config.path.clone();
        let bare = path.trim_end_matches('/').to_owned();
        let paths = if bare.is_empty() { vec![path] } else { vec![path, bare] };
        services.service(web::resource(paths).to(move |request: HttpRequest, payload: Payload| {
            let hub = Arc::clone(&hub);
            async move { serve(&hub, &request, payload).await }
        }));
    }
}

async fn serve(hub: &Arc<Hub>, request: &HttpRequest, payload: Payload) -> HttpResponse {
    match dispatch(hub, request, payload).await {
        Ok(response) => response,
        Err(problem) => {
            let (status, code, message) = problem.parts();
            let body = serde_json::json!({ "code": code, "message": message });
            respond(hub, request, status).json(body)
        }
    }
}

async fn dispatch(hub: &Arc<Hub>, request: &HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let origin = request.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or(""));
    if !hub.config.origins.allows(origin) {
        return Err(Problem::Origin);
    }
    if *request.method() == Method::OPTIONS {
        return Ok(preflight(hub, request));
    }
    let query = handshake::query(request);
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let polling = match parameter("transport") {
        Some("polling") if hub.config.polling => true,
        Some("websocket") if hub.config.websocket => false,
        _ => return Err(Problem::Transport),
    };
    if parameter("EIO") != Some("4") {
        return Err(Problem::Version);
    }
    let upgrade = request.headers().contains_key(header::UPGRADE);
    if polling == upgrade {
        return Err(Problem::Request);
    }
    if let Some(sid) = parameter("sid") {
        let conn = hub.find(sid).ok_or(Problem::Session)?;
        return match *request.method() {
            Method::GET if polling => polling::get(&conn, request).await,
            Method::POST if polling => polling::post(&conn, request, payload).await,
            Method::GET => websocket::upgrade(&conn, request, payload).await,
            _ => Err(Problem::Method),
        };
    }
    if *request.method() != Method::GET {
        return Err(Problem::Method);
    }
    let address = handshake::address(request, &hub.config);
    hub.admit(address).map_err(|refused| match refused {
        Refused::TooMany => Problem::TooMany,
        Refused::TooFast => Problem::TooFast,
    })?;
    if polling {
        let conn = hub.open(Request::new(request, &hub.config), Transport::Polling);
        polling::get(&conn, request).await
    } else {
        websocket::open(hub, request, payload).await
    }
}

/// A response with what browsers want to see before they show it to a page.
pub(super) fn respond(hub: &Hub, request: &HttpRequest, status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        match &hub.config.origins {
            Origins::Any => {
                response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
            }
            Origins::List(_) => {
                let allowed = origin.to_str().ok();
                if hub.config.origins.allows(Some(allowed.unwrap_or(""))) {
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

fn preflight(hub: &Hub, request: &HttpRequest) -> HttpResponse {
    let mut response = respond(hub, request, StatusCode::NO_CONTENT);
    response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET,POST"));
    response.insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"));
    if let Some(wanted) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()));
    }
    response.finish()
}
