//! The one shape of every error, as an actix error.

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use fabric_api::failure::Failure;
use fabric_domain::model::Refusal;
use fabric_domain::ports::{BytesError, StoreError};
use fabric_domain::services::ServiceError;

/// A failed request. Its id is added on the way out, by [`crate::with_request_id`].
#[derive(Debug)]
pub(crate) struct HttpFailure {
    failure: Failure,
    /// What exactly is wrong with the store: for the log, not for clients.
    cause: Option<String>,
}

impl From<Failure> for HttpFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, cause: None }
    }
}

impl From<Refusal> for HttpFailure {
    fn from(refusal: Refusal) -> Self {
        Failure::from(refusal).into()
    }
}

impl From<ServiceError> for HttpFailure {
    fn from(error: ServiceError) -> Self {
        let cause = match &error {
            ServiceError::Store(StoreError::Unavailable(cause) | StoreError::Inconsistent(cause))
            | ServiceError::Files(BytesError::Unavailable(cause) | BytesError::Full(cause)) => {
                Some(cause.clone())
            }
            ServiceError::Refused(_) | ServiceError::Center(_) => None,
        };
        Self { failure: error.into(), cause }
    }
}

impl HttpFailure {
    /// The body of the answer to this request. The cause is logged here, so that the log has the id, too.
    pub(crate) fn body(&self, request_id: &str) -> BoxBody {
        if let Some(cause) = &self.cause {
            tracing::error!(request_id, cause, "the store failed");
        }
        self.answer(request_id).into_body()
    }

    fn answer(&self, request_id: &str) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self.failure.status {
            401 => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            503 => {
                response.insert_header((header::RETRY_AFTER, "5"));
            }
            _ => {}
        }
        response.json(self.failure.clone().body(request_id))
    }
}

impl std::fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.failure.code, self.failure.message)
    }
}

impl ResponseError for HttpFailure {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whole but for the id, which is not known here.
    fn error_response(&self) -> HttpResponse {
        self.answer("")
    }
}
