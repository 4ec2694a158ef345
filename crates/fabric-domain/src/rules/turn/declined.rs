//! Who had the floor since the latest message and did not use it (spec/2 section 3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::Seats;
use crate::model::UserId;

/// Those who declined, as it happened. The rotation asks one after the other, so most of them sit in a row: what is kept
/// are stretches of the order, and a pass costs the same after ten others and after ten thousand.
///
/// It is about the seats as they are: whoever changes places makes it anew ([`Self::of`]).
#[derive(Clone, Default)]
pub(super) struct Declined {
    stretches: Vec<Stretch>,
    /// The same places, to be found: each stretch's end by its beginning.
    places: BTreeMap<usize, usize>,
    /// The same members of the bypass, to be found.
    bypass: BTreeSet<UserId>,
    /// All of them by name, once somebody asks.
    names: OnceLock<Arc<[UserId]>>,
}

/// Some who declined one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Stretch {
    /// They sit in the order, from a place to before another.
    Order(usize, usize),
    /// A member of the bypass.
    Bypass(UserId),
}

impl Declined {
    /// These, but for those who have no seat.
    pub(super) fn of(seats: &Seats, users: impl IntoIterator<Item = UserId>) -> Self {
        let mut declined = Self::default();
        for user in users {
            declined.push(seats, user);
        }
        declined
    }

    /// One more, who was not among them.
    pub(super) fn push(&mut self, seats: &Seats, user: UserId) {
        self.names.take();
        if let Some(place) = seats.place(&user) {
            match self.stretches.last_mut() {
                Some(Stretch::Order(_, end)) if *end == place => *end += 1,
                _ => self.stretches.push(Stretch::Order(place, place + 1)),
            }
            match self.places.range_mut(..=place).next_back() {
                Some((_, end)) if *end == place => *end += 1,
                _ => {
                    self.places.insert(place, place + 1);
                }
            }
        } else if seats.contains(&user) {
            self.bypass.insert(user.clone());
            self.stretches.push(Stretch::Bypass(user));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Whether this member is among them.
    pub(super) fn contains(&self, seats: &Seats, user: &UserId) -> bool {
        seats.place(user).map_or_else(|| self.bypass.contains(user), |place| self.has_place(place))
    }

    /// Whether the one at this place of the order is among them.
    pub(super) fn has_place(&self, place: usize) -> bool {
        self.places.range(..=place).next_back().is_some_and(|(_, end)| place < *end)
    }

    /// All of them, as it happened.
    pub(super) fn names(&self, seats: &Seats) -> &[UserId] {
        self.names.get_or_init(|| Stretch::names(&self.stretches, seats).cloned().collect())
    }

    /// What is stored.
    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }
}

impl Stretch {
    /// Whether there is somebody there.
    pub(super) fn is_of(&self, seats: &Seats) -> bool {
        match self {
            Self::Order(begin, end) => begin < end && *end <= seats.order().len(),
            Self::Bypass(user) => seats.contains(user),
        }
    }

    /// Who that is, in their order.
    pub(super) fn names<'a>(
        stretches: &'a [Self],
        seats: &'a Seats,
    ) -> impl Iterator<Item = &'a UserId> + use<'a> {
        stretches.iter().flat_map(|stretch| match stretch {
            Self::Order(begin, end) => seats.order().get(*begin..*end).unwrap_or_default(),
            Self::Bypass(user) => std::slice::from_ref(user),
        })
    }
}

/// Of the same seats.
impl PartialEq for Declined {
    fn eq(&self, other: &Self) -> bool {
        self.stretches == other.stretches
    }
}

impl Eq for Declined {}

impl std::fmt::Debug for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stretches.fmt(f)
    }
}
