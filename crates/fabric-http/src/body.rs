//! Reading request bodies.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use fabric_api::failure::Failure;
use fabric_api::fields::{self, FromFields};
use fabric_domain::model::Refusal;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::failure::HttpFailure;

/// The largest JSON body of most routes, in bytes: a thousand ids of the longest kind.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// The largest JSON body of a message, in bytes: the most characters, each of four bytes and escaped.
pub(crate) const MAX_MESSAGE_BODY: usize = 8 * 1024 * 1024;

/// So many values are in no request that anybody means. Each takes sixteen times the room of its two bytes.
const MAX_VALUES: usize = 20_000;

/// A JSON body, read so that every bad field is listed. No body at all counts as `{}`.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: FromFields + 'static> FromRequest for Body<T> {
    type Error = HttpFailure;
    type Future = LocalBoxFuture<'static, Result<Self, HttpFailure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let bytes = bytes.await.map_err(|error| {
                let too_large = error.as_response_error().status_code().as_u16() == 413;
                let (status, code) = if too_large { (413, "body_too_large") } else { (400, "invalid_body") };
                Failure::new(status, code, error.to_string())
            })?;
            if separators(&bytes) >= MAX_VALUES {
                return Err(Refusal::field("body", format!("must have at most {MAX_VALUES} values")).into());
            }
            let value: Value = if bytes.is_empty() {
                Value::Object(serde_json::Map::new())
            } else {
                serde_json::from_slice(&bytes)
                    .map_err(|error| Refusal::field("body", format!("is not valid JSON: {error}")))?
            };
            Ok(Self(fields::read(&value)?))
        })
    }
}

/// How many commas and opening brackets a JSON text has outside of its strings: as many values, or one less.
fn separators(json: &[u8]) -> usize {
    let mut bytes = json.iter();
    let mut count = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b',' | b'[' | b'{' => count += 1,
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::separators;

    #[test]
    fn values_are_counted_and_what_is_in_texts_is_not() {
        for (json, expected) in [
            ("", 0),
            ("\"a,[{\"", 0),
            (r#"{"content": "a, \"b\", [c]", "ids": [1, 2]}"#, 4),
            (r#""\\",["#, 2),
            ("[[[[0", 4),
            (r#""never ends, \"#, 0),
        ] {
            assert_eq!(separators(json.as_bytes()), expected, "{json}");
        }
    }
}
