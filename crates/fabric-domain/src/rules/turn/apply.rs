//! The engine's one entry: state and input in, next state out.

use serde::{Deserialize, Serialize};

use super::rotation::{Dice, Seed};
use super::{Seat, TurnState};
use crate::model::{Rejection, UserId};

/// Everything that can happen to a turn (spec/2 section 4).
///
/// Whoever posts, passes or proceeds may name the `turn` that they mean. Where it is no longer the current
/// one they come too late: their message uses up nobody's place, and their command is rejected. `None` means
/// whichever turn it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Input {
    /// Somebody wrote a message.
    Message {
        /// Its author; a participant, not necessarily a member.
        author: UserId,
        /// Its mentions as parsed, members or not.
        mentioned: Vec<UserId>,
        /// The turn that the author takes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<u64>,
    },
    /// `/no-reply`.
    NoReply {
        /// Who.
        by: UserId,
        /// The turn that they decline.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<u64>,
    },
    /// `/force-proceed`.
    ForceProceed {
        /// Who.
        by: UserId,
        /// The turn that they end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<u64>,
    },
    /// The time of turn `turn` is over.
    Timeout {
        /// The turn that timed out; nothing happens when it is no longer the current one.
        turn: u64,
    },
    /// Somebody became a member.
    MemberAdded {
        /// Who.
        user: UserId,
        /// Where they sit.
        seat: Seat,
    },
    /// Somebody is no longer a member.
    MemberRemoved {
        /// Who.
        user: UserId,
    },
    /// A member of the order leaves the rotation.
    MovedToBypass {
        /// Who.
        user: UserId,
    },
    /// A bypass member joins the rotation, at its end.
    MovedToOrder {
        /// Who.
        user: UserId,
    },
}

/// What an input did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The active speaker was (re)assigned, or the channel became idle.
    Moved,
    /// The active speaker keeps the turn; the rest of the state may have changed.
    Stayed,
    /// Nothing changed: the command was not acceptable.
    Rejected(Rejection),
}

impl TurnState {
    /// Takes the state to the next one. The same state, input and seed give the same result, always.
    ///
    /// No input from anybody fails or panics; inputs that make no sense (a member added twice, a stranger
    /// removed) change nothing.
    pub fn apply(&mut self, input: &Input, seed: Seed) -> Effect {
        let dice = &mut Dice::new(seed);
        let effect = match input {
            Input::Message { author, mentioned, turn } => self.message(author, mentioned, *turn, dice),
            Input::NoReply { by, turn } => self.no_reply(by, *turn, dice),
            Input::ForceProceed { by, turn } => self.force_proceed(by, *turn, dice),
            Input::Timeout { turn } => self.timeout(*turn, dice),
            Input::MemberAdded { user, seat } => self.member_added(user, *seat),
            Input::MemberRemoved { user } => self.member_removed(user, dice),
            Input::MovedToBypass { user } => self.moved_to_bypass(user, dice),
            Input::MovedToOrder { user } => self.moved_to_order(user),
        };
        if self.is_idle() {
            self.rest();
        } else if effect == Effect::Moved {
            self.turn += 1;
        }
        effect
    }

    /// Whether a turn that somebody names is no longer the current one. An idle channel has none.
    pub(super) fn is_over(&self, turn: Option<u64>) -> bool {
        turn.is_some_and(|turn| self.is_idle() || turn != self.turn)
    }

    /// `/no-reply` counts only when it comes from the active speaker.
    fn no_reply(&mut self, by: &UserId, turn: Option<u64>, dice: &mut Dice) -> Effect {
        if self.is_over(turn) {
            return Effect::Rejected(Rejection::TurnOver);
        }
        if !self.is_active(by) {
            return Effect::Rejected(Rejection::NotCurrentSpeaker);
        }
        self.decline(dice)
    }

    /// Anybody may have the active speaker passed over; when idle it starts a rotation.
    fn force_proceed(&mut self, by: &UserId, turn: Option<u64>, dice: &mut Dice) -> Effect {
        if self.is_over(turn) {
            return Effect::Rejected(Rejection::TurnOver);
        }
        if !self.is_idle() {
            return self.decline(dice);
        }
        let Some(first) = self.order().iter().find(|user| *user != by).cloned() else {
            return Effect::Rejected(Rejection::NobodyToProceedTo);
        };
        self.set_cursor(Some(first));
        Effect::Moved
    }

    /// A silent speaker passes, unless the turn has moved on meanwhile.
    fn timeout(&mut self, turn: u64, dice: &mut Dice) -> Effect {
        if self.is_over(Some(turn)) { Effect::Stayed } else { self.decline(dice) }
    }

    /// The active speaker has nothing to say to the latest message, and is not asked about it again.
    fn decline(&mut self, dice: &mut Dice) -> Effect {
        if let Some(speaker) = self.active().cloned() {
            self.declined.push(&self.seats, speaker);
        }
        self.use_up_place(dice)
    }
}
