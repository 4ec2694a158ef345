//! The state of a turn, and which states there are (spec/2 sections 3 and 11).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::frames::MAX_FRAMES;
use crate::model::UserId;

/// Who speaks in which order, and where the channel stands in it.
///
/// Always holds: `order` and `bypass` are disjoint and without repeats; the cursor is in `order`; every
/// frame is non-empty, without repeats, made of members, and its position lies inside it; there are at
/// most [`MAX_FRAMES`] frames; an idle channel has no frames, an empty round and no streak.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", rename_all = "camelCase")]
pub struct TurnState {
    pub(super) order: Vec<UserId>,
    pub(super) bypass: Vec<UserId>,
    pub(super) cursor: Option<UserId>,
    pub(super) round: Vec<RoundEvent>,
    pub(super) pass_streak: u32,
    pub(super) frames: Vec<Frame>,
    pub(super) turn: u64,
}

/// A sub-frame: one linear pass through the mentioned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    pub(super) queue: Vec<UserId>,
    pub(super) position: usize,
}

impl Frame {
    /// Who was mentioned, in that order.
    pub fn queue(&self) -> &[UserId] {
        &self.queue
    }

    /// Whose place it is: an index into the queue.
    pub fn position(&self) -> usize {
        self.position
    }
}

/// What somebody did in this round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundEvent {
    /// Who.
    pub user: UserId,
    /// What.
    pub act: Act,
}

/// What can be done in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Wrote a message.
    Spoke,
    /// Had nothing to say, or was skipped.
    Passed,
}

/// Where in the channel a member sits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seat {
    /// In the rotation.
    #[default]
    Order,
    /// Outside of it, heard only while mentioned.
    Bypass,
}

/// The active speaker, and why it is them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker<'a> {
    /// The rotation came to them.
    Root(&'a UserId),
    /// They were mentioned: an entry of the top frame.
    Mentioned(&'a UserId),
}

impl<'a> Speaker<'a> {
    /// Who it is.
    pub fn user(self) -> &'a UserId {
        match self {
            Self::Root(user) | Self::Mentioned(user) => user,
        }
    }
}

impl TurnState {
    /// The state of a new channel: idle, with this order. Users named in both lists sit in the bypass.
    pub fn new(order: impl IntoIterator<Item = UserId>, bypass: impl IntoIterator<Item = UserId>) -> Self {
        let mut seated = HashSet::new();
        let bypass: Vec<_> = bypass.into_iter().filter(|user| seated.insert(user.clone())).collect();
        let order = order.into_iter().filter(|user| seated.insert(user.clone())).collect();
        Self { order, bypass, ..Self::default() }
    }

    /// Members in speaking order.
    pub fn order(&self) -> &[UserId] {
        &self.order
    }

    /// Members outside the rotation.
    pub fn bypass(&self) -> &[UserId] {
        &self.bypass
    }

    /// The root speaker. Somebody else may be active, in a frame above.
    pub fn cursor(&self) -> Option<&UserId> {
        self.cursor.as_ref()
    }

    /// What happened in this round.
    pub fn round(&self) -> &[RoundEvent] {
        &self.round
    }

    /// Consecutive root passes, across rounds.
    pub fn pass_streak(&self) -> u32 {
        self.pass_streak
    }

    /// The stack of sub-frames, bottom-most first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Grows by one whenever the active speaker is (re)assigned.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// The active speaker: the entry at the top frame's position, else the cursor, else nobody (idle).
    pub fn speaker(&self) -> Option<Speaker<'_>> {
        match self.frames.last() {
            Some(frame) => frame.queue.get(frame.position).map(Speaker::Mentioned),
            None => self.cursor.as_ref().map(Speaker::Root),
        }
    }

    /// The active speaker's id.
    pub fn active(&self) -> Option<&UserId> {
        self.speaker().map(Speaker::user)
    }

    /// Whether nobody's turn it is.
    pub fn is_idle(&self) -> bool {
        self.speaker().is_none()
    }

    /// Whether this user is a member: in the order or in the bypass.
    pub fn is_member(&self, user: &UserId) -> bool {
        self.order.contains(user) || self.bypass.contains(user)
    }

    pub(super) fn is_active(&self, user: &UserId) -> bool {
        self.active() == Some(user)
    }

    pub(super) fn first_in_order_except(&self, user: &UserId) -> Option<UserId> {
        self.order.iter().find(|other| *other != user).cloned()
    }
}

/// A stored state that breaks what always holds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid turn state: {0}")]
pub struct InvalidTurnState(&'static str);

/// What is read from storage, before it is believed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unchecked {
    order: Vec<UserId>,
    bypass: Vec<UserId>,
    cursor: Option<UserId>,
    round: Vec<RoundEvent>,
    pass_streak: u32,
    frames: Vec<Frame>,
    turn: u64,
}

impl TryFrom<Unchecked> for TurnState {
    type Error = InvalidTurnState;

    fn try_from(stored: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { order, bypass, cursor, round, pass_streak, frames, turn } = stored;
        let state = Self { order, bypass, cursor, round, pass_streak, frames, turn };
        state.check().map(|()| state).map_err(InvalidTurnState)
    }
}

impl TurnState {
    fn check(&self) -> Result<(), &'static str> {
        let mut members = HashSet::new();
        if !self.order.iter().chain(&self.bypass).all(|user| members.insert(user)) {
            return Err("a member sits twice");
        }
        if self.cursor.as_ref().is_some_and(|cursor| !self.order.contains(cursor)) {
            return Err("the cursor is not in the order");
        }
        if self.frames.len() > MAX_FRAMES {
            return Err("too many frames");
        }
        for frame in &self.frames {
            let mut entries = HashSet::new();
            if frame.position >= frame.queue.len() {
                return Err("a frame's position lies outside of it");
            }
            if !frame.queue.iter().all(|user| members.contains(user) && entries.insert(user)) {
                return Err("a frame's entry is no member or stands twice");
            }
        }
        if self.is_idle() && (!self.round.is_empty() || self.pass_streak > 0) {
            return Err("an idle channel has a round");
        }
        Ok(())
    }
}
