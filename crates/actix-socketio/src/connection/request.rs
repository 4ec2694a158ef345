//! The request a connection began with.

use std::net::IpAddr;

use actix_web::{HttpRequest, http::header, web};

use crate::Config;

/// Headers kept for the connection's lifetime. Not all: they would be most of its memory.
const KEPT: [header::HeaderName; 4] =
    [header::AUTHORIZATION, header::COOKIE, header::USER_AGENT, header::ACCEPT_LANGUAGE];

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The request a connection began with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) address: Option<IpAddr>,
    pub(crate) origin: Option<Box<str>>,
    pub(crate) headers: Box<[(&'static str, Box<str>)]>,
    pub(crate) query: Box<[(String, String)]>,
}

impl Request {
    pub(crate) fn new(request: &HttpRequest, config: &Config) -> Self {
        let text = |name: &header::HeaderName| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).map(Box::<str>::from)
        };
        let names = ["authorization", "cookie", "user-agent", "accept-language"];
        let headers = KEPT
            .iter()
            .zip(names)
            .filter_map(|(name, known)| text(name).map(|value| (known, value)))
            .collect();
        let query = query(request)
            .into_iter()
            .filter(|(name, _)| !matches!(name.as_str(), "EIO" | "transport" | "sid" | "t"))
            .collect();
        Self { address: address(request, config), origin: text(&header::ORIGIN), headers, query }
    }
}

/// The parameters of the URL.
pub(crate) fn query(request: &HttpRequest) -> Vec<(String, String)> {
    web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map(web::Query::into_inner)
        .unwrap_or_default()
}

pub(crate) fn address(request: &HttpRequest, config: &Config) -> Option<IpAddr> {
    if config.trust_forwarded {
        // The last entry is the one the proxy in front has written; all before it the client may
        // have made up.
        let last = request.headers().get_all(X_FORWARDED_FOR).last();
        let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next());
        if let Some(forwarded) = last.and_then(|text| text.trim().parse().ok()) {
            return Some(forwarded);
        }
    }
    request.peer_addr().map(|address| address.ip())
}
