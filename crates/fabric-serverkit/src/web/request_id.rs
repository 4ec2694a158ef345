//! `x-request-id`: taken over from the request when it is sane, made up otherwise, and on every answer.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest};
use fabric_domain::ports::Clock as _;

use super::error::HttpError;
use crate::system::{SystemClock, new_uuid};

/// The header's name.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer id is not taken over.
const MAX_CHARS: usize = 128;

struct RequestId(String);

/// The id of this request; empty outside of [`with_request_id`].
pub fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// Sane: short, and nothing that would confuse a log line.
fn is_sane(id: &str) -> bool {
    (1..=MAX_CHARS).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte))
}

/// Middleware: gives the request an id, puts it on the answer, and writes every error (also those of actix and of
/// other middleware) in the one shape. It belongs around everything else, so that every answer has an id.
pub async fn with_request_id<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = given.filter(|id| is_sane(id)).map_or_else(|| new_uuid(SystemClock.now()), str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let response = next.call(request).await?;
    let told = response.response().error().map(|error| HttpError::tell(error, &id));
    // Only the body is another one: status and headers are by now also those that CORS has set.
    let body = told.as_ref().and_then(|told| serde_json::to_vec(told).ok());
    let is_told = body.is_some();
    let mut response = response.map_body(|_, former| match body {
        Some(body) => EitherBody::right(BoxBody::new(body)),
        None => EitherBody::left(former),
    });
    let headers = response.headers_mut();
    if is_told {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, ResponseError, web};
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug)]
    struct OfActix;

    impl std::fmt::Display for OfActix {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("not like this")
        }
    }

    impl ResponseError for OfActix {
        fn status_code(&self) -> actix_web::http::StatusCode {
            actix_web::http::StatusCode::BAD_REQUEST
        }
    }

    async fn ours() -> Result<HttpResponse, HttpError> {
        Err(HttpError::new(401, "missing", "nobody asks"))
    }

    async fn of_actix() -> Result<HttpResponse, OfActix> {
        Err(OfActix)
    }

    async fn unwell() -> Result<HttpResponse, Error> {
        Err(actix_web::error::ErrorInternalServerError("the password is hush"))
    }

    async fn ask(path: &str, id: Option<&str>) -> (HttpResponse<()>, String, Value) {
        let app = App::new()
            .wrap(from_fn(with_request_id))
            .route("/ours", web::get().to(ours))
            .route("/of-actix", web::get().to(of_actix))
            .route("/unwell", web::get().to(unwell))
            .route("/id", web::get().to(async |request: HttpRequest| web::Json(request_id(&request))));
        let app = init_service(app).await;
        let request = TestRequest::get().uri(path);
        let request = id.into_iter().fold(request, |request, id| request.insert_header((REQUEST_ID, id)));
        let response = call_service(&app, request.to_request()).await;
        let id = response.headers().get(REQUEST_ID).unwrap().to_str().unwrap().to_owned();
        let (_, response) = response.into_parts();
        let (head, body) = response.into_parts();
        let body = actix_web::body::to_bytes(body).await.unwrap_or_default();
        (head, id, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[actix_web::test]
    async fn a_sane_id_is_taken_over_and_another_is_made_up() {
        for sane in ["7", "a-B_c.d:e/f+g=", &"x".repeat(128)] {
            let (_, id, body) = ask("/id", Some(sane)).await;
            assert_eq!((id.as_str(), body), (sane, json!(sane)));
        }
        for other in [None, Some(""), Some("a b"), Some("<script>"), Some(&*"x".repeat(129))] {
            let (_, id, body) = ask("/id", other).await;
            assert_eq!((id.len(), body), (36, json!(id)));
        }
    }

    #[actix_web::test]
    async fn every_error_has_the_one_shape_and_the_id() {
        let body = |status: u16, error: &str, message: &str| json!({ "statusCode": status, "error": error, "message": message, "requestId": "7" });
        for (path, expected) in [
            ("/ours", body(401, "missing", "nobody asks")),
            ("/of-actix", body(400, "bad_request", "not like this")),
            ("/unwell", body(500, "internal_error", "internal error")),
        ] {
            let (head, _, told) = ask(path, Some("7")).await;
            assert_eq!(told, expected);
            assert_eq!(head.status().as_u16(), expected["statusCode"]);
            assert_eq!(head.headers().get(header::CONTENT_TYPE).unwrap(), "application/json");
        }
        let (head, ..) = ask("/ours", None).await;
        assert_eq!(head.headers().get(header::WWW_AUTHENTICATE).unwrap(), "Bearer");
    }
}
