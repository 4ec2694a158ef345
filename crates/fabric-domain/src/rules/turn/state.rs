//! The state of a turn, and which states there are (spec/2 sections 3 and 11).

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::former::{self, FormerEvent};
use super::frames::{MAX_FRAMES, MAX_SUMMONS};
use crate::model::UserId;

/// Who speaks in which order, and where the channel stands in it. Its size is bounded by the members.
///
/// Always holds: `order` and `bypass` are disjoint and without repeats; the cursor is in `order`; every
/// frame is non-empty, without repeats, made of members, and its position lies inside it; there are at
/// most [`MAX_FRAMES`] frames; who declined or was summoned is a member, the former once and not the active
/// speaker, the latter once to [`MAX_SUMMONS`] times; an idle channel has no frames, no last author, and
/// nobody who declined or was summoned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", rename_all = "camelCase")]
pub struct TurnState {
    pub(super) order: Vec<UserId>,
    pub(super) bypass: Vec<UserId>,
    pub(super) cursor: Option<UserId>,
    pub(super) frames: Vec<Frame>,
    pub(super) last_author: Option<UserId>,
    pub(super) declined: Vec<UserId>,
    pub(super) summoned: BTreeMap<UserId, u8>,
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

    /// Whose place it is.
    pub(super) fn current(&self) -> Option<&UserId> {
        self.queue.get(self.position)
    }
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

    /// Who wrote the latest message, member or not. Nobody while idle, or when `/force-proceed` began the
    /// rotation.
    pub fn last_author(&self) -> Option<&UserId> {
        self.last_author.as_ref()
    }

    /// Members who had the floor since the latest message and did not use it, as it happened.
    pub fn declined(&self) -> &[UserId] {
        &self.declined
    }

    /// Those of the order who were not asked about the latest message yet, in speaking order: neither its
    /// author nor among those who declined. While there is one, the channel does not fall silent by itself.
    pub fn unasked(&self) -> impl Iterator<Item = &UserId> {
        self.unasked_from(0)
    }

    pub(super) fn unasked_from(&self, place: usize) -> impl Iterator<Item = &UserId> {
        let asked: HashSet<&UserId> = self.declined.iter().chain(&self.last_author).collect();
        self.order.iter().skip(place).filter(move |user| !asked.contains(user))
    }

    /// How often each member was put into a frame for the current root place: once to [`MAX_SUMMONS`]
    /// times. Whoever is at the bound is not summoned again until the cursor is reassigned or somebody jumps the queue.
    pub fn summoned(&self) -> &BTreeMap<UserId, u8> {
        &self.summoned
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
            Some(frame) => frame.current().map(Speaker::Mentioned),
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
}

/// The largest number of a turn that is read. No channel comes near it, so that from here, too, counting on stays
/// below 2^53, up to which every JSON parser keeps numbers exactly.
const MAX_TURN: u64 = 1 << 52;

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
    frames: Vec<Frame>,
    last_author: Option<UserId>,
    #[serde(default)]
    declined: Vec<UserId>,
    #[serde(default)]
    summoned: BTreeMap<UserId, u8>,
    turn: u64,
    // Only in states of the first edition of the rules.
    round: Option<Vec<FormerEvent>>,
    #[serde(default)]
    pass_streak: usize,
}

impl TryFrom<Unchecked> for TurnState {
    type Error = InvalidTurnState;

    fn try_from(stored: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { order, bypass, cursor, frames, last_author, declined, summoned, turn, .. } = stored;
        let mut state = Self { order, bypass, cursor, frames, last_author, declined, summoned, turn };
        if let Some(round) = &stored.round {
            former::carry_over(round, stored.pass_streak, &mut state);
        }
        state.check().map(|()| state).map_err(InvalidTurnState)
    }
}

impl TurnState {
    fn check(&self) -> Result<(), &'static str> {
        let mut members = HashSet::new();
        if !self.order.iter().chain(&self.bypass).all(|user| members.insert(user)) {
            return Err("a member sits twice");
        }
        if self.turn > MAX_TURN {
            return Err("the turn has a number beyond counting");
        }
        if self.cursor.as_ref().is_some_and(|cursor| !self.order.contains(cursor)) {
            return Err("the cursor is not in the order");
        }
        if self.frames.len() > MAX_FRAMES {
            return Err("too many frames");
        }
        let are_members_once = |users: &[UserId]| {
            let mut seen = HashSet::new();
            users.iter().all(|user| members.contains(user) && seen.insert(user))
        };
        for frame in &self.frames {
            if frame.position >= frame.queue.len() {
                return Err("a frame's position lies outside of it");
            }
            if !are_members_once(&frame.queue) {
                return Err("a frame's entry is no member or stands twice");
            }
        }
        if !are_members_once(&self.declined) {
            return Err("who declined is no member or stands twice");
        }
        if self.active().is_some_and(|speaker| self.declined.contains(speaker)) {
            return Err("the active speaker has declined");
        }
        let is_possible =
            |(user, times): (&UserId, &u8)| members.contains(user) && (1..=MAX_SUMMONS).contains(times);
        if !self.summoned.iter().all(is_possible) {
            return Err("who was summoned is no member, or never was or too often");
        }
        let is_at_rest = self.last_author.is_none() && self.declined.is_empty() && self.summoned.is_empty();
        if self.is_idle() && !is_at_rest {
            return Err("an idle channel remembers a conversation");
        }
        Ok(())
    }
}
