//! Request bodies: JSON objects of bounded length whose every bad field is named in the answer.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use fabric_api::fields::{Fields, FromFields, read};
use fabric_domain::model::Refusal;
use fabric_serverkit::web::{HttpError, json_body};

use crate::error::Error;

/// The most characters of a field before it is looked at more closely.
const MAX_FIELD_CHARS: usize = 8_192;

/// A request that was read from the body.
pub(super) struct Body<T>(pub(super) T);

impl<T: FromFields> FromRequest for Body<T> {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Browsers send other types across origins without asking first.
        let is_json = is_json(request);
        let body = json_body(request, payload);
        Box::pin(async move {
            if !is_json {
                let message = "the body must be application/json";
                return Err(HttpError::new(415, "unsupported_media_type", message));
            }
            let Some(body) = body.await? else {
                return Err(HttpError::new(400, "invalid_json", "the body must be a JSON object"));
            };
            match read(&body) {
                Ok(request) => Ok(Self(request)),
                Err(Refusal::Invalid(fields)) => Err(Error::Invalid(fields).into()),
                Err(other) => Err(other.into()),
            }
        })
    }
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
    parse(&text).map_err(|message| fields.complain(field, message)).ok()
}

/// A field that is parsed if it is given; a bad one is complained about and looks absent.
pub(super) fn optional<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = fields.text_up_to(field, MAX_FIELD_CHARS)?;
    parse(&text).map_err(|message| fields.complain(field, message)).ok()
}
