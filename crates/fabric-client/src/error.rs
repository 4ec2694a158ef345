//! What can go wrong.

use fabric_api::error::{ErrorBody, FieldProblem};
use thiserror::Error;

use crate::close::CloseReason;
use crate::model::GuildId;

/// Why a call failed. No variant carries a token or an API key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused: its status, code and message.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// The server could not be reached, or the connection broke.
    #[error("{0}")]
    Network(String),
    /// No answer in time. Whether the server acted is not known.
    #[error("no answer in time")]
    Timeout,
    /// The server answered something that is not Fabric.
    #[error("unexpected answer: {0}")]
    UnexpectedAnswer(String),
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
        // The address may carry what is nobody's business; the chain below it says what happened.
        let error = error.without_url();
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self::Network(text)
    }
}
