//! Websocket frames (RFC 6455 section 5.2), as far as a client of our own server needs them.

use std::ops::Range;

use crate::Outcome;

/// A frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// Anything else that is not the end.
    Other,
    /// The server ends the connection.
    Close {
        /// The close code, where there is one.
        code: Option<u16>,
        /// Why.
        reason: String,
    },
}

/// The frame that these bytes begin with, if all of it is there: its first byte, and where its payload is.
pub(crate) fn whole(bytes: &[u8]) -> Outcome<Option<(u8, Range<usize>)>> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    if first & 0x80 == 0 || second & 0x80 != 0 {
        return Err(format!("the server sent a frame that begins {first:#x} {second:#x}"));
    }
    let (head, length) = match second {
        126 if bytes.len() >= 4 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        127 if bytes.len() >= 10 => {
            let mut length = [0; 8];
            length.copy_from_slice(&bytes[2..10]);
            (10, usize::try_from(u64::from_be_bytes(length)).map_err(|error| error.to_string())?)
        }
        126 | 127 => return Ok(None),
        short => (2, usize::from(short)),
    };
    Ok((bytes.len() - head >= length).then_some((first, head..head + length)))
}

/// Bytes that arrived and are not read yet. The server neither masks nor splits its messages.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    at: usize,
}

impl Inbox {
    /// Where further bytes go.
    pub fn space(&mut self) -> &mut Vec<u8> {
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        } else if self.at > 64 * 1024 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        &mut self.bytes
    }

    /// The next whole frame, if it is there: its first byte and its payload.
    pub fn raw(&mut self) -> Outcome<Option<(u8, &[u8])>> {
        let Some((first, payload)) = whole(&self.bytes[self.at..])? else { return Ok(None) };
        let payload = self.at + payload.start..self.at + payload.end;
        self.at = payload.end;
        Ok(Some((first, &self.bytes[payload])))
    }

    /// The next whole frame, if it is there.
    pub fn frame(&mut self) -> Outcome<Option<Frame>> {
        let Some((first, payload)) = self.raw()? else { return Ok(None) };
        Ok(Some(match first & 0x0f {
            1 => Frame::Text(String::from_utf8(payload.to_vec()).map_err(|error| error.to_string())?),
            8 => Frame::Close {
                code: payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
                reason: String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned(),
            },
            _ => Frame::Other,
        }))
    }

    /// Takes what is not a frame: the head of an HTTP answer.
    pub fn head(&mut self) -> Option<String> {
        let rest = &self.bytes[self.at..];
        let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.at += end;
        Some(head)
    }
}

/// A client's frame: its first byte as given, the payload masked with zeros, that is, as it is.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(first);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => frame.push(0x80 | short),
        (_, Ok(medium)) => {
            frame.push(0xfe);
            frame.extend(medium.to_be_bytes());
        }
        _ => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_whole_whatever_the_pieces() {
        let mut bytes = b"HTTP/1.1 101 x\r\n\r\n\x81\x02hi\x89\x00".to_vec();
        bytes.extend([0x81, 126, 0, 200]);
        bytes.extend([b'x'; 200]);
        bytes.extend([0x88, 4, 3, 240, b'n', b'o']);
        let mut inbox = Inbox::default();
        let (mut head, mut frames) = (None, Vec::new());
        for byte in bytes {
            inbox.space().push(byte);
            if head.is_none() {
                head = inbox.head();
            } else {
                frames.extend(inbox.frame().unwrap());
            }
        }
        let close = Frame::Close { code: Some(1008), reason: "no".into() };
        assert_eq!(frames, [Frame::Text("hi".into()), Frame::Other, Frame::Text("x".repeat(200)), close]);
    }

    #[test]
    fn our_frames_have_headers_of_every_length() {
        for (length, head) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            assert_eq!(masked(0x81, &vec![7; length]).len(), length + head);
        }
    }
}
