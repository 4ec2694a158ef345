//! Random walks through the states of a turn: every input, in any order, from anybody, meaning any turn.

use std::ops::RangeInclusive;

use fabric_domain::model::UserId;
use fabric_domain::rules::turn::{Effect, Input, Seat, Seed, TurnState};
use proptest::prelude::*;

/// Inputs of a walk, where nothing else is asked for.
pub(crate) const USUAL: RangeInclusive<usize> = 1..=80;

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
    Message(Who, Vec<Who>, Meant),
    NoReply(Who, Meant),
    ForceProceed(Who, Meant),
    /// A turn this far from the current one.
    Timeout(i64),
    Add(Who, Seat),
    Remove(Who),
    ToBypass(Who),
    ToOrder(Who),
}

/// The turn that somebody names: this far from the current one; or they name none.
pub(crate) type Meant = Option<i64>;

/// A user by name, or by the part they play in the state at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    User(u8),
    Active,
    Root,
    /// Whom the top frame interrupted.
    Interrupted,
    LastAuthor,
    /// Who declined last.
    Declined,
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

/// The speaker whom the top frame interrupted: the entry below it, or else the root speaker.
pub(crate) fn interrupted(state: &TurnState) -> Option<&UserId> {
    match state.frames() {
        [] => None,
        [_] => state.cursor(),
        [.., below, _] => below.queue().get(below.position()),
    }
}

impl Who {
    fn in_state(self, state: &TurnState) -> UserId {
        let by_part = match self {
            Self::User(index) => Some(user(index)),
            Self::Active => state.active().cloned(),
            Self::Root => state.cursor().cloned(),
            Self::Interrupted => interrupted(state).cloned(),
            Self::LastAuthor => state.last_author().cloned(),
            Self::Declined => state.declined().last().cloned(),
        };
        by_part.unwrap_or_else(|| user(0))
    }
}

impl What {
    pub(crate) fn in_state(&self, state: &TurnState) -> Input {
        let named = |meant: &Meant| meant.map(|off| state.turn().wrapping_add_signed(off));
        match self {
            Self::Message(author, mentioned, meant) => Input::Message {
                author: author.in_state(state),
                mentioned: mentioned.iter().map(|who| who.in_state(state)).collect(),
                turn: named(meant),
            },
            Self::NoReply(by, meant) => Input::NoReply { by: by.in_state(state), turn: named(meant) },
            Self::ForceProceed(by, meant) => {
                Input::ForceProceed { by: by.in_state(state), turn: named(meant) }
            }
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

/// Scripts of so many inputs.
pub(crate) fn scripts(length: RangeInclusive<usize>) -> impl Strategy<Value = Script> {
    let seat = prop_oneof![3 => Just(Some(Seat::Order)), 2 => Just(Some(Seat::Bypass)), 3 => Just(None)];
    let seats = proptest::collection::vec(seat, usize::from(USERS));
    let moves = prop_oneof![
        4 => proptest::collection::vec(moves(), length.clone()),
        1 => proptest::collection::vec(quiet_moves(), length),
    ];
    (seats, moves).prop_map(|(seats, moves)| {
        let seated = |wanted| {
            let seated = everybody().zip(seats.clone()).filter(move |(_, seat)| *seat == Some(wanted));
            seated.map(|(user, _)| user).collect()
        };
        Script { order: seated(Seat::Order), bypass: seated(Seat::Bypass), moves }
    })
}

/// Much is passed here and little said, while members change their seats: many decline in a row.
fn quiet_moves() -> impl Strategy<Value = Move> {
    let mentions = prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(who(), 1..=6)];
    let what = prop_oneof![
        3 => who().prop_map(|by| What::ForceProceed(by, None)),
        8 => Just(What::NoReply(Who::Active, None)),
        2 => (who(), mentions).prop_map(|(author, mentioned)| What::Message(author, mentioned, None)),
        1 => prop_oneof![Just(Who::Declined), Just(Who::Root)].prop_map(What::ToBypass),
        2 => who().prop_map(What::ToOrder),
        2 => prop_oneof![Just(Who::Declined), Just(Who::Active)].prop_map(What::Remove),
        2 => (who(), Just(Seat::Order)).prop_map(|(who, seat)| What::Add(who, seat)),
    ];
    (what, any::<u64>()).prop_map(|(what, seed)| Move { what, seed: Seed(seed) })
}

fn moves() -> impl Strategy<Value = Move> {
    let mentions = prop_oneof![
        3 => Just(Vec::new()),
        2 => proptest::collection::vec(who(), 1..=6),
    ];
    let what = prop_oneof![
        10 => (who(), mentions, meant())
            .prop_map(|(author, mentioned, meant)| What::Message(author, mentioned, meant)),
        6 => (who(), meant()).prop_map(|(by, meant)| What::NoReply(by, meant)),
        3 => (who(), meant()).prop_map(|(by, meant)| What::ForceProceed(by, meant)),
        3 => prop_oneof![3 => Just(0), 1 => -3_i64..=3].prop_map(What::Timeout),
        2 => (who(), prop_oneof![3 => Just(Seat::Order), 1 => Just(Seat::Bypass)])
            .prop_map(|(who, seat)| What::Add(who, seat)),
        2 => who().prop_map(What::Remove),
        2 => who().prop_map(What::ToBypass),
        2 => who().prop_map(What::ToOrder),
    ];
    (what, any::<u64>()).prop_map(|(what, seed)| Move { what, seed: Seed(seed) })
}

/// Mostly no turn or the current one; now and then an earlier or a later one.
fn meant() -> impl Strategy<Value = Meant> {
    prop_oneof![5 => Just(None), 4 => Just(Some(0)), 1 => (-3_i64..=3).prop_map(Some)]
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        5 => (0..USERS).prop_map(Who::User),
        5 => Just(Who::Active),
        1 => Just(Who::Root),
        1 => Just(Who::Interrupted),
        1 => Just(Who::LastAuthor),
        1 => Just(Who::Declined),
    ]
}
