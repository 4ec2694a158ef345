//! Members come, go, and change between order and bypass (spec/2 section 4).

use std::sync::Arc;

use super::declined::Declined;
use super::rotation::Dice;
use super::{Effect, Seat, Seats, TurnState};
use crate::model::UserId;

impl TurnState {
    /// New members sit at the end: nobody's turn changes.
    pub(super) fn member_added(&mut self, user: &UserId, seat: Seat) -> Effect {
        if !self.is_member(user) {
            Arc::make_mut(&mut self.seats).add(user, seat);
        }
        Effect::Stayed
    }

    /// A removed member leaves everything but the record of who wrote last; where it was their turn, the
    /// successor has it at once.
    pub(super) fn member_removed(&mut self, user: &UserId, dice: &mut Dice) -> Effect {
        if !self.is_member(user) {
            return Effect::Stayed;
        }
        let was_active = self.is_active(user);
        self.leave_frames(user);
        self.summoned.remove(user);
        self.leave_order(user, dice, |seats| seats.remove(user));
        self.succeed(was_active, dice)
    }

    /// Leaving the rotation gives up a root turn, but not a place in a frame.
    pub(super) fn moved_to_bypass(&mut self, user: &UserId, dice: &mut Dice) -> Effect {
        if self.seats.place(user).is_none() {
            return Effect::Stayed;
        }
        let gives_up_turn = self.frames.is_empty() && self.cursor.as_ref() == Some(user);
        self.leave_order(user, dice, |seats| seats.move_to(user, Seat::Bypass));
        self.succeed(gives_up_turn, dice)
    }

    /// Back into the rotation, at its end.
    pub(super) fn moved_to_order(&mut self, user: &UserId) -> Effect {
        if self.is_member(user) && self.seats.place(user).is_none() {
            self.reseat(|seats| seats.move_to(user, Seat::Order));
        }
        Effect::Stayed
    }

    /// Takes a member's seat away, or moves it out of the order. A root speaker's place goes to the next one, or the
    /// round ends; while frames are open only the cursor moves on.
    fn leave_order(&mut self, user: &UserId, dice: &mut Dice, leave: impl FnOnce(&mut Seats)) {
        let place = self.seats.place(user);
        self.reseat(leave);
        if let Some(place) = place
            && self.cursor.as_ref() == Some(user)
        {
            self.proceed_from(place, dice);
        }
    }

    /// Changes who sits where. Whoever has no seat any more has declined nothing.
    pub(super) fn reseat(&mut self, change: impl FnOnce(&mut Seats)) {
        let declined = self.declined().to_vec();
        change(Arc::make_mut(&mut self.seats));
        self.declined = Declined::of(&self.seats, declined);
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
