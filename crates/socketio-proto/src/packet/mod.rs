//! The packets of Engine.IO 4 and Socket.IO 5, to and from their text form.
//!
//! This is the only module that knows the packet crates underneath. They are looser than the
//! protocol asks, so everything they decode is checked again here: the number of attachments and
//! every placeholder, reserved event names, JSON that really is JSON (nested no deeper than 128),
//! the size of acknowledgement ids, the length of namespaces.

mod args;
mod attached;
mod check;
mod engine;
mod frame;
mod outgoing;
mod socket;

pub use args::{ArgError, Args};
pub use engine::{EnginePacket, Open, payload};
pub(crate) use frame::Frame;
pub use outgoing::Outgoing;
pub(crate) use socket::event_packet;
pub use socket::{Decoder, Encoded, Packet};

/// Any error, where its type is another crate's own affair.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Longest accepted namespace in bytes.
pub const MAX_NAMESPACE: usize = 256;
/// Largest acknowledgement id: the largest integer a JavaScript number holds exactly.
pub const MAX_ACK_ID: u64 = (1 << 53) - 1;

/// Why received text or bytes are not a packet. The sender is to be disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first character is not a packet type, or is one only the other side may send.
    #[error("invalid packet type")]
    Type,
    /// Base64, UTF-8 or a fixed word such as `2probe` is wrong.
    #[error("invalid packet content")]
    Content,
    /// Zero, too many or unreadable attachments, or a placeholder that points to none.
    #[error("invalid attachments")]
    Attachments,
    /// Binary data that no packet announced, or text where attachments were announced.
    #[error("attachments out of order")]
    Order,
    /// The namespace is too long.
    #[error("invalid namespace")]
    Namespace,
    /// The acknowledgement id is missing or too large.
    #[error("invalid acknowledgement id")]
    Ack,
    /// Not JSON, nested too deeply, or not of the shape this packet type needs.
    #[error("invalid payload")]
    Payload,
    /// The event name is not a string, or is one of the reserved names.
    #[error("invalid event name")]
    Name,
}

/// Why a packet cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The payload cannot be written as JSON.
    #[error("the payload cannot be written as JSON")]
    Payload(#[source] BoxError),
    /// The event name is one of the reserved names.
    #[error("reserved event name {0:?}")]
    Name(String),
    /// A namespace starts with `/`, has no comma and at most [`MAX_NAMESPACE`] bytes.
    #[error("invalid namespace {0:?}")]
    Namespace(String),
    /// The acknowledgement id is larger than [`MAX_ACK_ID`].
    #[error("acknowledgement id too large")]
    Ack,
}

/// A new unguessable id: 120 random bits in 20 characters that are safe in a URL.
///
/// # Panics
///
/// When the operating system has no randomness to give.
pub fn new_id() -> String {
    use base64::Engine as _;
    let mut random = [0_u8; 15];
    getrandom::fill(&mut random).expect("the operating system provides randomness");
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random)
}
