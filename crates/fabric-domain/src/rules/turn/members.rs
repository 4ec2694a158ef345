//! Members come, go, and change between order and bypass (spec/2 section 4).

use super::rotation::Dice;
use super::{Effect, Seat, TurnState};
use crate::model::UserId;

impl TurnState {
    /// New members sit at the end: nobody's turn changes.
    pub(super) fn member_added(&mut self, user: &UserId, seat: Seat) -> Effect {
        if !self.is_member(user) {
            match seat {
                Seat::Order => self.order.push(user.clone()),
                Seat::Bypass => self.bypass.push(user.clone()),
            }
        }
        Effect::Stayed
    }

    /// A removed member leaves everything but the record of who wrote last; where it was their turn, the
    /// successor has it at once.
    pub(super) fn member_removed(&mut self, user: &UserId, dice: &mut Dice) -> Effect {
        let was_active = self.is_active(user);
        self.bypass.retain(|member| member != user);
        self.declined.retain(|member| member != user);
        self.leave_frames(user);
        self.leave_order(user, dice);
        self.summoned.remove(user);
        self.succeed(was_active, dice)
    }

    /// Leaving the rotation gives up a root turn, but not a place in a frame.
    pub(super) fn moved_to_bypass(&mut self, user: &UserId, dice: &mut Dice) -> Effect {
        if !self.order.contains(user) {
            return Effect::Stayed;
        }
        let gives_up_turn = self.frames.is_empty() && self.cursor.as_ref() == Some(user);
        self.bypass.push(user.clone());
        self.leave_order(user, dice);
        self.succeed(gives_up_turn, dice)
    }

    /// Back into the rotation, at its end.
    pub(super) fn moved_to_order(&mut self, user: &UserId) -> Effect {
        if let Some(place) = self.bypass.iter().position(|member| member == user) {
            let user = self.bypass.remove(place);
            self.order.push(user);
        }
        Effect::Stayed
    }

    /// Takes a user out of the order. A root speaker's place goes to the next one, or the round ends; while
    /// frames are open only the cursor moves on.
    fn leave_order(&mut self, user: &UserId, dice: &mut Dice) {
        let Some(place) = self.order.iter().position(|member| member == user) else { return };
        self.order.remove(place);
        if self.cursor.as_ref() == Some(user) {
            self.proceed_from(place, dice);
        }
    }

    /// Where somebody gave up their turn, it is another's now, who can still be asked.
    fn succeed(&mut self, gave_up_turn: bool, dice: &mut Dice) -> Effect {
        if !gave_up_turn {
            return Effect::Stayed;
        }
        self.resume_rotation();
        self.skip_places(None, dice);
        Effect::Moved
    }
}
