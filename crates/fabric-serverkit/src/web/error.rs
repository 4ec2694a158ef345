//! The one shape of every error, as an actix error.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use fabric_api::error::ErrorBody;
use fabric_api::error_answer::ErrorAnswer;

/// In how many seconds a client may try again that found something unavailable, unless the answer says otherwise.
const RETRY_AFTER: u64 = 5;

/// A failed request. Its id is put into the answer on the way out, by [`with_request_id`](super::with_request_id).
///
/// It is made from whatever has a [`ErrorAnswer`] to be told: each program maps its own errors to one.
#[derive(Debug)]
pub struct HttpError(ErrorAnswer);

impl<E: Into<ErrorAnswer>> From<E> for HttpError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl HttpError {
    /// An answer without details.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self(ErrorAnswer::new(status, code, message))
    }

    /// What the client is told of a request that failed; what they are not told is logged here, so that the log has
    /// the request's id, too.
    pub(super) fn tell(error: &actix_web::Error, request_id: &str) -> ErrorBody {
        let Some(Self(answer)) = error.as_error() else { return of_framework(error, request_id) };
        if let Some(cause) = &answer.cause {
            tracing::error!(request_id, code = answer.code, cause, "the request failed");
        }
        answer.clone().body(request_id)
    }
}

/// What actix refused by itself. Of our own errors it says nothing that clients may not read; what went wrong inside
/// is for the log.
fn of_framework(error: &actix_web::Error, request_id: &str) -> ErrorBody {
    let status = error.as_response_error().status_code();
    let answer = if status.is_server_error() {
        tracing::error!(request_id, cause = %error, "the request failed");
        ErrorAnswer::new(status.as_u16(), "internal_error", "internal error")
    } else {
        ErrorAnswer::new(status.as_u16(), "bad_request", error.to_string())
    };
    answer.body(request_id)
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whole but for the id, which is not known here.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        if self.0.status == 401 {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        let unavailable = (self.0.status == 503).then_some(RETRY_AFTER);
        if let Some(seconds) = self.0.retry_after.or(unavailable) {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response.json(self.0.clone().body(""))
    }
}
