//! The one shape of every error, as an actix error.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use fabric_api::failure::Failure;
use fabric_domain::model::Refusal;
use fabric_domain::ports::{BytesError, StoreError};
use fabric_domain::services::ServiceError;

use crate::request_id;

/// A failed request. The request id is added when it is answered ([`crate::RequestIds`] knows it).
#[derive(Debug)]
pub(crate) struct HttpFailure {
    failure: Failure,
    request_id: String,
}

/// Turns a failure into the answer to this request.
pub(crate) trait Failed<T> {
    fn or_fail(self, request: &HttpRequest) -> Result<T, HttpFailure>;
}

impl<T> Failed<T> for Result<T, ServiceError> {
    fn or_fail(self, request: &HttpRequest) -> Result<T, HttpFailure> {
        self.map_err(|error| HttpFailure::of(request, error))
    }
}

impl<T> Failed<T> for Result<T, Refusal> {
    fn or_fail(self, request: &HttpRequest) -> Result<T, HttpFailure> {
        self.map_err(|refusal| HttpFailure::new(request, refusal))
    }
}

impl HttpFailure {
    /// A use case did not succeed. What exactly is wrong with the store is for the log.
    pub(crate) fn of(request: &HttpRequest, error: ServiceError) -> Self {
        match &error {
            ServiceError::Store(StoreError::Unavailable(cause) | StoreError::Inconsistent(cause))
            | ServiceError::Files(BytesError::Unavailable(cause) | BytesError::Full(cause)) => {
                tracing::error!(request_id = request_id::of(request), cause, "the store failed");
            }
            ServiceError::Refused(_) | ServiceError::Center(_) => {}
        }
        Self::new(request, error)
    }

    pub(crate) fn new(request: &HttpRequest, failure: impl Into<Failure>) -> Self {
        Self { failure: failure.into(), request_id: request_id::of(request) }
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

    fn error_response(&self) -> HttpResponse {
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
        response.json(self.failure.clone().body(&self.request_id))
    }
}
