//! How many requests, and how long they take. Operators find these names in docs/operations.md, which a test
//! compares.

use std::time::Instant;

use actix_web::Error;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use metrics::{counter, describe_counter, describe_histogram, histogram};

const REQUESTS: &str = "fabric_http_requests_total";
const SECONDS: &str = "fabric_http_request_seconds";

pub(crate) fn describe() {
    describe_counter!(REQUESTS, "Requests that were answered");
    describe_histogram!(SECONDS, "Seconds from a request's head to its answer's");
}

/// Middleware: counts and times requests. Routes are counted by their template, whatever ids the paths have, and
/// what is no route of ours as `unmatched`: nobody can make up labels.
pub async fn measured<B>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let (began, method) = (Instant::now(), method_of(&request));
    let answer = next.call(request).await;
    let (route, status) = match &answer {
        Ok(response) => (response.request().match_pattern(), response.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    };
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    histogram!(SECONDS, "method" => method, "route" => route.clone()).record(began.elapsed());
    let status = status.as_u16().to_string();
    counter!(REQUESTS, "method" => method, "route" => route, "status" => status).increment(1);
    answer
}

/// Clients may invent methods.
fn method_of(request: &ServiceRequest) -> &'static str {
    match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
