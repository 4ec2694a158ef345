//! Requests: which session and which transport they are for.

mod guard;
mod polling;
mod response;
mod websocket;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::{self, Payload, ServiceConfig},
};

use self::response::{Problem, respond};
use crate::{
    connection::{Hub, Refused, Request, address, query},
    proto::server::Transport,
};

pub(crate) fn configure(hub: Arc<Hub>) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
    move |services| {
        let path = hub.shared.config.path.clone();
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
            respond(&hub.shared.config.origins, request, status).json(body)
        }
    }
}

async fn dispatch(hub: &Arc<Hub>, request: &HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let origin = request.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or(""));
    if !hub.shared.config.origins.allows(origin) {
        return Err(Problem::Origin);
    }
    if *request.method() == Method::OPTIONS {
        return Ok(preflight(hub, request));
    }
    let parameters = query(request);
    let parameter =
        |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let polling = match parameter("transport") {
        Some("polling") if hub.shared.config.polling => true,
        Some("websocket") if hub.shared.config.websocket => false,
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
    let address = address(request, &hub.shared.config);
    hub.admit(address).map_err(|refused| match refused {
        Refused::TooMany => Problem::TooMany,
        Refused::TooFast => Problem::TooFast,
    })?;
    if polling {
        let conn = hub.open(Request::new(request, &hub.shared.config), Transport::Polling);
        polling::get(&conn, request).await
    } else {
        websocket::open(hub, request, payload).await
    }
}

fn preflight(hub: &Hub, request: &HttpRequest) -> HttpResponse {
    let mut response = respond(&hub.shared.config.origins, request, StatusCode::NO_CONTENT);
    response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET,POST"));
    response.insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"));
    if let Some(wanted) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()));
    }
    response.finish()
}
