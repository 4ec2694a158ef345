//! Checks websocket frames before the decoder buffers them.
//!
//! The decoder looks at a frame's length only when the whole frame is there, and at no number of
//! fragments at all: a client could announce gigabytes, or send a message as a million fragments
//! of one byte. So the headers are read here first, as the bytes pass.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{error::PayloadError, web::Payload};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// The close code of the first broken rule, for whoever reads the frames.
pub(super) type Verdict = Rc<Cell<Option<u16>>>;

const PROTOCOL_ERROR: u16 = 1002;
const TOO_BIG: u16 = 1009;

/// Passes on what keeps the rules, and ends at the first frame that does not.
pub(super) struct Guard {
    payload: Payload,
    rules: Rules,
    verdict: Verdict,
}

impl Guard {
    pub(super) fn new(payload: Payload, max_bytes: usize, max_fragments: usize) -> (Self, Verdict) {
        let verdict = Verdict::default();
        let rules = Rules::new(max_bytes, max_fragments);
        (Self { payload, rules, verdict: Rc::clone(&verdict) }, verdict)
    }
}

impl Stream for Guard {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.verdict.get().is_some() {
            return Poll::Ready(None);
        }
        let Poll::Ready(chunk) = self.payload.poll_next_unpin(cx) else { return Poll::Pending };
        let Some(Ok(chunk)) = chunk else { return Poll::Ready(chunk) };
        match self.rules.check(&chunk) {
            Ok(()) => Poll::Ready(Some(Ok(chunk))),
            Err((good, code)) => {
                self.verdict.set(Some(code));
                // The frames before it still count.
                Poll::Ready((good > 0).then(|| Ok(chunk.slice(..good))))
            }
        }
    }
}

#[derive(Debug)]
struct Rules {
    max_bytes: u64,
    max_fragments: usize,
    /// The frame header being read, and how much of it is there.
    head: [u8; 14],
    have: usize,
    /// Payload bytes of the current frame still to come.
    skip: u64,
    /// Of the message being received.
    bytes: u64,
    fragments: usize,
}

impl Rules {
    fn new(max_bytes: usize, max_fragments: usize) -> Self {
        Self {
            max_bytes: max_bytes as u64,
            max_fragments,
            head: [0; 14],
            have: 0,
            skip: 0,
            bytes: 0,
            fragments: 0,
        }
    }

    /// Looks at the next bytes; an error says how many of them come before the frame that breaks
    /// a rule, and the close code.
    fn check(&mut self, chunk: &[u8]) -> Result<(), (usize, u16)> {
        let mut at = 0;
        let mut start = 0;
        while at < chunk.len() {
            if self.skip > 0 {
                let rest = (chunk.len() - at) as u64;
                let step = self.skip.min(rest);
                self.skip -= step;
                at += usize::try_from(step).unwrap_or(usize::MAX);
                continue;
            }
            if self.have == 0 {
                start = at;
            }
            self.head[self.have] = chunk[at];
            self.have += 1;
            at += 1;
            if self.have == self.needed() {
                self.frame().map_err(|code| (start, code))?;
                self.have = 0;
            }
        }
        Ok(())
    }

    /// Length of the header (RFC 6455 section 5.2), as far as it is known.
    fn needed(&self) -> usize {
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

    fn frame(&mut self) -> Result<(), u16> {
        let [first, second, rest @ ..] = self.head;
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes([rest[0], rest[1]])),
            127 => {
                u64::from_be_bytes([rest[0], rest[1], rest[2], rest[3], rest[4], rest[5], rest[6], rest[7]])
            }
            short => u64::from(short),
        };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        // No extension was agreed on, so the reserved bits are zero; and a client's frame is masked.
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Err(PROTOCOL_ERROR);
        }
        if opcode >= 8 {
            if length > 125 || !last {
                return Err(PROTOCOL_ERROR);
            }
        } else {
            if opcode != 0 {
                self.bytes = 0;
                self.fragments = 0;
            }
            self.fragments += 1;
            self.bytes = self.bytes.saturating_add(length);
            if self.bytes > self.max_bytes || self.fragments > self.max_fragments {
                return Err(TOO_BIG);
            }
        }
        self.skip = length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match length {
            0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                bytes.push(0xfe);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(0xff);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(vec![b'x'; length]);
        bytes
    }

    #[test]
    fn passes_messages_of_the_allowed_size_in_any_chunks() {
        let mut bytes = frame(0x81, 1000);
        bytes.extend(frame(0x89, 125));
        bytes.extend(frame(0x01, 500));
        bytes.extend(frame(0x8a, 0));
        bytes.extend(frame(0x80, 500));
        for size in [1, 2, 3, 7, bytes.len()] {
            let mut rules = Rules::new(1000, 2);
            for chunk in bytes.chunks(size) {
                assert_eq!(rules.check(chunk), Ok(()));
            }
        }
    }

    #[test]
    fn stops_before_the_frame_that_breaks_a_rule() {
        let good = frame(0x81, 10);
        let bad = [
            (frame(0x81, 1001), TOO_BIG),
            (frame(0xc1, 1), PROTOCOL_ERROR),
            (frame(0x89, 126), PROTOCOL_ERROR),
            (frame(0x09, 1), PROTOCOL_ERROR),
            (vec![0x81, 0x01, b'x'], PROTOCOL_ERROR),
            (vec![0x81, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], TOO_BIG),
        ];
        for (bad, code) in bad {
            let bytes = [good.clone(), bad].concat();
            let mut rules = Rules::new(1000, 10);
            assert_eq!(rules.check(&bytes), Err((good.len(), code)));
        }
    }

    #[test]
    fn counts_fragments_and_their_sum() {
        let mut rules = Rules::new(1000, 3);
        assert_eq!(rules.check(&frame(0x01, 1)), Ok(()));
        assert_eq!(rules.check(&frame(0x00, 1)), Ok(()));
        assert_eq!(rules.check(&frame(0x00, 1)), Ok(()));
        assert_eq!(rules.check(&frame(0x00, 1)), Err((0, TOO_BIG)));
        let mut rules = Rules::new(1000, 3);
        assert_eq!(rules.check(&frame(0x01, 600)), Ok(()));
        assert_eq!(rules.check(&frame(0x80, 600)), Err((0, TOO_BIG)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(chunks in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..64), 0..8)) {
            let mut rules = Rules::new(100, 3);
            for chunk in chunks {
                if let Err((good, _)) = rules.check(&chunk) {
                    prop_assert!(good <= chunk.len());
                    break;
                }
            }
        }
    }
}
