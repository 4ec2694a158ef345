//! `x-request-id` on every answer, and one shape for every error.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;

use crate::http::failure::answer;
use crate::secret::new_id;

/// The header's name.
pub(super) const HEADER: &str = "x-request-id";

/// Longer ones are not taken over from a request.
const MAX_LEN: usize = 128;

/// Middleware: chooses the request's id, and writes the errors of handlers and of the framework in the common shape.
pub(super) async fn tag<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let id = given_id(&request).unwrap_or_else(|| {
        let center = request.app_data::<actix_web::web::Data<crate::Center>>();
        new_id(center.map_or_else(Default::default, |center| center.now()))
    });
    // No handle on the request may be kept here: routing needs it for itself.
    let response = next.call(request).await?;
    let mut response = match response.response().error().map(|error| answer(error, &id)) {
        Some(answer) => {
            let (request, _) = response.into_parts();
            ServiceResponse::new(request, answer.map_into_right_body())
        }
        None => response.map_into_left_body(),
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static(HEADER), value);
    }
    Ok(response)
}

fn given_id(request: &ServiceRequest) -> Option<String> {
    let id = request.headers().get(HEADER)?.to_str().ok()?;
    let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    ((1..=MAX_LEN).contains(&id.len()) && id.chars().all(sane)).then(|| id.to_owned())
}
