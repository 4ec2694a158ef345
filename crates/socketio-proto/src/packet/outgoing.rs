//! Events encoded once, however many sockets get them.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use socketioxide_core::{Value as RawValue, packet::Packet as Raw};

use super::{EncodeError, Frame, check, socket};

/// An event encoded once for the sockets of one namespace. Clones are cheap and share the bytes,
/// down to the websocket frame.
#[derive(Debug, Clone)]
pub struct Outgoing {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    namespace: Box<str>,
    /// The text frame, then the attachments.
    frames: Vec<Frame>,
    /// Where in the first frame's payload an acknowledgement id goes.
    ack_at: usize,
    bytes: usize,
    has_offset: bool,
}

impl Outgoing {
    /// An event with one argument. A tuple becomes several arguments; `Bytes` anywhere in the
    /// payload become binary attachments.
    pub fn event(
        namespace: &str,
        name: &str,
        payload: &(impl Serialize + ?Sized),
    ) -> Result<Self, EncodeError> {
        Self::build(namespace, socket::payload_value(name, payload)?)
    }

    /// An event with these arguments, as [`crate::packet::Packet::Event`] has them:
    /// `{"_placeholder": true, "num": n}` stands for attachment `n`.
    pub fn event_with_args(
        namespace: &str,
        name: &str,
        args: &[Value],
        attachments: &[Bytes],
    ) -> Result<Self, EncodeError> {
        Self::build(namespace, socket::event_value(name, args, attachments)?)
    }

    fn build(namespace: &str, value: RawValue) -> Result<Self, EncodeError> {
        check::namespace(namespace)?;
        let json = value.len();
        let encoded = socket::encode_raw(Raw::event(namespace.to_owned(), value));
        let mut frames = Vec::with_capacity(1 + encoded.attachments.len());
        frames.push(Frame::text(&[b"4", encoded.text.as_bytes()]));
        frames.extend(encoded.attachments.iter().map(|bytes| Frame::binary(bytes)));
        let bytes = frames.iter().map(Frame::len).sum();
        // The JSON is last in the text, and the id stands directly before it.
        let ack_at = 1 + encoded.text.len() - json;
        let inner = Inner { namespace: namespace.into(), frames, ack_at, bytes, has_offset: false };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The same event with an offset as its last argument, by which a client that comes back says
    /// what it got last (connection state recovery).
    #[must_use]
    pub fn with_offset(&self, offset: &str) -> Self {
        let mut frames = self.inner.frames.clone();
        let payload = frames[0].payload();
        // The payload is a JSON array that has the event's name at least.
        let open = &payload[..payload.len() - 1];
        let offset = Value::from(offset).to_string();
        frames[0] = Frame::text(&[open, b",", offset.as_bytes(), b"]"]);
        let bytes = frames.iter().map(Frame::len).sum();
        let namespace = self.inner.namespace.clone();
        let ack_at = self.inner.ack_at;
        Self { inner: Arc::new(Inner { namespace, frames, ack_at, bytes, has_offset: true }) }
    }

    /// Whether the event was made by [`Outgoing::with_offset`].
    pub fn has_offset(&self) -> bool {
        self.inner.has_offset
    }

    /// The namespace the event was encoded for.
    pub fn namespace(&self) -> &str {
        &self.inner.namespace
    }

    /// Bytes on a websocket, with every attachment.
    pub fn size(&self) -> usize {
        self.inner.bytes
    }

    pub(crate) fn frames(&self) -> &[Frame] {
        &self.inner.frames
    }

    /// The same event asking for an acknowledgement; only the first frame is new.
    pub(crate) fn with_ack(&self, ack: u64) -> Vec<Frame> {
        let mut frames = self.inner.frames.clone();
        let (head, json) = frames[0].payload().split_at(self.inner.ack_at);
        frames[0] = Frame::text(&[head, ack.to_string().as_bytes(), json]);
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(frame: &Frame) -> &str {
        std::str::from_utf8(frame.payload()).unwrap()
    }

    #[test]
    fn writes_the_event_once_for_both_transports() {
        let event = Outgoing::event("/a", "b", &json!({"c": 1})).unwrap();
        assert_eq!(text(&event.frames()[0]), r#"42/a,["b",{"c":1}]"#);
        assert_eq!(event.frames()[0].wire().as_ref(), b"\x81\x1242/a,[\"b\",{\"c\":1}]");
        assert_eq!(event.size(), 20);
    }

    #[test]
    fn puts_the_acknowledgement_id_before_the_payload() {
        let event = Outgoing::event("/a", "b", &1).unwrap();
        assert_eq!(text(&event.with_ack(17)[0]), r#"42/a,17["b",1]"#);
        let root = Outgoing::event("/", "b", &1).unwrap();
        assert_eq!(text(&root.with_ack(0)[0]), r#"420["b",1]"#);
    }

    #[test]
    fn tuples_become_arguments_and_bytes_attachments() {
        let event = Outgoing::event("/", "b", &(1, Bytes::from_static(&[9]))).unwrap();
        assert_eq!(text(&event.frames()[0]), r#"451-["b",1,{"_placeholder":true,"num":0}]"#);
        assert_eq!(event.frames()[1].payload(), [9]);
        let placeholder = [json!({"_placeholder": true, "num": 0})];
        let bytes = [Bytes::from_static(&[9])];
        let event = Outgoing::event_with_args("/", "b", &placeholder, &bytes).unwrap();
        assert_eq!(text(&event.with_ack(3)[0]), r#"451-3["b",{"_placeholder":true,"num":0}]"#);
    }

    #[test]
    fn the_offset_is_the_last_argument() {
        let event = Outgoing::event("/a", "b", &1).unwrap().with_offset("x\"7");
        assert_eq!(text(&event.frames()[0]), r#"42/a,["b",1,"x\"7"]"#);
        assert_eq!(text(&event.with_ack(3)[0]), r#"42/a,3["b",1,"x\"7"]"#);
        assert_eq!(event.size(), event.frames()[0].len());
    }

    #[test]
    fn refuses_reserved_names_and_odd_namespaces() {
        assert!(matches!(Outgoing::event("/", "connect", &1), Err(EncodeError::Name(_))));
        assert!(matches!(Outgoing::event("a", "b", &1), Err(EncodeError::Namespace(_))));
        assert!(matches!(Outgoing::event("/a,b", "b", &1), Err(EncodeError::Namespace(_))));
    }
}
