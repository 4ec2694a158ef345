//! Reading JSON bodies.

use std::sync::Arc;
use std::time::Duration;

use actix_socketio::{Client, NoRoom};
use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::rt::time::{Instant, timeout};
use actix_web::web::BytesMut;
use fabric_api::error_answer::ErrorAnswer;
use fabric_domain::model::Refusal;
use futures_util::StreamExt as _;
use serde_json::Value;
use thiserror::Error;
use well_formed_json::well_formed;

use super::pace::Pace;

/// So many values are in no request that anybody means. Each takes sixteen times the room of its two bytes.
const MAX_VALUES: usize = 20_000;

/// How many bytes a JSON body may have, as the app data of an application, a scope or a resource. Default 64 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(pub usize);

impl Default for BodyLimit {
    fn default() -> Self {
        Self(64 * 1024)
    }
}

/// How slowly a JSON body may come, as the app data of an application, a scope or a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyPace(pub Pace);

impl Default for BodyPace {
    /// Half a minute, and 16 KiB a second.
    fn default() -> Self {
        Self(Pace { grace: Duration::from_secs(30), bytes_per_second: 16 * 1024 })
    }
}

/// Why a body is not read as JSON.
#[derive(Debug, Error)]
pub enum BodyError {
    /// It has more bytes than its route takes.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// It would take far more memory than it has bytes.
    #[error("the body has more than {MAX_VALUES} values")]
    TooManyValues,
    /// It is something else.
    #[error("the body is not valid JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It did not arrive whole.
    #[error("the body cannot be read: {0}")]
    Broken(#[from] PayloadError),
    /// It did not arrive in time.
    #[error("the body did not come in time")]
    TooSlow,
    /// Too much is held for others already.
    #[error("the server has no room for the body now")]
    NoRoom(#[from] NoRoom),
}

impl From<BodyError> for ErrorAnswer {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        match error {
            BodyError::TooLarge(_) => Self::new(413, "body_too_large", message),
            BodyError::TooManyValues => {
                Refusal::field("body", format!("must have at most {MAX_VALUES} values")).into()
            }
            BodyError::NotJson(_) => Self::new(400, "invalid_json", message),
            BodyError::Broken(_) => Self::new(400, "invalid_body", message),
            BodyError::TooSlow => Self::new(408, "body_too_slow", message),
            BodyError::NoRoom(_) => Self::new(503, "overloaded", message),
        }
    }
}

/// Reads the request's body as JSON, whatever its type is said to be, up to the route's [`BodyLimit`] and at its
/// [`BodyPace`]. `None` is no body at all; half an emoji is U+FFFD (spec/4 section 4).
pub fn json_body(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Option<Value>, BodyError>> + use<> {
    let BodyLimit(limit) = request.app_data().copied().unwrap_or_default();
    let BodyPace(pace) = request.app_data().copied().unwrap_or_default();
    let client = request.conn_data::<Arc<Client>>().cloned();
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0_usize);
    let mut payload = payload.take();
    async move {
        // Better said before it is sent than after.
        if announced > limit {
            return Err(BodyError::TooLarge(limit));
        }
        let (begun, mut bytes) = (Instant::now(), BytesMut::new());
        // What the server has no room for is not waited for either.
        let mut held = client.as_ref().map(|client| client.hold(0)).transpose()?;
        loop {
            let left = pace.allowed(bytes.len() as u64).saturating_sub(begun.elapsed());
            let chunk = timeout(left, payload.next()).await.map_err(|_| BodyError::TooSlow)?;
            let Some(chunk) = chunk.transpose()? else { break };
            if bytes.len() + chunk.len() > limit {
                return Err(BodyError::TooLarge(limit));
            }
            held.as_mut().map(|held| held.grow(chunk.len())).transpose()?;
            bytes.extend_from_slice(&chunk);
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        if separators(&bytes) >= MAX_VALUES {
            return Err(BodyError::TooManyValues);
        }
        let mended = well_formed(&bytes);
        serde_json::from_slice(mended.as_deref().unwrap_or(&bytes)).map(Some).map_err(BodyError::NotJson)
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
    use actix_web::test::TestRequest;
    use serde_json::json;

    use super::*;

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

    async fn read(body: impl Into<String>) -> Result<Option<Value>, BodyError> {
        let request = TestRequest::post().app_data(BodyLimit(100_000)).set_payload(body.into());
        let (request, mut payload) = request.to_http_parts();
        json_body(&request, &mut payload).await
    }

    #[actix_web::test]
    async fn a_body_is_read_within_its_bounds() {
        assert_eq!(read("").await.unwrap(), None);
        assert_eq!(read("{\"a\": 1}").await.unwrap(), Some(json!({ "a": 1 })));
        assert_eq!(read(r#"{"a": "cut \ud83d"}"#).await.unwrap(), Some(json!({ "a": "cut \u{fffd}" })));
        assert!(matches!(read("{").await, Err(BodyError::NotJson(_))));
        assert!(matches!(read("[".repeat(10_000)).await, Err(BodyError::NotJson(_))), "too deep");
        assert!(matches!(read(format!("[{}0]", "0,".repeat(20_000))).await, Err(BodyError::TooManyValues)));
        assert!(matches!(read("x".repeat(100_001)).await, Err(BodyError::TooLarge(100_000))));
    }

    #[actix_web::test]
    async fn what_announces_itself_as_too_large_is_not_waited_for() {
        let request = TestRequest::post().insert_header((header::CONTENT_LENGTH, "70000"));
        let (request, mut payload) = request.to_http_parts();
        assert!(matches!(json_body(&request, &mut payload).await, Err(BodyError::TooLarge(65_536))));
    }
}
