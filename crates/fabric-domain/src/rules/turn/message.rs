//! What a message does to the turn (spec/2 section 4, "Message").

use std::collections::HashSet;

use super::declined::Declined;
use super::rotation::Dice;
use super::{Effect, TurnState};
use crate::model::UserId;

impl TurnState {
    pub(super) fn message(
        &mut self,
        author: &UserId,
        mentioned: &[UserId],
        turn: Option<u64>,
        dice: &mut Dice,
    ) -> Effect {
        let has_floor = self.is_active(author) && !self.is_over(turn);
        if !has_floor {
            // A queue jump resets the count: its mentions summon even members who are at the bound.
            self.summoned.clear();
        }
        let summons = self.summons(author, mentioned, has_floor);
        // Whoever has declined so far has not heard this message.
        self.last_author = Some(author.clone());
        self.declined = Declined::default();
        if self.is_idle() {
            self.message_when_idle(summons)
        } else if has_floor {
            self.message_by_active_speaker(summons, dice)
        } else {
            self.queue_jump(summons)
        }
    }

    /// M of the specification: whom this message summons, each once, in first-seen order.
    fn summons(&self, author: &UserId, mentioned: &[UserId], has_floor: bool) -> Vec<UserId> {
        // Whoever answers in a frame gives the floor back to the one who asked: naming them adds nothing.
        let asking = if has_floor { self.interrupted() } else { None };
        let mut named = HashSet::from([author]);
        named.extend(asking);
        let members = mentioned.iter().filter(|user| self.is_member(user) && self.may_be_summoned(user));
        members.filter(|user| named.insert(*user)).cloned().collect()
    }

    /// Case 1: the rotation begins with the first that is not the author; the mentioned come before it.
    fn message_when_idle(&mut self, summons: Vec<UserId>) -> Effect {
        self.set_cursor(self.first_unasked());
        self.push_frame(summons);
        if self.is_idle() { Effect::Stayed } else { Effect::Moved }
    }

    /// Case 2: the author's own place is used up, unless they hand over to the mentioned first: then it is
    /// theirs again afterwards.
    fn message_by_active_speaker(&mut self, summons: Vec<UserId>, dice: &mut Dice) -> Effect {
        if summons.is_empty() {
            return self.use_up_place(dice);
        }
        self.push_frame(summons);
        Effect::Moved
    }

    /// Case 3, queue jump: somebody else is the active speaker, or the author answers a turn that is over.
    /// The rotation does not move; the active speaker is woken again with this message, or after the
    /// mentioned are through.
    fn queue_jump(&mut self, summons: Vec<UserId>) -> Effect {
        if summons.is_empty() {
            return Effect::Stayed;
        }
        self.push_frame(summons);
        Effect::Moved
    }
}
