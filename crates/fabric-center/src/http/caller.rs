//! Who is asking: a signed-in user, a guild node, or somebody on this machine.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use fabric_api::center::NODE_KEY_HEADER;
use fabric_serverkit::web::{HttpError, bearer_token};

use crate::center::Center;
use crate::entity::node;
use crate::error::Error;
use crate::secret::NODE_KEY_PREFIX;
use crate::sessions::SignedIn;

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, HttpError>>>>;

fn center(request: &HttpRequest) -> Result<Center, HttpError> {
    let center = request.app_data::<Data<Center>>();
    let center = center.ok_or_else(|| Error::Internal("routes without a Center".to_owned()))?;
    Ok(center.get_ref().clone())
}

fn bearer(request: &HttpRequest) -> Option<String> {
    bearer_token(request).map(str::to_owned)
}

fn node_key(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get(NODE_KEY_HEADER).and_then(|value| value.to_str().ok());
    let bearer = || bearer_token(request).filter(|token| token.starts_with(NODE_KEY_PREFIX));
    header.or_else(bearer).map(str::to_owned)
}

impl FromRequest for SignedIn {
    type Error = HttpError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (center, token) = (center(request), bearer(request));
        Box::pin(async move { Ok(center?.authenticate(&token.ok_or(Error::MissingToken)?).await?) })
    }
}

/// A guild node with a valid key.
pub(super) struct ByNode(pub(super) node::Model);

impl FromRequest for ByNode {
    type Error = HttpError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (center, key) = (center(request), node_key(request));
        Box::pin(async move { Ok(Self(center?.node_by_key(&key.ok_or(Error::InvalidNodeKey)?).await?)) })
    }
}

/// Whoever shows a node's key, else an access token, else nothing. A credential that is shown must be good.
pub(super) enum Caller {
    Node(node::Model),
    User(SignedIn),
    Nobody,
}

impl FromRequest for Caller {
    type Error = HttpError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (center, key, token) = (center(request), node_key(request), bearer(request));
        Box::pin(async move {
            let center = center?;
            match (key, token) {
                (Some(key), _) => Ok(Self::Node(center.node_by_key(&key).await?)),
                (None, Some(token)) => Ok(Self::User(center.authenticate(&token).await?)),
                (None, None) => Ok(Self::Nobody),
            }
        })
    }
}

/// Where the request comes from.
pub(super) struct Origin {
    /// The other end of the connection.
    pub(super) address: Option<IpAddr>,
    /// A program on this machine. A proxy here that speaks for somebody elsewhere is none, and neither is a page in a
    /// browser here: any web site can make one send requests.
    pub(super) local_program: bool,
}

impl FromRequest for Origin {
    type Error = HttpError;
    type Future = std::future::Ready<Result<Self, HttpError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let address = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let relayed = ["forwarded", "x-forwarded-for", "x-real-ip", "via", "origin", "sec-fetch-site"];
        let direct = relayed.iter().all(|name| !request.headers().contains_key(*name));
        let local_program = direct && address.is_some_and(|address| address.is_loopback());
        std::future::ready(Ok(Self { address, local_program }))
    }
}
