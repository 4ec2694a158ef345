//! How a failed use case is told: one mapping, for REST and sockets alike.

use fabric_domain::model::{FieldError, Refusal};
#[cfg(feature = "server")]
use fabric_domain::ports::{BytesError, StoreError};
#[cfg(feature = "server")]
use fabric_domain::services::ServiceError;

use crate::error::{ErrorBody, FieldProblem};

/// A failure as a client is told of it, and what only the log is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Every bad field.
    pub details: Option<Vec<FieldProblem>>,
    /// In how many seconds another attempt may be worth while, where that is known.
    pub retry_after: Option<u64>,
    /// What exactly went wrong on the server's side: for the log, never for clients.
    pub cause: Option<String>,
}

impl ErrorAnswer {
    /// A failure without details.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None, retry_after: None, cause: None }
    }

    /// A request whose fields are wrong, each for its own reason.
    pub fn bad_fields(message: impl Into<String>, fields: Vec<FieldError>) -> Self {
        Self::new(400, "validation_failed", message).about(fields)
    }

    /// The same, with what is wrong with each field.
    fn about(self, fields: Vec<FieldError>) -> Self {
        let problem = |bad: FieldError| FieldProblem { field: bad.field.to_owned(), message: bad.message };
        Self { details: Some(fields.into_iter().map(problem).collect()), ..self }
    }

    /// The same, caused by this.
    #[must_use]
    pub fn caused_by(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The body of the answer to this request.
    pub fn body(self, request_id: &str) -> ErrorBody {
        ErrorBody {
            status_code: self.status,
            error: self.code.to_owned(),
            message: self.message,
            request_id: request_id.to_owned(),
            details: self.details,
        }
    }
}

fn status(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Invalid(_) | Refusal::UnknownUsers(_) | Refusal::NoTurns | Refusal::NoWakeMapping => 400,
        Refusal::InvalidToken => 401,
        Refusal::NotAMember
        | Refusal::NotChannelOwner
        | Refusal::NotAuthor
        | Refusal::NotAllowedToDelete
        | Refusal::NotYourPresence
        | Refusal::EditWindowExpired => 403,
        Refusal::ChannelNotFound
        | Refusal::MessageNotFound
        | Refusal::MemberNotFound
        | Refusal::FileNotFound => 404,
        Refusal::ChannelClosed | Refusal::MessageDeleted => 409,
        Refusal::FileExpired => 410,
        Refusal::FileTooLarge { .. } => 413,
        Refusal::IdempotencyKeyReused => 422,
        Refusal::TooManyUploads { .. } => 429,
        Refusal::GuildQuotaExceeded | Refusal::UserQuotaExceeded => 507,
    }
}

impl From<Refusal> for ErrorAnswer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(fields) => Self::bad_fields("invalid request", fields),
            Refusal::UnknownUsers(ref users) => {
                Self::new(status(&refusal), refusal.code(), refusal.to_string()).about(users.clone())
            }
            refusal => Self::new(status(&refusal), refusal.code(), refusal.to_string()),
        }
    }
}

#[cfg(feature = "server")]
impl From<ServiceError> for ErrorAnswer {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Refused(refusal) => refusal.into(),
            ServiceError::Store(StoreError::Unavailable(cause)) => Self::new(
                503,
                "storage_unavailable",
                "the database cannot be reached; try again, with the same Idempotency-Key where there is one",
            )
            .caused_by(cause),
            ServiceError::Store(StoreError::Inconsistent(cause)) => {
                Self::new(500, "internal_error", "something is wrong on our side").caused_by(cause)
            }
            ServiceError::Files(BytesError::Full(cause)) => {
                Self::new(507, "storage_full", "there is no room for files").caused_by(cause)
            }
            ServiceError::Files(BytesError::Unavailable(cause)) => {
                Self::new(503, "storage_unavailable", "files cannot be reached; try again").caused_by(cause)
            }
            ServiceError::Center(_) => {
                Self::new(503, "center_unavailable", "the identity hub cannot be reached")
            }
        }
    }
}
