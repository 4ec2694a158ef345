//! How a failed use case is told: one mapping, for REST and sockets alike.

use fabric_domain::model::Refusal;
use fabric_domain::ports::{BytesError, StoreError};
use fabric_domain::services::ServiceError;

use crate::error::{ErrorBody, FieldProblem};

/// A failure as a client is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Every bad field.
    pub details: Option<Vec<FieldProblem>>,
}

impl Failure {
    /// A failure without details.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None }
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
        Refusal::Invalid(_) | Refusal::NoTurns | Refusal::NoWakeMapping => 400,
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

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let mut failure = Self::new(status(&refusal), refusal.code(), refusal.to_string());
        if let Refusal::Invalid(fields) = refusal {
            let problem = |field: fabric_domain::model::FieldError| FieldProblem {
                field: field.field.to_owned(),
                message: field.message,
            };
            failure.details = Some(fields.into_iter().map(problem).collect());
        }
        failure
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Refused(refusal) => refusal.into(),
            // What exactly is wrong with the database is for the log, not for clients.
            ServiceError::Store(StoreError::Unavailable(_)) => Self::new(
                503,
                "storage_unavailable",
                "the database cannot be reached; try again, with the same Idempotency-Key where there is one",
            ),
            ServiceError::Store(StoreError::Inconsistent(_)) => {
                Self::new(500, "internal_error", "something is wrong on our side")
            }
            ServiceError::Files(BytesError::Full(_)) => {
                Self::new(507, "storage_full", "there is no room for files")
            }
            ServiceError::Files(BytesError::Unavailable(_)) => {
                Self::new(503, "storage_unavailable", "files cannot be reached; try again")
            }
            ServiceError::Center(_) => center_unavailable(),
        }
    }
}

/// Center cannot be asked who is asking.
pub fn center_unavailable() -> Failure {
    Failure::new(503, "center_unavailable", "the identity hub cannot be reached")
}
