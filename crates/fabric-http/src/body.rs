//! Reading request bodies.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use fabric_api::fields::{self, FromFields};
use fabric_domain::model::Refusal;
use fabric_serverkit::web::{BodyError, HttpError, json_body};
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};

/// The largest JSON body of most routes, in bytes: a thousand ids of the longest kind.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// The largest JSON body of a message, in bytes: the most characters, each of four bytes and escaped.
pub(crate) const MAX_MESSAGE_BODY: usize = 8 * 1024 * 1024;

/// A JSON body, read so that every bad field is listed. No body at all counts as `{}`.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: FromFields + 'static> FromRequest for Body<T> {
    type Error = HttpError;
    type Future = LocalBoxFuture<'static, Result<Self, HttpError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json_body(request, payload);
        Box::pin(async move {
            let body = match body.await {
                Ok(body) => body.unwrap_or_else(|| Value::Object(Map::new())),
                Err(BodyError::NotJson(error)) => {
                    return Err(Refusal::field("body", format!("is not valid JSON: {error}")).into());
                }
                Err(error) => return Err(error.into()),
            };
            Ok(Self(fields::read(&body)?))
        })
    }
}
