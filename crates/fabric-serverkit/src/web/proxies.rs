//! Whom a request comes from, where proxies speak for others.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::middleware::Next;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses and networks whose `X-Forwarded-For` or `Forwarded` is believed. A comma list; empty believes nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let network = |entry: &str| {
            let network = entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| format!("{entry:?} is neither an address nor a network such as 10.0.0.0/8"))
        };
        entries.map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl<'de> Deserialize<'de> for TrustedProxies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl TrustedProxies {
    /// Whether this address is such a proxy's.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came from `peer`: the last one that the proxies name who is no such proxy. What a
    /// client has written itself stands before that.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut named = named_by(headers).into_iter().rev();
        while self.contains(client) {
            match named.next() {
                Some(Some(address)) => client = address.to_canonical(),
                // The end, or something that is no address: whoever said so is as far as is known.
                Some(None) | None => break,
            }
        }
        client
    }
}

/// The addresses that the headers name, the client's first; `None` for what is no address.
fn named_by(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let texts = |name: &HeaderName| -> Vec<String> {
        let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|entry| entry.trim().to_owned()).collect()
    };
    let entries = texts(&X_FORWARDED_FOR);
    if !entries.is_empty() {
        return entries.iter().map(|entry| address(entry)).collect();
    }
    let forwarded = |entry: &String| {
        let mut parts = entry.split(';').filter_map(|part| part.split_once('='));
        let (_, value) = parts.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
        address(value.trim().trim_matches('"'))
    };
    texts(&header::FORWARDED).iter().map(forwarded).collect()
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Middleware, outermost: from here on the peer of a request that a trusted proxy relays is its client.
pub async fn with_client_address<B: MessageBody>(
    proxies: &TrustedProxies,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if let Some(peer) = request.peer_addr()
        && proxies.contains(peer.ip())
    {
        let client = proxies.client(peer.ip(), request.headers());
        request.head_mut().peer_addr = Some(SocketAddr::new(client, peer.port()));
    }
    next.call(request).await
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(peer: &str, headers: &[(&str, &str)]) -> String {
        let proxies: TrustedProxies = "10.0.0.0/8, 2001:db8::1".parse().unwrap();
        let mut request = TestRequest::get();
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        proxies.client(peer.parse().unwrap(), request.to_http_request().headers()).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let named = [("x-forwarded-for", "192.0.2.7")];
        assert_eq!(client("198.51.100.1", &named), "198.51.100.1");
        assert_eq!(client("10.1.2.3", &named), "192.0.2.7");
        assert_eq!(client("::ffff:10.1.2.3", &named), "192.0.2.7");
        assert_eq!(client("2001:db8::1", &named), "192.0.2.7");
        assert_eq!(client("10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn what_a_client_writes_itself_is_not_believed() {
        for (name, value) in [
            ("x-forwarded-for", "1.1.1.1, 192.0.2.7"),
            ("x-forwarded-for", "1.1.1.1, 192.0.2.7, 10.9.9.9"),
            ("x-forwarded-for", "1.1.1.1,192.0.2.7:4711"),
            ("forwarded", "for=1.1.1.1, for=192.0.2.7;proto=https"),
            ("forwarded", "proto=https; For=\"192.0.2.7:4711\""),
        ] {
            assert_eq!(client("10.1.2.3", &[(name, value)]), "192.0.2.7", "{name}: {value}");
        }
        assert_eq!(
            client("10.1.2.3", &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")]),
            "2.2.2.2"
        );
        assert_eq!(client("10.1.2.3", &[("x-forwarded-for", "1.1.1.1, unknown")]), "10.1.2.3");
        assert_eq!(client("10.1.2.3", &[("forwarded", "for=\"[2001:db8::7]\"")]), "2001:db8::7");
    }

    #[test]
    fn proxies_are_addresses_and_networks() {
        assert!("10.0.0.1,127.0.0.0/8".parse::<TrustedProxies>().unwrap().contains([127, 3, 2, 1].into()));
        assert!(!"".parse::<TrustedProxies>().unwrap().contains([127, 0, 0, 1].into()));
        assert!("proxy.example".parse::<TrustedProxies>().unwrap_err().contains("proxy.example"));
    }
}
