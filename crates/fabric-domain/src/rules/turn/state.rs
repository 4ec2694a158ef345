//! The state of a turn, and which states there are (spec/2 sections 3 and 11).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Seats;
use super::declined::Declined;
use super::frames::{MAX_FRAMES, MAX_SUMMONS};
use super::stored::Unchecked;
use crate::model::UserId;

/// Who speaks in which order, and where the channel stands in it. Its size is bounded by the members.
///
/// A clone shares the [`Seats`] until one of the two changes them, so that a step costs the same however many members
/// there are. The exceptions are the end of a round, and members who go or move: they cost as much as there are members.
///
/// Always holds: `order` and `bypass` are disjoint and without repeats; the cursor is in `order`; every
/// frame is non-empty, without repeats, made of members, and its position lies inside it; there are at
/// most [`MAX_FRAMES`] frames; who declined or was summoned is a member, the former once and not the active
/// speaker, the latter once to [`MAX_SUMMONS`] times; an idle channel has no frames, no last author, and
/// nobody who declined or was summoned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct TurnState {
    pub(super) seats: Arc<Seats>,
    pub(super) cursor: Option<UserId>,
    pub(super) frames: Vec<Frame>,
    pub(super) last_author: Option<UserId>,
    pub(super) declined: Declined,
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
        let mut seats = Seats::default();
        for (users, seat) in [
            (bypass.into_iter().collect::<Vec<_>>(), Seat::Bypass),
            (order.into_iter().collect(), Seat::Order),
        ] {
            for user in &users {
                seats.add(user, seat);
            }
        }
        Self { seats: Arc::new(seats), ..Self::default() }
    }

    /// Who sits where.
    pub fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Members in speaking order.
    pub fn order(&self) -> &[UserId] {
        self.seats.order()
    }

    /// Members outside the rotation.
    pub fn bypass(&self) -> &[UserId] {
        self.seats.bypass()
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
        self.declined.names(&self.seats)
    }

    /// Those of the order who were not asked about the latest message yet, in speaking order: neither its
    /// author nor among those who declined. While there is one, the channel does not fall silent by itself.
    pub fn unasked(&self) -> impl Iterator<Item = &UserId> {
        self.unasked_from(0)
    }

    pub(super) fn unasked_from(&self, place: usize) -> impl Iterator<Item = &UserId> {
        let from = self.order().iter().enumerate().skip(place);
        let unasked = from.filter(|(place, user)| {
            !self.declined.has_place(*place) && self.last_author.as_ref() != Some(*user)
        });
        unasked.map(|(_, user)| user)
    }

    pub(super) fn has_declined(&self, user: &UserId) -> bool {
        self.declined.contains(&self.seats, user)
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
        self.seats.contains(user)
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
pub struct InvalidTurnState(pub(super) &'static str);

impl TurnState {
    /// The state in which these have declined, where it is one that can be.
    pub(super) fn checked(mut self, declined: Vec<UserId>) -> Result<Self, InvalidTurnState> {
        if !self.are_members_once(&declined) {
            return Err(InvalidTurnState("who declined is no member or stands twice"));
        }
        self.declined = Declined::of(&self.seats, declined);
        self.check().map(|()| self).map_err(InvalidTurnState)
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.turn > MAX_TURN {
            return Err("the turn has a number beyond counting");
        }
        if self.cursor.as_ref().is_some_and(|cursor| self.seats.place(cursor).is_none()) {
            return Err("the cursor is not in the order");
        }
        if self.frames.len() > MAX_FRAMES {
            return Err("too many frames");
        }
        for frame in &self.frames {
            if frame.position >= frame.queue.len() {
                return Err("a frame's position lies outside of it");
            }
            if !self.are_members_once(&frame.queue) {
                return Err("a frame's entry is no member or stands twice");
            }
        }
        if self.active().is_some_and(|speaker| self.has_declined(speaker)) {
            return Err("the active speaker has declined");
        }
        let is_possible =
            |(user, times): (&UserId, &u8)| self.is_member(user) && (1..=MAX_SUMMONS).contains(times);
        if !self.summoned.iter().all(is_possible) {
            return Err("who was summoned is no member, or never was or too often");
        }
        let is_at_rest = self.last_author.is_none() && self.declined.is_empty() && self.summoned.is_empty();
        if self.is_idle() && !is_at_rest {
            return Err("an idle channel remembers a conversation");
        }
        Ok(())
    }

    fn are_members_once(&self, users: &[UserId]) -> bool {
        let mut seen = HashSet::new();
        users.iter().all(|user| self.is_member(user) && seen.insert(user))
    }
}
