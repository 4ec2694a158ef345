//! Request bodies: JSON objects of bounded length whose every bad field is named in the answer.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use fabric_api::fields::{Fields, FromFields, read};
use fabric_domain::model::Refusal;

use crate::error::Error;
use crate::http::failure::Failure;

/// No request of Center's is anywhere near as long.
const MAX_BYTES: usize = 64 * 1024;

/// The most characters of a field before it is looked at more closely.
const MAX_FIELD_CHARS: usize = 8_192;

/// A request that was read from the body.
pub(super) struct Body<T>(pub(super) T);

impl<T: FromFields> FromRequest for Body<T> {
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Failure>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Browsers send other types across origins without asking first.
        let is_json = is_json(request);
        let payload = web::Payload::from_request(request, payload).into_inner();
        Box::pin(async move {
            if !is_json {
                return Err(Failure::NotJsonType);
            }
            let payload = payload.map_err(not_json)?;
            let bytes =
                payload.to_bytes_limited(MAX_BYTES).await.map_err(|_| Failure::TooLarge(MAX_BYTES))?;
            let body = serde_json::from_slice(&bytes.map_err(not_json)?).map_err(not_json)?;
            match read(&body) {
                Ok(request) => Ok(Self(request)),
                Err(Refusal::Invalid(bad)) => Err(Error::Invalid(bad).into()),
                Err(other) => Err(not_json(other)),
            }
        })
    }
}

fn not_json(error: impl std::fmt::Display) -> Failure {
    Failure::NotJson(error.to_string())
}

fn is_json(request: &HttpRequest) -> bool {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// A field that must be given and is parsed at once.
pub(super) fn required<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = fields.required_text(field, MAX_FIELD_CHARS)?;
    parse(&text).map_err(|problem| fields.complain(field, problem)).ok()
}

/// A field that is parsed if it is given; a bad one is complained about and looks absent.
pub(super) fn optional<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = fields.text_up_to(field, MAX_FIELD_CHARS)?;
    parse(&text).map_err(|problem| fields.complain(field, problem)).ok()
}
