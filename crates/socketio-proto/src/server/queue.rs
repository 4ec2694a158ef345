//! What waits to be sent to one client, bounded in bytes and frames.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{SessionLimits, packet::Frame};

/// Between two packets of a polling payload.
const SEPARATOR: u8 = 0x1e;

/// Room for so many frames is kept between two writes, so that sending allocates nothing.
const KEPT: usize = 16;

/// A longer frame is a large one. They have room of their own, or a few of them would close a client that reads.
const LARGE: usize = 64 * 1024;

/// How much waits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    frames: usize,
    small_bytes: usize,
    large_bytes: usize,
}

impl Load {
    fn room(&mut self, length: usize) -> &mut usize {
        if length > LARGE { &mut self.large_bytes } else { &mut self.small_bytes }
    }

    pub(super) fn add(&mut self, frame: &Frame) {
        self.frames += 1;
        *self.room(frame.len()) += frame.len();
    }

    fn remove(&mut self, frame: &Frame) {
        self.frames -= 1;
        *self.room(frame.len()) -= frame.len();
    }

    /// Whether these fit, too. One event always fits where nothing waits: refusing it would make an event
    /// larger than the bounds close every receiver, however fast it reads.
    pub(super) fn fits(self, frames: &[Frame], limits: &SessionLimits) -> bool {
        let mut all = self;
        for frame in frames {
            all.add(frame);
        }
        self.frames == 0
            || (all.frames <= limits.queue_events
                && all.small_bytes <= limits.queue_bytes
                && all.large_bytes <= limits.queue_large_bytes)
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    frames: VecDeque<Frame>,
    load: Load,
}

impl Queue {
    /// Whether these fit.
    pub(super) fn fits(&self, frames: &[Frame], limits: &SessionLimits) -> bool {
        self.load.fits(frames, limits)
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.load.add(&frame);
        self.frames.push_back(frame);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes frames for a websocket until `budget` bytes are reached.
    pub(super) fn pull(&mut self, budget: usize, into: &mut VecDeque<Bytes>) {
        let mut taken = 0;
        while taken < budget {
            let Some(frame) = self.frames.pop_front() else { break };
            taken += frame.len();
            self.load.remove(&frame);
            into.push_back(frame.wire().clone());
        }
        if self.frames.capacity() > KEPT {
            self.rest();
        }
    }

    /// An idle connection does not keep the room of its busier moments.
    pub(super) fn rest(&mut self) {
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
    }

    /// Takes everything as one polling payload.
    pub(super) fn payload(&mut self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.load.small_bytes + self.load.large_bytes);
        for frame in self.frames.drain(..) {
            if !body.is_empty() {
                body.push(SEPARATOR);
            }
            frame.write_polling(&mut body);
        }
        self.clear();
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize) -> Frame {
        Frame::binary(&vec![0; length])
    }

    #[test]
    fn small_and_large_frames_have_room_of_their_own() {
        let limits =
            SessionLimits { queue_bytes: 250, queue_large_bytes: 3 * LARGE, ..SessionLimits::default() };
        let mut queue = Queue::default();
        let large = || frame(LARGE + 100);
        for frame in [large(), frame(100), large(), frame(100)] {
            assert!(queue.fits(std::slice::from_ref(&frame), &limits));
            queue.push(frame);
        }
        assert!(!queue.fits(&[frame(100)], &limits));
        assert!(!queue.fits(&[large()], &limits));
        assert!(queue.fits(&[frame(1)], &limits));
        // What was taken makes room again.
        queue.pull(1, &mut VecDeque::new());
        assert!(queue.fits(&[large()], &limits));
        queue.pull(usize::MAX, &mut VecDeque::new());
        assert!(queue.fits(&[frame(10 * LARGE)], &limits), "one event always fits an empty queue");
    }
}
