//! How a state is stored: as a whole, or in two parts, of which the large one seldom changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::declined::{Declined, Stretch};
use super::former::{self, FormerEvent};
use super::{Frame, InvalidTurnState, Seats, TurnState};
use crate::model::UserId;

/// All of a state but its [`Seats`]; it means nothing without them. It is small however many members there are: it grows
/// with the mentions whose frames are open or count, but not with those who declined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Floor {
    cursor: Option<UserId>,
    frames: Vec<Frame>,
    last_author: Option<UserId>,
    declined: Vec<Stretch>,
    summoned: BTreeMap<UserId, u8>,
    turn: u64,
}

impl TurnState {
    /// The part that changes with every step.
    pub fn floor(&self) -> Floor {
        Floor {
            cursor: self.cursor.clone(),
            frames: self.frames.clone(),
            last_author: self.last_author.clone(),
            declined: self.declined.stretches().to_vec(),
            summoned: self.summoned.clone(),
            turn: self.turn,
        }
    }

    /// The state of which these are the parts. Refuses what no state can be.
    pub fn seated(seats: Seats, floor: Floor) -> Result<Self, InvalidTurnState> {
        let Floor { cursor, frames, last_author, declined, summoned, turn } = floor;
        if !declined.iter().all(|stretch| stretch.is_of(&seats)) {
            return Err(InvalidTurnState("who declined has a place that there is not"));
        }
        let declined = Stretch::names(&declined, &seats).cloned().collect();
        let (seats, nobody) = (Arc::new(seats), Declined::default());
        Self { seats, cursor, frames, last_author, declined: nobody, summoned, turn }.checked(declined)
    }
}

/// A state as a whole, everybody by name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    order: &'a [UserId],
    bypass: &'a [UserId],
    cursor: Option<&'a UserId>,
    frames: &'a [Frame],
    last_author: Option<&'a UserId>,
    declined: &'a [UserId],
    summoned: &'a BTreeMap<UserId, u8>,
    turn: u64,
}

impl Serialize for TurnState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = Whole {
            order: self.order(),
            bypass: self.bypass(),
            cursor: self.cursor(),
            frames: self.frames(),
            last_author: self.last_author(),
            declined: self.declined(),
            summoned: self.summoned(),
            turn: self.turn(),
        };
        whole.serialize(serializer)
    }
}

/// As a whole, before it is believed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unchecked {
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
        let (seats, nobody) = (Arc::new(Seats::new(order, bypass)?), Declined::default());
        let mut state = Self { seats, cursor, frames, last_author, declined: nobody, summoned, turn };
        let declined = match &stored.round {
            Some(round) => former::carry_over(round, stored.pass_streak, &mut state),
            None => declined,
        };
        state.checked(declined)
    }
}
