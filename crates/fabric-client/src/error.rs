//! What can go wrong.

use std::error::Error as StdError;
use std::fmt;

use fabric_api::error::{ErrorBody, FieldProblem};
use thiserror::Error;

use crate::close::CloseReason;
use crate::model::GuildId;

/// Any error, where its type is another crate's own affair.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call failed. No variant carries a token or an API key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused: its status, code and message.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// The server could not be reached, or the connection broke.
    #[error("the server cannot be reached")]
    Network(#[source] BoxError),
    /// No answer in time. Whether the server acted is not known.
    #[error("no answer in time")]
    Timeout,
    /// The server answered something that is not Fabric.
    #[error("unexpected answer to {request}")]
    UnexpectedAnswer {
        /// What was asked.
        request: String,
        /// What is wrong with the answer.
        #[source]
        source: BoxError,
    },
    /// What was to be sent cannot be written as JSON, or not without randomness from the system.
    #[error("the request cannot be made")]
    Request(#[source] BoxError),
    /// Not an `http://` or `https://` address.
    #[error("not an http(s) address: {0:?}")]
    InvalidUrl(String),
    /// An id that cannot stand in an address.
    #[error("invalid id {0:?}")]
    InvalidId(String),
    /// The session's user has not joined this guild.
    #[error("not a member of guild {0}")]
    NotInGuild(GuildId),
    /// The socket was refused (`connect_error`): the message, and `data.error` where it was given,
    /// such as `invalid_token`.
    #[error("the socket was refused: {message}")]
    ConnectRefused {
        /// For people.
        message: String,
        /// For programs.
        code: Option<String>,
    },
    /// An event was answered with `ok: false`.
    #[error("{event} was refused: {code}")]
    EventRefused {
        /// The event.
        event: &'static str,
        /// The stable code.
        code: String,
    },
    /// The socket is closed.
    #[error("the socket is closed: {0}")]
    Closed(CloseReason),
}

impl Error {
    pub(crate) fn unexpected(request: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::UnexpectedAnswer { request: request.into(), source: source.into() }
    }

    /// The error with everything that caused it, on one line, for logs and people.
    pub fn report(&self) -> impl fmt::Display + '_ {
        Report(self)
    }

    /// The stable code of the server's refusal, over HTTP or the socket.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api(error) => Some(&error.code),
            Self::ConnectRefused { code, .. } => code.as_deref(),
            Self::EventRefused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The HTTP status of the server's refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api(error) => Some(error.status),
            _ => None,
        }
    }

    /// Whether the same call may succeed later: nothing was wrong with the request itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Network(_) | Self::Timeout | Self::Closed(_) => true,
            Self::Api(error) => error.status >= 500 || error.status == 429,
            Self::ConnectRefused { code, .. } => code.as_deref() == Some("center_unavailable"),
            _ => false,
        }
    }
}

/// An error answer of a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{status} {code}: {message}")]
#[non_exhaustive]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The stable `snake_case` code; `unknown` when the answer was not of Fabric's shape.
    pub code: String,
    /// For people.
    pub message: String,
    /// To find the request in the server's log.
    pub request_id: Option<String>,
    /// For `validation_failed`: every bad field.
    pub details: Vec<FieldProblem>,
}

impl ApiError {
    /// Reads an error answer; a body of another shape (a proxy's, say) keeps at least the status.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<ErrorBody>(body) {
            Ok(body) => Self {
                status,
                code: body.error,
                message: body.message,
                request_id: Some(body.request_id),
                details: body.details.unwrap_or_default(),
            },
            Err(_) => Self {
                status,
                code: "unknown".into(),
                message: String::from_utf8_lossy(body).chars().take(200).collect(),
                request_id: None,
                details: Vec::new(),
            },
        }
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        // The address may carry what is nobody's business.
        Self::Network(Box::new(error.without_url()))
    }
}

/// An error with its causes.
struct Report<'a>(&'a Error);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_cause_as_its_source_and_a_report_names_both() {
        let cause = serde_json::from_str::<u8>("x").unwrap_err();
        let error = Error::unexpected("GET turn", cause);
        assert_eq!(error.to_string(), "unexpected answer to GET turn");
        assert!(error.source().unwrap().is::<serde_json::Error>());
        let report = error.report().to_string();
        assert_eq!(report, "unexpected answer to GET turn: expected value at line 1 column 1");
    }
}
