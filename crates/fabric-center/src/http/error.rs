//! What clients are told of [`Error`]s.

use fabric_api::error_answer::ErrorAnswer;

use crate::error::Error;

impl From<Error> for ErrorAnswer {
    fn from(error: Error) -> Self {
        let (status, code, message) = (status(&error), error.code(), error.to_string());
        match error {
            Error::Invalid(fields) => Self::bad_fields(message, fields),
            Error::RateLimited { retry_after_seconds } => {
                Self { retry_after: Some(retry_after_seconds), ..Self::new(status, code, message) }
            }
            // What went wrong inside is for the log, not for the caller.
            Error::Database(_) | Error::Internal(_) => {
                Self::new(status, code, "internal error").caused_by(message)
            }
            _ => Self::new(status, code, message),
        }
    }
}

fn status(error: &Error) -> u16 {
    match error {
        Error::Invalid(_) => 400,
        Error::MissingToken
        | Error::InvalidToken
        | Error::InvalidCredentials
        | Error::InvalidRefreshToken
        | Error::InvalidNodeKey => 401,
        Error::Forbidden(_) | Error::RegistrationClosed | Error::InviteRequired => 403,
        Error::GuildNotFound | Error::UserNotFound | Error::ApiKeyNotFound => 404,
        Error::EmailTaken => 409,
        Error::RateLimited { .. } => 429,
        Error::Overloaded => 503,
        Error::Database(_) | Error::Internal(_) => 500,
    }
}
