//! The engine's one entry: state and input in, next state out.

use serde::{Deserialize, Serialize};

use super::round::{Dice, Seed};
use super::{Act, Seat, TurnState};
use crate::model::{Rejection, UserId};

/// Everything that can happen to a turn (spec/2 section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Input {
    /// Somebody wrote a message.
    Message {
        /// Its author; a participant, not necessarily a member.
        author: UserId,
        /// Its mentions as parsed, members or not.
        mentioned: Vec<UserId>,
    },
    /// `/no-reply`.
    NoReply {
        /// Who.
        by: UserId,
    },
    /// `/force-proceed`.
    ForceProceed {
        /// Who.
        by: UserId,
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
            Input::Message { author, mentioned } => self.message(author, mentioned, dice),
            Input::NoReply { by } => self.no_reply(by, dice),
            Input::ForceProceed { by } => self.force_proceed(by, dice),
            Input::Timeout { turn } => self.timeout(*turn, dice),
            Input::MemberAdded { user, seat } => self.member_added(user, *seat),
            Input::MemberRemoved { user } => self.member_removed(user, dice),
            Input::MovedToBypass { user } => self.moved_to_bypass(user, dice),
            Input::MovedToOrder { user } => self.moved_to_order(user),
        };
        if effect == Effect::Moved && !self.is_idle() {
            self.turn += 1;
        }
        effect
    }

    /// `/no-reply` counts only when it comes from the active speaker.
    fn no_reply(&mut self, by: &UserId, dice: &mut Dice) -> Effect {
        if !self.is_active(by) {
            return Effect::Rejected(Rejection::NotCurrentSpeaker);
        }
        self.active_passes(dice)
    }

    /// A silent speaker passes, unless the turn has moved on meanwhile.
    fn timeout(&mut self, turn: u64, dice: &mut Dice) -> Effect {
        if self.is_idle() || turn != self.turn {
            return Effect::Stayed;
        }
        self.active_passes(dice)
    }

    /// In a frame a pass consumes the entry; at root it counts, and when everybody has passed the channel
    /// pauses.
    fn active_passes(&mut self, dice: &mut Dice) -> Effect {
        if self.frames.is_empty() {
            self.record_cursor(Act::Passed);
            self.pass_streak += 1;
            if self.pass_streak as usize >= self.order.len() {
                self.pause();
            } else {
                self.advance(dice);
            }
        } else {
            self.consume_entry();
        }
        Effect::Moved
    }

    /// In a frame it consumes the entry; at root it skips the cursor without touching the streak; when idle
    /// it starts a rotation.
    fn force_proceed(&mut self, by: &UserId, dice: &mut Dice) -> Effect {
        if !self.frames.is_empty() {
            self.consume_entry();
        } else if self.cursor.is_some() {
            self.record_cursor(Act::Passed);
            self.advance(dice);
        } else if let Some(first) = self.first_in_order_except(by) {
            self.begin_round(Some(first));
        } else {
            return Effect::Rejected(Rejection::NobodyToProceedTo);
        }
        Effect::Moved
    }
}
