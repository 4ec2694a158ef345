//! Errors on the wire: `{statusCode, error, message, requestId, details?}`.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use fabric_api::error::{ErrorBody, FieldProblem};
use fabric_domain::model::FieldError;

use crate::error::Error;

/// Why a request was refused.
#[derive(Debug)]
pub(crate) enum Failure {
    /// By a use case.
    Refused(Error),
    /// No such path.
    NoRoute,
    /// The path has no such method.
    NoMethod,
    /// The body is no JSON object.
    NotJson(String),
    /// The body is of another type.
    NotJsonType,
    /// The body is longer than this many bytes.
    TooLarge(usize),
    /// Something that actix-web refused by itself.
    Framework(StatusCode),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(error) => status_of(error),
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotJson(_) => StatusCode::BAD_REQUEST,
            Self::NotJsonType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Framework(status) => *status,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Refused(error) => error.code(),
            Self::NoRoute => "route_not_found",
            Self::NoMethod => "method_not_allowed",
            Self::NotJson(_) => "invalid_json",
            Self::NotJsonType => "unsupported_media_type",
            Self::TooLarge(_) => "body_too_large",
            Self::Framework(status) if status.is_server_error() => "internal_error",
            Self::Framework(_) => "bad_request",
        }
    }
}

fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::MissingToken
        | Error::InvalidToken
        | Error::InvalidCredentials
        | Error::InvalidRefreshToken
        | Error::InvalidNodeKey => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) | Error::RegistrationClosed | Error::InviteRequired => StatusCode::FORBIDDEN,
        Error::GuildNotFound | Error::UserNotFound | Error::ApiKeyNotFound => StatusCode::NOT_FOUND,
        Error::EmailTaken => StatusCode::CONFLICT,
        Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Database(_) | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::NoRoute => f.write_str("no such route"),
            Self::NoMethod => f.write_str("the route has no such method"),
            Self::NotJson(problem) => write!(f, "the body is not a JSON object: {problem}"),
            Self::NotJsonType => f.write_str("the body must be application/json"),
            Self::TooLarge(limit) => write!(f, "the body is longer than {limit} bytes"),
            Self::Framework(status) => f.write_str(status.canonical_reason().unwrap_or("bad request")),
        }
    }
}

/// The answer itself is written by [`answer`], which knows the request's id.
impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status()
    }
}

/// The error in the common shape.
pub(super) fn answer(error: &actix_web::Error, request_id: &str) -> HttpResponse {
    if let Some(failure) = error.as_error::<Failure>() {
        return write(failure, request_id);
    }
    write(&Failure::Framework(error.as_response_error().status_code()), request_id)
}

fn write(failure: &Failure, request_id: &str) -> HttpResponse {
    let status = failure.status();
    let message = if status.is_server_error() {
        // What went wrong inside is for the log, not for the caller.
        tracing::error!(request_id, error = %failure, "request failed");
        "internal error".to_owned()
    } else {
        failure.to_string()
    };
    let details = match failure {
        Failure::Refused(Error::Invalid(bad)) => Some(bad.iter().map(problem).collect()),
        _ => None,
    };
    let mut response = HttpResponse::build(status);
    if let Failure::Refused(Error::RateLimited { retry_after_seconds }) = failure {
        response.insert_header((header::RETRY_AFTER, retry_after_seconds.to_string()));
    }
    response.json(ErrorBody {
        status_code: status.as_u16(),
        error: failure.code().to_owned(),
        message,
        request_id: request_id.to_owned(),
        details,
    })
}

fn problem(bad: &FieldError) -> FieldProblem {
    FieldProblem { field: bad.field.to_owned(), message: bad.message.clone() }
}
