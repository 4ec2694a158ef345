//! Frames on their way to the kernel.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Frames that leave in one write at most. The kernel takes 1,024 slices; by far fewer the write is all that costs.
const SLICES: usize = 64;

/// Where an [`Outbox`] is written to: a socket that never waits.
pub(super) trait Sink {
    /// Writes what it takes of these, and answers how many bytes that was.
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// Whole frames in the order in which they are written; of the first one maybe only the rest. Between two of them, and
/// nowhere else, another one may be put.
#[derive(Debug, Default)]
pub(in crate::connection) struct Outbox {
    pub(super) frames: VecDeque<Bytes>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Writes everything, or until the sink takes no more ([`io::ErrorKind::WouldBlock`]).
    pub(super) fn write(&mut self, sink: &impl Sink) -> io::Result<()> {
        while !self.frames.is_empty() {
            match self.offer(sink) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Has the sink take what it can of the first frames.
    fn offer(&self, sink: &impl Sink) -> io::Result<usize> {
        if let [Some(only), None] = [0, 1].map(|at| self.frames.get(at)) {
            return sink.write(&[IoSlice::new(only)]);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(frame);
        }
        sink.write(&slices[..self.frames.len().min(SLICES)])
    }

    /// So many bytes are written.
    fn advance(&mut self, mut written: usize) {
        while let Some(frame) = self.frames.front_mut() {
            if frame.len() > written {
                frame.advance(written);
                return;
            }
            written -= frame.len();
            self.frames.pop_front();
        }
    }
}

/// A close frame (RFC 6455 section 5.5.1). Our reasons are short enough for a control frame.
pub(super) fn close_frame(code: u16, reason: &str) -> Bytes {
    let mut payload = BytesMut::with_capacity(2 + reason.len());
    payload.put_u16(code);
    payload.put_slice(reason.as_bytes());
    control_frame(0x88, &payload)
}

/// The answer to a ping.
pub(super) fn pong_frame(payload: &[u8]) -> Bytes {
    control_frame(0x8a, payload)
}

fn control_frame(first: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(2 + payload.len());
    frame.put_u8(first);
    frame.put_u8(u8::try_from(payload.len()).unwrap_or(u8::MAX));
    frame.put_slice(payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use proptest::prelude::*;

    /// Takes so many bytes with each write, and nothing where that is 0.
    struct Narrow {
        limits: RefCell<VecDeque<usize>>,
        taken: RefCell<Vec<u8>>,
    }

    impl Sink for Narrow {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            assert!(!all.is_empty());
            match self.limits.borrow_mut().pop_front() {
                Some(0) => Err(io::ErrorKind::WouldBlock.into()),
                limit => {
                    let taken = limit.unwrap_or(all.len()).min(all.len());
                    self.taken.borrow_mut().extend(&all[..taken]);
                    Ok(taken)
                }
            }
        }
    }

    proptest! {
        #[test]
        fn frames_are_neither_lost_nor_split_nor_doubled(
            frames in proptest::collection::vec(0..40_usize, 1..200),
            limits in proptest::collection::vec(0..100_usize, 0..100),
        ) {
            let frames: Vec<Bytes> = frames
                .iter()
                .enumerate()
                .map(|(n, length)| Bytes::from(vec![u8::try_from(n).unwrap(); length + 1]))
                .collect();
            let sink = Narrow { limits: RefCell::new(limits.into()), taken: RefCell::default() };
            let mut outbox = Outbox::default();
            let mut pongs = 0;
            outbox.frames.extend(frames.iter().cloned());
            while let Err(error) = outbox.write(&sink) {
                prop_assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                // In the middle of whatever was being written.
                outbox.frames.push_back(pong_frame(b"hey"));
                pongs += 1;
            }
            let expected = frames.into_iter().chain(std::iter::repeat_n(pong_frame(b"hey"), pongs));
            let expected: Vec<u8> = expected.flatten().collect();
            prop_assert_eq!(sink.taken.into_inner(), expected);
        }
    }

    #[test]
    fn a_sink_that_takes_nothing_is_not_asked_for_ever() {
        struct Nothing;
        impl Sink for Nothing {
            fn write(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
                Ok(0)
            }
        }
        let mut outbox = Outbox { frames: [pong_frame(b"")].into() };
        assert_eq!(outbox.write(&Nothing).unwrap_err().kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn control_frames() {
        assert_eq!(close_frame(1000, "bye"), &b"\x88\x05\x03\xe8bye"[..]);
        assert_eq!(pong_frame(b"hey"), &b"\x8a\x03hey"[..]);
    }
}
