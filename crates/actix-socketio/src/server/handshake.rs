//! What is known of the request a connection began with.

use std::net::IpAddr;

use actix_web::{HttpRequest, http::header, web};
use serde_json::Value;

use crate::Config;

/// Headers kept for the connection's lifetime. Not all: they would be most of its memory.
const KEPT: [header::HeaderName; 4] =
    [header::AUTHORIZATION, header::COOKIE, header::USER_AGENT, header::ACCEPT_LANGUAGE];

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The request a connection began with.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) address: Option<IpAddr>,
    pub(super) origin: Option<Box<str>>,
    pub(super) headers: Box<[(&'static str, Box<str>)]>,
    pub(super) query: Box<[(String, String)]>,
}

impl Request {
    pub(super) fn new(request: &HttpRequest, config: &Config) -> Self {
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
pub(super) fn query(request: &HttpRequest) -> Vec<(String, String)> {
    web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map(web::Query::into_inner)
        .unwrap_or_default()
}

pub(super) fn address(request: &HttpRequest, config: &Config) -> Option<IpAddr> {
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

/// What a client that joins a namespace brings along.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Handshake {
    /// The client's `auth`: an object, empty when it sent none.
    pub auth: Value,
    /// The client's address; of the proxy in front unless [`Config::trust_forwarded`].
    pub address: Option<IpAddr>,
    /// The web page the connection comes from, if it is one.
    pub origin: Option<String>,
    /// Parameters of the connection's URL, without the protocol's own.
    pub query: Vec<(String, String)>,
    /// What a client says that lost its connection: who it was, and what it got last. Not to be
    /// trusted before [`Handler::connect`](crate::Handler::connect) knows who it is.
    pub previous: Option<Previous>,
    headers: Vec<(&'static str, String)>,
}

/// The connection a client had before it lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Previous {
    /// The private id of its socket, [`crate::Socket::private_id`].
    pub pid: String,
    /// The offset of the last event it got.
    pub offset: String,
}

impl Handshake {
    pub(super) fn new(auth: Value, request: &Request) -> Self {
        let text = |name: &str| auth.get(name).and_then(Value::as_str).map(str::to_owned);
        let previous = text("pid").zip(text("offset")).map(|(pid, offset)| Previous { pid, offset });
        Self {
            auth,
            previous,
            address: request.address,
            origin: request.origin.as_deref().map(Into::into),
            query: request.query.to_vec(),
            headers: request.headers.iter().map(|(name, text)| (*name, text.to_string())).collect(),
        }
    }

    /// A header of the connection's first request. Kept are `authorization`, `cookie`,
    /// `user-agent` and `accept-language`.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, text)| text.as_str())
    }
}
