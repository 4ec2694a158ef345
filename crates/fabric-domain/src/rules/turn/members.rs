//! Members come, go, and change between order and bypass (spec/2 section 4).

use super::round::Dice;
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

    /// A removed member leaves order, bypass and every frame; where it was their turn, the successor has it
    /// at once.
    pub(super) fn member_removed(&mut self, user: &UserId, dice: &mut Dice) -> Effect {
        let was_active = self.is_active(user);
        self.bypass.retain(|member| member != user);
        self.leave_order(user, dice);
        self.remove_from_frames(user);
        if was_active { Effect::Moved } else { Effect::Stayed }
    }

    /// Leaving the rotation gives up a root turn, but not a place in a frame.
    pub(super) fn moved_to_bypass(&mut self, user: &UserId, dice: &mut Dice) -> Effect {
        if !self.order.contains(user) {
            return Effect::Stayed;
        }
        let gave_up_turn = self.frames.is_empty() && self.cursor.as_ref() == Some(user);
        self.bypass.push(user.clone());
        self.leave_order(user, dice);
        if gave_up_turn { Effect::Moved } else { Effect::Stayed }
    }

    /// Back into the rotation, at its end.
    pub(super) fn moved_to_order(&mut self, user: &UserId) -> Effect {
        if let Some(place) = self.bypass.iter().position(|member| member == user) {
            let user = self.bypass.remove(place);
            self.order.push(user);
        }
        Effect::Stayed
    }

    /// Takes a user out of the order. A root speaker's place goes to the next one, or the round ends. While
    /// frames are open only the cursor moves on, and should that end in a pause the frames are finished
    /// first.
    fn leave_order(&mut self, user: &UserId, dice: &mut Dice) {
        let Some(place) = self.order.iter().position(|member| member == user) else { return };
        self.order.remove(place);
        if self.cursor.as_ref() == Some(user) {
            self.proceed_to(place, dice);
        }
    }
}
