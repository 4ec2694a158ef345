//! Who sits where: the order and the bypass (spec/2 section 3).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{InvalidTurnState, Seat};
use crate::model::UserId;

/// The order and the bypass of a channel: disjoint, and without repeats. States share it from one step to the next, and
/// a store keeps it by itself: it changes only when a round ends, and when members come, go or move.
///
/// To find somebody takes the same time however many members there are, and so does adding one. All else that changes
/// it costs as much as there are members.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Seats {
    order: Vec<UserId>,
    bypass: Vec<UserId>,
    /// Where in the order everybody sits; `None` is the bypass.
    #[serde(skip)]
    places: HashMap<UserId, Option<usize>>,
}

#[derive(Deserialize)]
struct Unchecked {
    order: Vec<UserId>,
    bypass: Vec<UserId>,
}

impl TryFrom<Unchecked> for Seats {
    type Error = InvalidTurnState;

    fn try_from(stored: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { order, bypass } = stored;
        Self::new(order, bypass)
    }
}

impl Seats {
    /// Refuses whoever sits twice.
    pub(super) fn new(order: Vec<UserId>, bypass: Vec<UserId>) -> Result<Self, InvalidTurnState> {
        let mut seats = Self { order, bypass, places: HashMap::new() };
        seats.number();
        let seated = seats.order.len() + seats.bypass.len();
        if seats.places.len() == seated { Ok(seats) } else { Err(InvalidTurnState("a member sits twice")) }
    }

    /// Members in speaking order.
    pub fn order(&self) -> &[UserId] {
        &self.order
    }

    /// Members outside the rotation.
    pub fn bypass(&self) -> &[UserId] {
        &self.bypass
    }

    /// Whether this user has a seat.
    pub fn contains(&self, user: &UserId) -> bool {
        self.places.contains_key(user)
    }

    /// Where in the order this user sits.
    pub(super) fn place(&self, user: &UserId) -> Option<usize> {
        self.places.get(user).copied().flatten()
    }

    /// A seat at the end, for whoever has none.
    pub(super) fn add(&mut self, user: &UserId, seat: Seat) {
        if self.contains(user) {
            return;
        }
        let (seats, place) = match seat {
            Seat::Order => (&mut self.order, Some(self.places.len() - self.bypass.len())),
            Seat::Bypass => (&mut self.bypass, None),
        };
        seats.push(user.clone());
        self.places.insert(user.clone(), place);
    }

    /// Takes somebody's seat away.
    pub(super) fn remove(&mut self, user: &UserId) {
        self.order.retain(|member| member != user);
        self.bypass.retain(|member| member != user);
        self.number();
    }

    /// To the end of there.
    pub(super) fn move_to(&mut self, user: &UserId, seat: Seat) {
        self.remove(user);
        self.add(user, seat);
    }

    /// The same members in another order.
    pub(super) fn reorder(&mut self, order: Vec<UserId>) {
        self.order = order;
        self.number();
    }

    fn number(&mut self) {
        let order = self.order.iter().cloned().zip((0..).map(Some));
        self.places = order.chain(self.bypass.iter().cloned().map(|user| (user, None))).collect();
    }
}

impl PartialEq for Seats {
    fn eq(&self, other: &Self) -> bool {
        // Mostly the same ones.
        std::ptr::eq(self, other) || (&self.order, &self.bypass) == (&other.order, &other.bypass)
    }
}

impl Eq for Seats {}

impl std::fmt::Debug for Seats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { order, bypass, places: _ } = self;
        f.debug_struct("Seats").field("order", order).field("bypass", bypass).finish()
    }
}
