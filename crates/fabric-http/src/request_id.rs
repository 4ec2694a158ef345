//! `x-request-id`: taken over from the request when it is sane, made up otherwise, and on every answer.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};

use crate::Api;
use crate::failure::HttpFailure;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_CHARS: usize = 128;

struct RequestId(String);

/// The id of this request.
pub(crate) fn of(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// Sane: short, and nothing that would confuse a log line.
fn is_sane(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_CHARS
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte))
}

fn make_up(api: &Api) -> String {
    let ports = api.guild.ports();
    ports.entropy.message_id(ports.clock.now()).into()
}

/// Middleware: gives the request an id, and puts it on the answer and into the body of a failure.
pub async fn with_request_id<B: MessageBody + 'static>(
    api: web::Data<Api>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    let id = given.filter(|id| is_sane(id)).map_or_else(|| make_up(&api), str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let response = next.call(request).await?;
    let failure = response.response().error().and_then(|error| error.as_error::<HttpFailure>());
    let named = failure.map(|failure| failure.body(&id));
    // Only the body is another one: status and headers are by now also those that CORS has set.
    let mut response = response.map_body(|_, body| match named {
        Some(named) => EitherBody::right(named),
        None => EitherBody::left(body),
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    Ok(response)
}
