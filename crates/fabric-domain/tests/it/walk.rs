//! Random walks through the states of a turn: every input, in any order, from anybody.

use fabric_domain::model::UserId;
use fabric_domain::rules::turn::{Effect, Input, Seat, Seed, TurnState};
use proptest::prelude::*;

/// Users `a` to `i`; who of them is a member changes along the way.
const USERS: u8 = 9;

/// A channel to begin with, and what then happens to it.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) order: Vec<UserId>,
    pub(crate) bypass: Vec<UserId>,
    pub(crate) moves: Vec<Move>,
}

/// An input that may depend on the state it meets, so that walks do get somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) what: What,
    pub(crate) seed: Seed,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Message(Who, Vec<Who>),
    NoReply(Who),
    ForceProceed(Who),
    /// A turn this far from the current one.
    Timeout(i64),
    Add(Who, Seat),
    Remove(Who),
    ToBypass(Who),
    ToOrder(Who),
}

/// A user by name, or by the part they play in the state at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    User(u8),
    Active,
    Root,
    /// Who last did something in this round.
    Latest,
}

/// One step of a walk.
pub(crate) struct Step<'a> {
    pub(crate) before: &'a TurnState,
    pub(crate) input: &'a Input,
    pub(crate) seed: Seed,
    pub(crate) effect: Effect,
    pub(crate) after: &'a TurnState,
}

pub(crate) fn user(index: u8) -> UserId {
    UserId::new(char::from(b'a' + index).to_string())
}

pub(crate) fn everybody() -> impl Iterator<Item = UserId> {
    (0..USERS).map(user)
}

impl Who {
    fn in_state(self, state: &TurnState) -> UserId {
        let by_part = match self {
            Self::User(index) => Some(user(index)),
            Self::Active => state.active().cloned(),
            Self::Root => state.cursor().cloned(),
            Self::Latest => state.round().last().map(|event| event.user.clone()),
        };
        by_part.unwrap_or_else(|| user(0))
    }
}

impl What {
    pub(crate) fn in_state(&self, state: &TurnState) -> Input {
        match self {
            Self::Message(author, mentioned) => Input::Message {
                author: author.in_state(state),
                mentioned: mentioned.iter().map(|who| who.in_state(state)).collect(),
            },
            Self::NoReply(by) => Input::NoReply { by: by.in_state(state) },
            Self::ForceProceed(by) => Input::ForceProceed { by: by.in_state(state) },
            Self::Timeout(off) => Input::Timeout { turn: state.turn().wrapping_add_signed(*off) },
            Self::Add(who, seat) => Input::MemberAdded { user: who.in_state(state), seat: *seat },
            Self::Remove(who) => Input::MemberRemoved { user: who.in_state(state) },
            Self::ToBypass(who) => Input::MovedToBypass { user: who.in_state(state) },
            Self::ToOrder(who) => Input::MovedToOrder { user: who.in_state(state) },
        }
    }
}

impl Script {
    pub(crate) fn start(&self) -> TurnState {
        TurnState::new(self.order.clone(), self.bypass.clone())
    }

    /// Goes through the script and shows every step.
    pub(crate) fn walk<E>(&self, mut see: impl FnMut(&Step<'_>) -> Result<(), E>) -> Result<TurnState, E> {
        let mut state = self.start();
        for Move { what, seed } in &self.moves {
            let before = state.clone();
            let input = what.in_state(&state);
            let effect = state.apply(&input, *seed);
            see(&Step { before: &before, input: &input, seed: *seed, effect, after: &state })?;
        }
        Ok(state)
    }
}

pub(crate) fn scripts(length: usize) -> impl Strategy<Value = Script> {
    let seat = prop_oneof![3 => Just(Some(Seat::Order)), 2 => Just(Some(Seat::Bypass)), 3 => Just(None)];
    let seats = proptest::collection::vec(seat, usize::from(USERS));
    let moves = prop_oneof![
        4 => proptest::collection::vec(moves(), 1..=length),
        1 => proptest::collection::vec(quiet_moves(), 1..=length),
    ];
    (seats, moves).prop_map(|(seats, moves)| {
        let seated = |wanted| {
            let seated = everybody().zip(seats.clone()).filter(move |(_, seat)| *seat == Some(wanted));
            seated.map(|(user, _)| user).collect()
        };
        Script { order: seated(Seat::Order), bypass: seated(Seat::Bypass), moves }
    })
}

/// Much is passed here and little said, while members change their seats: rounds get long.
fn quiet_moves() -> impl Strategy<Value = Move> {
    let what = prop_oneof![
        5 => who().prop_map(What::ForceProceed),
        2 => Just(What::NoReply(Who::Active)),
        1 => who().prop_map(|author| What::Message(author, Vec::new())),
        3 => Just(What::ToBypass(Who::Latest)),
        3 => who().prop_map(What::ToOrder),
    ];
    (what, any::<u64>()).prop_map(|(what, seed)| Move { what, seed: Seed(seed) })
}

fn moves() -> impl Strategy<Value = Move> {
    let mentions = prop_oneof![
        3 => Just(Vec::new()),
        2 => proptest::collection::vec(who(), 1..=6),
    ];
    let what = prop_oneof![
        10 => (who(), mentions).prop_map(|(author, mentioned)| What::Message(author, mentioned)),
        6 => who().prop_map(What::NoReply),
        3 => who().prop_map(What::ForceProceed),
        3 => prop_oneof![3 => Just(0), 1 => -3_i64..=3].prop_map(What::Timeout),
        2 => (who(), prop_oneof![3 => Just(Seat::Order), 1 => Just(Seat::Bypass)])
            .prop_map(|(who, seat)| What::Add(who, seat)),
        2 => who().prop_map(What::Remove),
        2 => who().prop_map(What::ToBypass),
        2 => who().prop_map(What::ToOrder),
    ];
    (what, any::<u64>()).prop_map(|(what, seed)| Move { what, seed: Seed(seed) })
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        5 => (0..USERS).prop_map(Who::User),
        4 => Just(Who::Active),
        1 => Just(Who::Root),
        2 => Just(Who::Latest),
    ]
}
