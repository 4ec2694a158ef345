//! What is known of a client that joins a namespace.

use std::net::IpAddr;

use serde_json::Value;

use crate::connection::Request;

/// What a client that joins a namespace brings along.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Handshake {
    /// The client's `auth`: an object, empty when it sent none.
    pub auth: Value,
    /// The client's address; of the proxy in front unless [`Config::trust_forwarded`](crate::Config::trust_forwarded).
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
    pub(crate) fn new(auth: Value, request: &Request) -> Self {
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
