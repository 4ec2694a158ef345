//! Requests: which session and which transport they are for.

mod handover;
mod polling;
mod response;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::{self, Payload, ServiceConfig},
};

pub(crate) use self::handover::Handover;
use self::{
    handover::{Taker, accept},
    response::{RequestError, respond},
};
use crate::{
    connection::{Connections, Refused, Request, address, query},
    proto::server::Transport,
};

pub(crate) fn configure(connections: Arc<Connections>) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
    move |services| {
        let path = connections.shared.config.path.clone();
        let bare = path.trim_end_matches('/').to_owned();
        let paths = if bare.is_empty() { vec![path] } else { vec![path, bare] };
        services.service(web::resource(paths).to(move |request: HttpRequest, payload: Payload| {
            let connections = Arc::clone(&connections);
            async move { serve(&connections, &request, payload).await }
        }));
    }
}

async fn serve(connections: &Arc<Connections>, request: &HttpRequest, payload: Payload) -> HttpResponse {
    match dispatch(connections, request, payload).await {
        Ok(response) => response,
        Err(problem) => {
            let (status, code, message) = problem.parts();
            let body = serde_json::json!({ "code": code, "message": message });
            respond(&connections.shared.config.origins, request, status).json(body)
        }
    }
}

async fn dispatch(
    connections: &Arc<Connections>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, RequestError> {
    let origin = request.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or(""));
    if !connections.shared.config.origins.allows(origin) {
        return Err(RequestError::Origin);
    }
    if *request.method() == Method::OPTIONS {
        return Ok(preflight(connections, request));
    }
    let parameters = query(request);
    let parameter =
        |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let polling = match parameter("transport") {
        Some("polling") if connections.shared.config.polling => true,
        Some("websocket") if connections.shared.config.websocket => false,
        _ => return Err(RequestError::Transport),
    };
    if parameter("EIO") != Some("4") {
        return Err(RequestError::Version);
    }
    let upgrade = request.headers().contains_key(header::UPGRADE);
    if polling == upgrade {
        return Err(RequestError::Request);
    }
    if let Some(sid) = parameter("sid") {
        let conn = connections.find(sid).ok_or(RequestError::Session)?;
        return match *request.method() {
            Method::GET if polling => polling::get(&conn, request).await,
            Method::POST if polling => polling::post(&conn, request, payload).await,
            Method::GET => accept(request, Taker::Upgrade(conn)),
            _ => Err(RequestError::Method),
        };
    }
    if *request.method() != Method::GET {
        return Err(RequestError::Method);
    }
    let address = address(request, &connections.shared.config);
    connections.admit(address).map_err(|refused| match refused {
        Refused::TooMany => RequestError::TooMany,
        Refused::TooFast => RequestError::TooFast,
    })?;
    let first = Request::new(request, &connections.shared.config);
    if polling {
        polling::get(&connections.open(first, Transport::Polling), request).await
    } else {
        accept(request, Taker::New(Arc::clone(connections), first))
    }
}

fn preflight(connections: &Connections, request: &HttpRequest) -> HttpResponse {
    let mut response = respond(&connections.shared.config.origins, request, StatusCode::NO_CONTENT);
    response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET,POST"));
    response.insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"));
    if let Some(wanted) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()));
    }
    response.finish()
}
