//! Websocket frames of a client, decoded as their bytes arrive (RFC 6455 section 5).
//!
//! A frame's length and the number of fragments are judged by its header, before anything of it is kept: nobody makes
//! the server hold more than the longest message, nor a message of a million fragments.

/// What a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Close,
}

/// The close code (RFC 6455 section 7.4) for a client that broke a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken(pub(super) u16);

const PROTOCOL_ERROR: Broken = Broken(1002);
const NOT_UTF8: Broken = Broken(1007);
const TOO_BIG: Broken = Broken(1009);

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The longest payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// Decodes what arrives on one websocket. It holds bytes only of a message that has not arrived whole.
#[derive(Debug)]
pub(super) struct Decoder {
    max_bytes: u64,
    max_fragments: usize,
    /// The header being read, and how much of it is there.
    head: [u8; 14],
    have: u8,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The message being read.
    message: Option<Message>,
    /// What is there of it.
    payload: Vec<u8>,
    /// What is there of a control frame, which may come between the fragments of a message.
    control: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: u8,
    is_last: bool,
    /// Turned so that it begins at the next byte.
    mask: [u8; 4],
    /// Bytes still to come.
    left: u64,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    is_text: bool,
    bytes: u64,
    fragments: usize,
}

impl Decoder {
    pub(super) fn new(max_bytes: usize, max_fragments: usize) -> Self {
        Self {
            max_bytes: max_bytes as u64,
            max_fragments,
            head: [0; 14],
            have: 0,
            frame: None,
            message: None,
            payload: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Decodes the next bytes, which it may change, and gives `take` what has arrived whole, until that answers false.
    /// Answers how many bytes it used: all of them unless `take` said so.
    pub(super) fn decode(
        &mut self,
        chunk: &mut [u8],
        mut take: impl FnMut(Received<'_>) -> bool,
    ) -> Result<usize, Broken> {
        let mut at = 0;
        loop {
            let mut frame = match self.frame {
                Some(frame) => frame,
                None => match self.header(chunk, &mut at)? {
                    Some(frame) => frame,
                    None => return Ok(at),
                },
            };
            let rest = chunk.len() - at;
            let step = usize::try_from(frame.left).map_or(rest, |left| left.min(rest));
            let part = &mut chunk[at..at + step];
            unmask(part, frame.mask);
            at += step;
            frame.left -= step as u64;
            if frame.left > 0 {
                frame.mask.rotate_left(step % 4);
                self.frame = Some(frame);
                self.keep(frame, part);
                return Ok(at);
            }
            self.frame = None;
            if !self.complete(frame, part, &mut take)? {
                return Ok(at);
            }
        }
    }

    /// Reads on in a header; `None` while it is not whole.
    fn header(&mut self, chunk: &[u8], at: &mut usize) -> Result<Option<Frame>, Broken> {
        while *at < chunk.len() {
            self.head[usize::from(self.have)] = chunk[*at];
            self.have += 1;
            *at += 1;
            if usize::from(self.have) == self.header_length() {
                self.have = 0;
                return self.begin().map(Some);
            }
        }
        Ok(None)
    }

    /// Length of the header, as far as it is known.
    fn header_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        mask + match self.head[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    /// Judges a frame by its header.
    fn begin(&mut self) -> Result<Frame, Broken> {
        let [first, second, rest @ ..] = self.head;
        let (left, mask_at) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), 2),
            127 => (u64::from_be_bytes(rest.first_chunk().copied().unwrap_or_default()), 8),
            short => (u64::from(short), 0),
        };
        // No extension was agreed on, so the reserved bits are zero; and a client's frame is masked.
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Err(PROTOCOL_ERROR);
        }
        let mask = [rest[mask_at], rest[mask_at + 1], rest[mask_at + 2], rest[mask_at + 3]];
        let frame = Frame { opcode: first & 0x0f, is_last: first & 0x80 != 0, mask, left };
        match (frame.opcode, &mut self.message) {
            (CLOSE | PING | PONG, _) if frame.is_last && left <= MAX_CONTROL => return Ok(frame),
            (TEXT | BINARY, message @ None) => {
                let is_text = frame.opcode == TEXT;
                *message = Some(Message { is_text, bytes: left, fragments: 1 });
            }
            (CONTINUATION, Some(message)) => {
                message.bytes = message.bytes.saturating_add(left);
                message.fragments += 1;
            }
            _ => return Err(PROTOCOL_ERROR),
        }
        let fits =
            |message: Message| message.bytes <= self.max_bytes && message.fragments <= self.max_fragments;
        if self.message.is_some_and(fits) { Ok(frame) } else { Err(TOO_BIG) }
    }

    /// Keeps a part of a payload until the rest comes.
    fn keep(&mut self, frame: Frame, part: &[u8]) {
        let kept = if frame.opcode >= CLOSE { &mut self.control } else { &mut self.payload };
        kept.extend_from_slice(part);
    }

    /// A frame is there, `part` being the last part of it.
    fn complete(
        &mut self,
        frame: Frame,
        part: &[u8],
        take: &mut impl FnMut(Received<'_>) -> bool,
    ) -> Result<bool, Broken> {
        let is_control = frame.opcode >= CLOSE;
        if !is_control && !frame.is_last {
            self.keep(frame, part);
            return Ok(true);
        }
        let mut kept = std::mem::take(if is_control { &mut self.control } else { &mut self.payload });
        let whole = if kept.is_empty() {
            part
        } else {
            kept.extend_from_slice(part);
            &kept
        };
        let received = match frame.opcode {
            CLOSE => Received::Close,
            PING => Received::Ping(whole),
            PONG => return Ok(true),
            _ if self.message.take().is_some_and(|message| message.is_text) => {
                Received::Text(str::from_utf8(whole).map_err(|_| NOT_UTF8)?)
            }
            _ => Received::Binary(whole),
        };
        Ok(take(received))
    }
}

/// Takes the mask off.
fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = bytes.as_chunks_mut();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
