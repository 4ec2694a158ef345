//! Routes: which methods they know, and who asks.

use actix_web::http::{Method, header};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Route, web};
use serde_json::json;

use super::error::HttpError;

/// A handler for a method.
pub fn on<F, Args>(method: Method, handler: F) -> (Method, Route)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (method.clone(), web::method(method).to(handler))
}

/// A resource that knows these methods. Any other is answered with their names.
pub fn resource<const N: usize>(path: &str, routes: [(Method, Route); N]) -> Resource {
    let allowed = routes.each_ref().map(|(method, _)| method.as_str()).join(", ");
    let resource = routes.into_iter().fold(web::resource(path), |resource, (_, route)| resource.route(route));
    resource.default_service(web::to(move || std::future::ready(method_not_allowed(&allowed))))
}

fn method_not_allowed(allowed: &str) -> HttpResponse {
    let error = HttpError::new(405, "method_not_allowed", "the route has no such method");
    let mut response = HttpResponse::from_error(error);
    if let Ok(allowed) = header::HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// The handler of every path that is no route.
pub async fn not_found() -> Result<HttpResponse, HttpError> {
    Err(HttpError::new(404, "route_not_found", "no such route"))
}

/// The handler that says that the process answers.
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// The token of `Authorization: Bearer …`, if there is one.
pub fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_token_is_what_follows_the_scheme() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bEARER  abc ", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic YTpi", None),
            ("abc", None),
        ] {
            let request = TestRequest::get().insert_header((header::AUTHORIZATION, value)).to_http_request();
            assert_eq!(bearer_token(&request), token, "{value}");
        }
    }
}
