//! What an HTTP server needs: what is the same in every answer and on every connection.

mod body;
mod connection;
mod error;
mod request_id;
mod route;

pub use body::{BodyError, BodyLimit, json_body};
pub use connection::{CONNECTION_SETTINGS, ConnectionSettings, with_connection_settings};
pub use error::HttpError;
pub use request_id::{REQUEST_ID, request_id, with_request_id};
pub use route::{alive, bearer_token, not_found, on, resource};
