//! How many requests, and how long they take. Operators find these names in docs/operations.md, which a test
//! compares.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::time::Instant;

use actix_web::Error;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::Method;
use metrics::{counter, describe_counter, describe_histogram, histogram};

const REQUESTS: &str = "fabric_http_requests_total";
const SECONDS: &str = "fabric_http_request_seconds";

/// The middleware. Routes are counted by their template, whatever ids the paths have, and what is no route
/// of ours as `unmatched`: nobody can make up labels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured;

impl<S, B> Transform<S, ServiceRequest> for Measured
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = Measuring<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        describe_counter!(REQUESTS, "Requests that were answered");
        describe_histogram!(SECONDS, "Seconds from a request's head to its answer's");
        ready(Ok(Measuring { service }))
    }
}

/// The middleware around one service.
#[derive(Debug)]
pub struct Measuring<S> {
    service: S,
}

impl<S, B> Service<ServiceRequest> for Measuring<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (began, method) = (Instant::now(), method_of(&request));
        let answered = self.service.call(request);
        Box::pin(async move {
            let answer = answered.await;
            let (route, status) = match &answer {
                Ok(response) => (response.request().match_pattern(), response.status()),
                Err(error) => (None, error.as_response_error().status_code()),
            };
            let route = route.unwrap_or_else(|| "unmatched".to_owned());
            histogram!(SECONDS, "method" => method, "route" => route.clone()).record(began.elapsed());
            let status = status.as_u16().to_string();
            counter!(REQUESTS, "method" => method, "route" => route, "status" => status).increment(1);
            answer
        })
    }
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
