//! Random walks against the naive model and against every sentence of spec/2 section 11.
//!
//! `FABRIC_WALKS=20000` asks for so many walks of 300 inputs each instead of the usual few short ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fabric_domain::model::UserId;
use fabric_domain::rules::turn::{Effect, Input, Seat, Seed, TurnState};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestCaseError;

use crate::invariants as must;
use crate::naive::{Naive, View};
use crate::talkers::{TALKERS, awake};
use crate::walk::{Script, Step, USUAL, scripts};

/// How many walks the environment asks for.
fn asked_for() -> Option<u32> {
    let walks = std::env::var("FABRIC_WALKS").ok()?;
    Some(walks.parse().expect("FABRIC_WALKS is a number of walks"))
}

fn configured(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: asked_for().unwrap_or(cases),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn walks() -> impl Strategy<Value = Script> {
    scripts(if asked_for().is_some() { 300..=300 } else { USUAL })
}

fn holds(found: Result<(), String>, step: &Step<'_>) -> Result<(), TestCaseError> {
    found.map_err(|why| {
        let Step { before, input, seed, effect, after } = step;
        TestCaseError::fail(format!(
            "{why}\nbefore {before:?}\n {input:?} {seed:?} {effect:?}\nafter {after:?}"
        ))
    })
}

fn agrees(naive: &mut Naive, step: &Step<'_>) -> Result<(), String> {
    let effect = naive.step(step.input, step.after.order()).map_err(|refused| refused.0)?;
    let (expected, seen) = (naive.view(), View::of(step.after));
    if expected != seen {
        return Err(format!("the naive model came to {expected:?}"));
    }
    if effect != step.effect {
        return Err(format!("the naive model says {effect:?}"));
    }
    Ok(())
}

fn start_of(script: &Script) -> Naive {
    Naive::new(script.order.clone(), script.bypass.clone())
}

proptest! {
    #![proptest_config(configured(1500))]

    #[test]
    fn the_engine_does_what_the_naive_model_does(script in walks()) {
        let mut naive = start_of(&script);
        script.walk(|step| holds(agrees(&mut naive, step), step))?;
    }
}

proptest! {
    #![proptest_config(configured(400))]

    #[test]
    fn invariant_1_order_and_bypass_are_disjoint_and_together_the_members(script in walks()) {
        let mut members: BTreeSet<UserId> = script.order.iter().chain(&script.bypass).cloned().collect();
        script.walk(|step| {
            must::count_members(&mut members, step.input);
            holds(must::members_sit_once(step.after, &members), step)
        })?;
    }

    #[test]
    fn invariant_2_the_active_speaker_is_a_member(script in walks()) {
        script.walk(|step| holds(must::the_active_speaker_is_a_member(step.after), step))?;
    }

    #[test]
    fn invariant_3_at_most_one_is_woken_and_never_the_author(script in walks()) {
        script.walk(|step| holds(must::at_most_one_is_woken(step), step))?;
    }

    #[test]
    fn invariant_3_nobody_is_handed_the_floor_that_they_have_just_used(script in walks()) {
        script.walk(|step| holds(must::nobody_is_handed_the_floor_that_they_have_just_used(step), step))?;
    }

    #[test]
    fn invariant_4_frames_are_in_bounds_and_an_idle_channel_remembers_nothing(script in walks()) {
        script.walk(|step| holds(must::frames_are_in_bounds(step.after), step))?;
    }

    #[test]
    fn invariant_5_the_first_speaker_of_a_round_is_not_the_last_author(script in walks()) {
        script.walk(|step| holds(must::the_first_speaker_of_a_round_is_not_the_last_author(step), step))?;
    }

    #[test]
    fn invariant_6_if_everyone_passes_the_channel_falls_silent(script in walks()) {
        script.walk(|step| holds(must::silence_ends(step.after, step.seed), step))?;
    }

    #[test]
    fn invariant_7_silence_means_consent(script in walks()) {
        let mut silence = must::Silence::default();
        script.walk(|step| holds(silence.means_consent(step), step))?;
    }

    #[test]
    fn invariant_7_the_rotation_asks_nobody_twice_for_the_same_message(script in walks()) {
        let mut silence = must::Silence::default();
        script.walk(|step| holds(silence.asks_nobody_twice(step), step))?;
    }

    #[test]
    fn invariant_8_nobody_starves(script in walks(), seed in any::<u64>()) {
        let reached = script.walk(|_| Ok::<_, TestCaseError>(()))?;
        for (name, mentions) in TALKERS {
            let starves = must::nobody_starves(&awake(&reached), Seed(seed), |state| mentions(state, seed));
            starves.map_err(|why| TestCaseError::fail(format!("{name}: {why}\nfrom {reached:?}")))?;
        }
    }

    #[test]
    fn invariant_9_replaying_the_log_gives_the_same_states_bit_for_bit(script in walks()) {
        let mut log: Vec<(Input, Seed)> = Vec::new();
        let mut states: Vec<TurnState> = Vec::new();
        script.walk(|step| {
            log.push((step.input.clone(), step.seed));
            states.push(step.after.clone());
            holds(must::one_step_replays(step), step)
        })?;
        let log: Vec<(Input, Seed)> = must::through_json(&log);
        let mut state: TurnState = must::through_json(&script.start());
        for ((input, seed), recorded) in log.iter().zip(&states) {
            state.apply(input, *seed);
            prop_assert_eq!(&state, recorded);
        }
        prop_assert_eq!(serde_json::to_string(&state).unwrap(), serde_json::to_string(states.last().unwrap()).unwrap());
    }

    #[test]
    fn invariant_10_force_proceed_always_goes_on(script in walks()) {
        script.walk(|step| {
            holds(must::force_proceed_goes_on(step.after, step.seed), step)?;
            let mut timed_out = step.after.clone();
            timed_out.apply(&Input::Timeout { turn: step.after.turn() }, step.seed);
            holds(must::force_proceed_goes_on(&timed_out, step.seed), step)
        })?;
    }

    #[test]
    fn the_turn_counts_assignments(script in walks()) {
        script.walk(|step| holds(must::the_turn_counts(step), step))?;
    }

    #[test]
    fn the_state_is_bounded_by_the_members(script in walks()) {
        script.walk(|step| holds(must::the_state_is_bounded_by_the_members(step.after), step))?;
    }
}

/// "Every arrangement that does not begin with them is equally likely."
#[test]
fn the_end_of_a_round_prefers_no_arrangement() {
    const EACH: u32 = 300;
    let [a, b, c, d] = ["a", "b", "c", "d"].map(UserId::new);
    let says = |author: &UserId| Input::Message { author: author.clone(), mentioned: vec![], turn: None };
    let mut round = TurnState::new([a.clone(), b.clone(), c.clone(), d.clone()], []);
    for author in [&d, &a, &b, &c] {
        round.apply(&says(author), Seed(0));
    }
    let mut seen: BTreeMap<Vec<UserId>, u32> = BTreeMap::new();
    for seed in 0..18 * EACH {
        let mut next = round.clone();
        next.apply(&says(&d), Seed(seed.into()));
        *seen.entry(next.order().to_vec()).or_default() += 1;
    }
    assert_eq!(seen.len(), 18, "four in any order but those that begin with the last author: {seen:?}");
    for (order, times) in seen {
        assert_ne!(order[0], d);
        // Five standard deviations of a fair choice.
        assert!(times.abs_diff(EACH) < 85, "{order:?} came {times} times, a fair share is {EACH}");
    }
}

/// Never timed: it only says how fast this machine was.
#[test]
fn steps_per_second() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let walks: Vec<Script> =
        (0..250).map(|_| scripts(1..=400).new_tree(&mut runner).unwrap().current()).collect();
    let steps: u32 = walks.iter().map(|script| u32::try_from(script.moves.len()).unwrap()).sum();
    let clock = Instant::now();
    let mut engine_only = Duration::ZERO;
    for script in &walks {
        let mut state = script.start();
        let inputs: Vec<_> = script
            .moves
            .iter()
            .map(|one| {
                let input = one.what.in_state(&state);
                state.apply(&input, one.seed);
                (input, one.seed)
            })
            .collect();
        let mut state = script.start();
        let apply = Instant::now();
        for (input, seed) in &inputs {
            state.apply(input, *seed);
        }
        engine_only += apply.elapsed();
        let mut naive = start_of(script);
        script
            .walk(|step| {
                agrees(&mut naive, step)?;
                must::the_active_speaker_is_a_member(step.after)?;
                must::frames_are_in_bounds(step.after)?;
                must::the_turn_counts(step)
            })
            .unwrap();
    }
    let per_second = |time: Duration| (f64::from(steps) / time.as_secs_f64()).round();
    println!(
        "{steps} steps: {} steps/s of the engine alone, {} steps/s checked against the naive model",
        per_second(engine_only),
        per_second(clock.elapsed()),
    );
}

#[test]
fn users_named_in_both_lists_sit_in_the_bypass() {
    let [a, b] = ["a", "b"].map(UserId::new);
    let mut state = TurnState::new([a.clone(), b.clone(), a.clone()], [b.clone(), b.clone()]);
    assert_eq!((state.order(), state.bypass()), (&[a.clone()][..], &[b.clone()][..]));
    assert_eq!(state.apply(&Input::MemberAdded { user: b, seat: Seat::Order }, Seed(0)), Effect::Stayed);
    assert_eq!(state.order(), [a]);
}
