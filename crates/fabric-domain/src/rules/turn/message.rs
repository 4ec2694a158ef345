//! What a message does to the turn (spec/2 section 4, "Message").

use std::collections::HashSet;

use super::round::Dice;
use super::{Act, Effect, TurnState};
use crate::model::UserId;

impl TurnState {
    pub(super) fn message(&mut self, author: &UserId, mentioned: &[UserId], dice: &mut Dice) -> Effect {
        let summoned = self.summoned(author, mentioned);
        if self.is_idle() {
            self.message_when_idle(author, summoned)
        } else if self.is_active(author) {
            self.message_by_active_speaker(author, summoned, dice)
        } else {
            self.queue_jump(author, summoned)
        }
    }

    /// M of the specification: the mentioned without the author, as far as they are members, in
    /// first-seen order.
    fn summoned(&self, author: &UserId, mentioned: &[UserId]) -> Vec<UserId> {
        if mentioned.is_empty() {
            return Vec::new();
        }
        // Each is summoned once: a member who has been seen is taken out.
        let mut members: HashSet<&UserId> = self.order.iter().chain(&self.bypass).collect();
        members.remove(author);
        mentioned.iter().filter(|user| members.remove(user)).cloned().collect()
    }

    /// Case 1: a new round begins with the first of the order that is not the author; the mentioned come
    /// before it.
    fn message_when_idle(&mut self, author: &UserId, summoned: Vec<UserId>) -> Effect {
        self.begin_round(self.first_in_order_except(author));
        self.push_frame(summoned);
        if self.is_idle() { Effect::Stayed } else { Effect::Moved }
    }

    /// Case 2: the author's own place is used up, unless they hand over to the mentioned first: then it is
    /// theirs again afterwards.
    fn message_by_active_speaker(
        &mut self,
        author: &UserId,
        summoned: Vec<UserId>,
        dice: &mut Dice,
    ) -> Effect {
        debug_assert!(self.is_active(author), "only the active speaker uses up a place");
        if !summoned.is_empty() {
            self.push_frame(summoned);
        } else if self.frames.is_empty() {
            self.record_cursor(Act::Spoke);
            self.pass_streak = 0;
            self.advance(dice);
        } else {
            self.consume_entry();
        }
        Effect::Moved
    }

    /// Case 3, queue jump: somebody else is the active speaker. The rotation does not move; the active
    /// speaker is woken again with this message, or after the mentioned are through.
    fn queue_jump(&mut self, author: &UserId, summoned: Vec<UserId>) -> Effect {
        if self.order.contains(author) {
            self.record(author.clone(), Act::Spoke);
        }
        self.pass_streak = 0;
        if summoned.is_empty() {
            return Effect::Stayed;
        }
        self.push_frame(summoned);
        Effect::Moved
    }
}
