//! An Engine.IO message encoded once for both transports.

use base64::Engine as _;
use bytes::{BufMut, Bytes, BytesMut};

/// The first byte of a final frame (RFC 6455 section 5.2).
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// A websocket frame whose payload is also what long-polling sends. Cloning shares the bytes, so
/// an event for a thousand receivers is encoded and stored once.
#[derive(Debug, Clone)]
pub(crate) struct Frame(Bytes);

impl Frame {
    /// A text frame; `parts` are joined.
    pub(crate) fn text(parts: &[&[u8]]) -> Self {
        Self::new(TEXT, parts)
    }

    /// A binary frame.
    pub(crate) fn binary(payload: &[u8]) -> Self {
        Self::new(BINARY, &[payload])
    }

    fn new(first: u8, parts: &[&[u8]]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut wire = BytesMut::with_capacity(length + 10);
        // Unmasked, as a server's frames are.
        wire.put_u8(first);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => wire.put_u8(short),
            (_, Ok(medium)) => {
                wire.put_u8(126);
                wire.put_u16(medium);
            }
            _ => {
                wire.put_u8(127);
                wire.put_u64(length as u64);
            }
        }
        for part in parts {
            wire.put_slice(part);
        }
        Self(wire.freeze())
    }

    /// The websocket frame.
    pub(crate) fn wire(&self) -> &Bytes {
        &self.0
    }

    /// What the frame carries, without the websocket header.
    pub(crate) fn payload(&self) -> &[u8] {
        let head = match self.0[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        &self.0[head..]
    }

    /// Size on the wire in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends the packet as long-polling writes it: text as it is, binary as base64.
    pub(crate) fn write_polling(&self, body: &mut Vec<u8>) {
        if self.0[0] == BINARY {
            body.push(b'b');
            let text = base64::engine::general_purpose::STANDARD.encode(self.payload());
            body.extend_from_slice(text.as_bytes());
        } else {
            body.extend_from_slice(self.payload());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_every_length() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let payload = vec![7_u8; length];
            let frame = Frame::binary(&payload);
            assert_eq!(frame.len(), length + head);
            assert_eq!(frame.payload(), payload);
            assert_eq!(frame.wire()[0], 0x82);
        }
        assert_eq!(Frame::text(&[b"4", b"hi"]).wire().as_ref(), b"\x81\x034hi");
    }

    #[test]
    fn polling_writes_binary_as_base64() {
        let mut body = Vec::new();
        Frame::binary(&[1, 2, 3, 4]).write_polling(&mut body);
        assert_eq!(body, b"bAQIDBA==");
    }
}
