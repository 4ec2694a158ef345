//! What an HTTP server needs: what is the same in every answer and on every connection.

mod body;
mod connection;
mod error;
mod pace;
mod proxies;
mod request_id;
mod route;
mod safe_headers;

pub use actix_socketio::network;
pub use body::{BodyError, BodyLimit, BodyPace, json_body};
pub use connection::{ConnectionLimits, http_server};
pub use error::HttpError;
pub use pace::Pace;
pub use proxies::{TrustedProxies, with_client_address};
pub use request_id::{REQUEST_ID, request_id, with_request_id};
pub use route::{alive, bearer_token, not_found, on, resource};
pub use safe_headers::safe_headers;
