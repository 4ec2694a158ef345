//! Sub-frames: the nested queues that mentions open (spec/2 section 6).

use super::{Frame, TurnState};
use crate::model::UserId;

/// The most sub-frames above the root.
pub const MAX_FRAMES: usize = 4;

impl TurnState {
    /// Opens a frame on top. A fifth one drops the bottom-most: the newest summons matter most.
    pub(super) fn push_frame(&mut self, queue: Vec<UserId>) {
        if queue.is_empty() {
            return;
        }
        if self.frames.len() == MAX_FRAMES {
            self.frames.remove(0);
        }
        self.frames.push(Frame { queue, position: 0 });
    }

    /// Uses up the active speaker's entry of the top frame. A spent frame pops, and whom it interrupted
    /// resumes; with neither a frame nor a cursor left the channel is idle.
    pub(super) fn consume_entry(&mut self) {
        if let Some(top) = self.frames.last_mut() {
            top.position += 1;
        }
        self.settle_frames();
    }

    /// Takes a member out of every frame. Where it was their place, it is the next entry's.
    pub(super) fn remove_from_frames(&mut self, user: &UserId) {
        for frame in &mut self.frames {
            if let Some(place) = frame.queue.iter().position(|entry| entry == user) {
                frame.queue.remove(place);
                if place < frame.position {
                    frame.position -= 1;
                }
            }
        }
        self.settle_frames();
    }

    fn settle_frames(&mut self) {
        self.frames.retain(|frame| frame.position < frame.queue.len());
        if self.is_idle() {
            self.pause();
        }
    }
}
