//! Random walks against the naive model and against every invariant of spec/2 section 11.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fabric_domain::model::UserId;
use fabric_domain::rules::turn::{Act, Effect, Input, Seat, Seed, TurnState};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestCaseError;

use crate::invariants as must;
use crate::naive::Naive;
use crate::walk::{Script, Step, scripts};

/// Steps of the longest walk.
const LENGTH: usize = 80;

fn configured(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
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
    let seen = Naive::seen(step.after);
    if *naive != seen {
        return Err(format!("the naive model came to {naive:?}"));
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
    fn the_engine_does_what_the_naive_model_does(script in scripts(LENGTH)) {
        let mut naive = start_of(&script);
        script.walk(|step| holds(agrees(&mut naive, step), step))?;
    }
}

proptest! {
    #![proptest_config(configured(400))]

    #[test]
    fn invariant_1_order_and_bypass_together_are_the_members(script in scripts(LENGTH)) {
        let mut members: BTreeSet<UserId> = script.order.iter().chain(&script.bypass).cloned().collect();
        script.walk(|step| {
            must::count_members(&mut members, step.input);
            holds(must::members_sit_once(step.after, &members), step)
        })?;
    }

    #[test]
    fn invariant_2_the_active_speaker_is_a_member(script in scripts(LENGTH)) {
        script.walk(|step| holds(must::the_active_speaker_is_a_member(step.after), step))?;
    }

    #[test]
    fn invariant_3_at_most_one_is_woken_and_never_the_author(script in scripts(LENGTH)) {
        script.walk(|step| holds(must::at_most_one_is_woken(step), step))?;
    }

    #[test]
    fn invariant_4_frames_are_in_bounds(script in scripts(LENGTH)) {
        script.walk(|step| holds(must::frames_are_in_bounds(step.after), step))?;
    }

    #[test]
    fn invariant_5_who_spoke_last_does_not_speak_first(script in scripts(LENGTH)) {
        script.walk(|step| holds(must::nobody_speaks_last_and_first(step), step))?;
    }

    #[test]
    fn invariant_6_silence_ends(script in scripts(LENGTH)) {
        script.walk(|step| holds(must::silence_ends(step.after, step.seed), step))?;
    }

    #[test]
    fn invariant_7_the_log_replays_bit_for_bit(script in scripts(LENGTH)) {
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
    fn invariant_8_force_proceed_always_goes_on(script in scripts(LENGTH)) {
        script.walk(|step| {
            holds(must::force_proceed_goes_on(step.after, step.seed), step)?;
            let mut timed_out = step.after.clone();
            timed_out.apply(&Input::Timeout { turn: step.after.turn() }, step.seed);
            holds(must::force_proceed_goes_on(&timed_out, step.seed), step)
        })?;
    }

    #[test]
    fn the_turn_counts_assignments(script in scripts(LENGTH)) {
        script.walk(|step| holds(must::the_turn_counts(step), step))?;
    }
}

/// The walks would prove nothing if they stayed near the start: they reach every corner of the rules.
#[test]
fn the_walks_reach_every_corner() {
    let mut seen = Corners::default();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..1_000 {
        let script = scripts(LENGTH).new_tree(&mut runner).unwrap().current();
        script
            .walk(|step| {
                seen.look_at(step);
                Ok::<_, ()>(())
            })
            .unwrap();
    }
    assert_eq!(seen.missing(), Vec::<&str>::new());
}

#[derive(Debug, Default)]
struct Corners(BTreeSet<&'static str>);

impl Corners {
    const ALL: [&'static str; 12] = [
        "a full stack",
        "a fifth frame drops the bottom-most",
        "frames without a root speaker",
        "the root speaker is removed under open frames",
        "the active entry of a frame is removed",
        "the root speaker moves to the bypass under open frames",
        "a shuffle",
        "a pause at root",
        "a live timeout",
        "a stale timeout",
        "the streak crosses a round",
        "somebody passes twice in one run",
    ];

    fn look_at(&mut self, step: &Step<'_>) {
        let Step { before, input, after, effect, .. } = step;
        let depth = before.frames().len();
        self.see("a full stack", after.frames().len() == 4);
        let run = after.round().iter().rev().take_while(|event| event.act == Act::Passed);
        let mut once = BTreeSet::new();
        self.see("somebody passes twice in one run", run.into_iter().any(|event| !once.insert(&event.user)));
        let pushed = after.frames().last().is_some_and(|top| top.position() == 0);
        let dropped = depth == 4 && after.frames().len() == 4 && before.frames()[1..] == after.frames()[..3];
        self.see("a fifth frame drops the bottom-most", pushed && dropped);
        self.see("frames without a root speaker", !after.frames().is_empty() && after.cursor().is_none());
        match input {
            Input::MemberRemoved { user } if before.is_member(user) && depth > 0 => {
                self.see("the root speaker is removed under open frames", before.cursor() == Some(user));
                self.see("the active entry of a frame is removed", before.active() == Some(user));
            }
            Input::MovedToBypass { user } if depth > 0 => {
                self.see(
                    "the root speaker moves to the bypass under open frames",
                    before.cursor() == Some(user),
                );
            }
            Input::Timeout { turn } => {
                self.see("a live timeout", *turn == before.turn() && *effect == Effect::Moved);
                self.see("a stale timeout", *turn != before.turn() && !before.is_idle());
            }
            Input::NoReply { .. } if depth == 0 => {
                let new_round = before.round().len() > 1 && after.round().is_empty() && !after.is_idle();
                self.see("a shuffle", new_round && before.order() != after.order());
                self.see("the streak crosses a round", new_round && after.pass_streak() > 1);
                self.see("a pause at root", !before.is_idle() && after.is_idle());
            }
            _ => {}
        }
    }

    fn see(&mut self, corner: &'static str, seen: bool) {
        if seen {
            self.0.insert(corner);
        }
    }

    fn missing(&self) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|corner| !self.0.contains(corner)).collect()
    }
}

/// Never timed: it only says how fast this machine was.
#[test]
fn steps_per_second() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let walks: Vec<Script> =
        (0..250).map(|_| scripts(400).new_tree(&mut runner).unwrap().current()).collect();
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
