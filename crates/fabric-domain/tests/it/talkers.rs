//! Members who never pass: how they mention each other, and how long one root place can last with them.

use std::collections::HashMap;

use fabric_domain::model::UserId;
use fabric_domain::rules::turn::{Input, MAX_FRAMES, Seed, TurnState};

use crate::walk::interrupted;

/// How the active speaker chooses whom to mention; each would like to keep the floor among few.
pub(crate) type Mentions = fn(&TurnState, u64) -> Vec<UserId>;

pub(crate) const TALKERS: [(&str, Mentions); 6] = [
    ("everybody at random", |state, seed| {
        let chance = |index: u64| splitmix(seed ^ splitmix(state.turn() * 64 + index));
        let mut chosen: Vec<(u64, UserId)> =
            (0..).zip(members(state)).map(|(index, user)| (chance(index), user)).collect();
        chosen.retain(|(chance, _)| chance % 3 == 0);
        chosen.sort();
        chosen.into_iter().map(|(_, user)| user).collect()
    }),
    ("everybody always", |state, _| members(state).collect()),
    ("everybody always, the last members first", |state, _| {
        let mut everybody: Vec<UserId> = members(state).collect();
        everybody.reverse();
        everybody
    }),
    ("two who only know each other", |state, seed| {
        let pair: Vec<UserId> = members(state).skip(usize::from(seed % 2 == 0)).take(2).collect();
        if state.active().is_some_and(|user| pair.contains(user)) { pair } else { Vec::new() }
    }),
    ("one at a time, as long as somebody can be summoned", |state, _| summonable(state).take(1).collect()),
    ("one at a time, without losing a frame to the fifth", |state, _| {
        let left = usize::from(state.frames().len() < MAX_FRAMES);
        summonable(state).take(left).collect()
    }),
];

fn members(state: &TurnState) -> impl Iterator<Item = UserId> {
    state.order().iter().chain(state.bypass()).cloned()
}

/// Whose mention by the active speaker would open a frame, whoever was summoned least first.
fn summonable(state: &TurnState) -> impl Iterator<Item = UserId> {
    let times = |user: &UserId| state.summoned().get(user).copied().unwrap_or(0);
    let mut users: Vec<UserId> = members(state)
        .filter(|user| Some(user) != state.active() && Some(user) != interrupted(state) && times(user) < 2)
        .collect();
    users.sort_by_key(times);
    users.into_iter()
}

/// Somebody from outside writes, where the channel is idle.
pub(crate) fn awake(state: &TurnState) -> TurnState {
    let mut state = state.clone();
    if state.is_idle() {
        let author = UserId::new("stranger");
        state.apply(&Input::Message { author, mentioned: Vec::new(), turn: None }, Seed(0));
    }
    state
}

fn splitmix(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// "Nobody starves", counted out: in a small channel every way to mention is tried, and the longest talk
/// under one root speaker is found.
#[test]
fn the_longest_talk_of_a_small_channel_is_bounded() {
    for (order, bypass) in [("a b", ""), ("a b c", ""), ("a b", "x"), ("a", "x y")] {
        let users = |names: &str| names.split_whitespace().map(UserId::new).collect::<Vec<_>>();
        let start = awake(&TurnState::new(users(order), users(bypass)));
        let longest = longest_talk(&start, &mut HashMap::new());
        let everybody = members(&start).count();
        assert!(longest <= 4 * everybody + 8, "{order} | {bypass}: {longest} messages");
        assert!(longest > 2 * everybody, "{order} | {bypass}: only {longest} messages");
    }
}

/// Messages until the cursor is another one, at most.
fn longest_talk(state: &TurnState, known: &mut HashMap<String, usize>) -> usize {
    let mut key = serde_json::to_value(state).unwrap();
    key["turn"] = 0.into();
    let key = key.to_string();
    if let Some(longest) = known.get(&key) {
        return *longest;
    }
    let author = state.active().expect("somebody has the floor").clone();
    let mut longest = 1;
    for mentioned in choices(&members(state).filter(|user| *user != author).collect::<Vec<_>>()) {
        let mut next = state.clone();
        next.apply(&Input::Message { author: author.clone(), mentioned, turn: None }, Seed(1));
        if next.cursor() == state.cursor() {
            longest = longest.max(1 + longest_talk(&next, known));
        }
    }
    known.insert(key, longest);
    longest
}

/// Every selection of these users, in every order.
fn choices(users: &[UserId]) -> Vec<Vec<UserId>> {
    let mut choices = vec![Vec::new()];
    for (index, user) in users.iter().enumerate() {
        let mut others = users.to_vec();
        others.remove(index);
        choices.extend(choices_of_rest(user, &others));
    }
    choices
}

fn choices_of_rest(first: &UserId, others: &[UserId]) -> impl Iterator<Item = Vec<UserId>> {
    choices(others).into_iter().map(|rest| std::iter::once(first.clone()).chain(rest).collect())
}
