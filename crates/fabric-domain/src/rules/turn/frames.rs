//! Sub-frames: the nested queues that mentions open (spec/2 section 6).

use super::{Frame, TurnState};
use crate::model::UserId;

/// The most sub-frames above the root.
pub const MAX_FRAMES: usize = 4;

/// How often a member can be summoned for one root place: without a bound, two members who mention each
/// other in every answer would keep the floor for ever.
pub const MAX_SUMMONS: u8 = 2;

impl TurnState {
    /// Opens a frame on top. A fifth one drops the bottom-most: the newest summons matter most.
    pub(super) fn push_frame(&mut self, queue: Vec<UserId>) {
        if queue.is_empty() {
            return;
        }
        for user in &queue {
            *self.summoned.entry(user.clone()).or_default() += 1;
        }
        if self.frames.len() == MAX_FRAMES {
            self.frames.remove(0);
        }
        self.frames.push(Frame { queue, position: 0 });
    }

    /// Whether a mention of this member is more than a word.
    pub(super) fn may_be_summoned(&self, user: &UserId) -> bool {
        self.summoned.get(user).is_none_or(|times| *times < MAX_SUMMONS)
    }

    /// Whom the top frame interrupted: the entry below it, or the root speaker. Nobody without a frame.
    pub(super) fn interrupted(&self) -> Option<&UserId> {
        let (_, below) = self.frames.split_last()?;
        below.last().map_or(self.cursor.as_ref(), Frame::current)
    }

    /// Uses up the active entry of the top frame.
    pub(super) fn use_up_entry(&mut self) {
        if let Some(top) = self.frames.last_mut() {
            top.position += 1;
        }
        self.pop_spent_frames();
    }

    /// Takes a member out of every frame. Where it was their place, it is the next entry's.
    pub(super) fn leave_frames(&mut self, user: &UserId) {
        for frame in &mut self.frames {
            if let Some(place) = frame.queue.iter().position(|entry| entry == user) {
                frame.queue.remove(place);
                if place < frame.position {
                    frame.position -= 1;
                }
            }
        }
        self.pop_spent_frames();
    }

    fn pop_spent_frames(&mut self) {
        self.frames.retain(|frame| frame.position < frame.queue.len());
    }
}
