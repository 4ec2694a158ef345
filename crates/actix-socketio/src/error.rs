//! What can go wrong when something is sent.

use crate::{EncodeError, SendError};

/// Why an event was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The event could not be encoded.
    #[error("the event cannot be encoded")]
    Encode(#[from] EncodeError),
    /// The event was not queued for the client.
    #[error("the event was not queued")]
    Send(#[from] SendError),
}

/// Why an acknowledgement did not come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The client did not answer in time.
    #[error("no acknowledgement in time")]
    Timeout,
    /// The socket owes [`Config::max_pending_acks`](crate::Config::max_pending_acks) already.
    #[error("too many acknowledgements pending")]
    TooMany,
    /// The event could not be encoded.
    #[error("the event cannot be encoded")]
    Encode(#[from] EncodeError),
    /// The event was not queued for the client, or the socket closed before the answer.
    #[error("the event was not acknowledged")]
    Send(#[from] SendError),
}
