//! What waits to be sent to one client, bounded in bytes and frames.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::packet::Frame;

/// Between two packets of a polling payload.
const SEPARATOR: u8 = 0x1e;

/// Room for so many frames is kept between two writes, so that sending allocates nothing.
const KEPT: usize = 16;

#[derive(Debug)]
pub(super) struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    max_frames: usize,
    max_bytes: usize,
}

impl Queue {
    pub(super) fn new(max_frames: usize, max_bytes: usize) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, max_frames, max_bytes }
    }

    /// Whether these fit. One event always fits an empty queue: refusing it would make an event
    /// larger than the queue close every receiver, however fast it reads.
    pub(super) fn fits(&self, frames: &[Frame]) -> bool {
        self.fits_size(frames.len(), frames.iter().map(Frame::len).sum())
    }

    /// Whether so many frames with so many bytes fit.
    pub(super) fn fits_size(&self, frames: usize, bytes: usize) -> bool {
        self.is_empty()
            || (self.frames.len() + frames <= self.max_frames && self.bytes + bytes <= self.max_bytes)
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
    }

    /// Takes frames for a websocket until `budget` bytes are reached.
    pub(super) fn pull(&mut self, budget: usize, into: &mut VecDeque<Bytes>) {
        let mut taken = 0;
        while taken < budget {
            let Some(frame) = self.frames.pop_front() else { break };
            taken += frame.len();
            self.bytes -= frame.len();
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
        let mut body = Vec::with_capacity(self.bytes);
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
