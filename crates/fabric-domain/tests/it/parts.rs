//! A state in two parts: who sits where, which one step after the other shares, and the rest, which is small.

use fabric_domain::model::UserId;
use fabric_domain::rules::turn::{Floor, Input, InvalidTurnState, Seat, Seats, Seed, TurnState};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::invariants as must;
use crate::walk::scripts;

const MANY: usize = 10_000;

fn users(count: usize) -> Vec<UserId> {
    (0..count).map(|number| UserId::new(format!("user{number:05}"))).collect()
}

fn says(author: &UserId, mentioned: &[UserId]) -> Input {
    Input::Message { author: author.clone(), mentioned: mentioned.to_vec(), turn: None }
}

fn passes(state: &TurnState) -> Input {
    Input::NoReply { by: state.active().cloned().unwrap(), turn: None }
}

/// The same list in memory, not only an equal one.
fn shares_seats(before: &TurnState, after: &TurnState) -> bool {
    std::ptr::eq(before.order(), after.order()) && std::ptr::eq(before.bypass(), after.bypass())
}

fn stored(state: &TurnState) -> String {
    serde_json::to_string(&state.floor()).unwrap()
}

fn put_together(state: &TurnState) -> Result<TurnState, InvalidTurnState> {
    let (seats, floor): (Seats, Floor) = must::through_json(&(state.seats(), state.floor()));
    TurnState::seated(seats, floor)
}

#[test]
fn within_a_round_a_step_copies_and_stores_nothing_that_grows_with_the_members() {
    let order = users(MANY);
    let mut state = TurnState::new(order.clone(), [UserId::new("aside")]);
    let mut step = |what: &str, input: Input, longest: usize| {
        let before = state.clone();
        state.apply(&input, Seed(1));
        assert!(shares_seats(&before, &state), "{what}");
        let floor = stored(&state);
        assert!(floor.len() <= longest, "{what}: {floor}");
        state.clone()
    };
    step("a first message", says(&order[0], &[]), 200);
    step("the speaker's message", says(&order[1], &[]), 200);
    step("a queue jump", says(&order[7_000], &[]), 200);
    step("a mention", says(&order[2], &order[9_000..9_004]), 400);
    let mut after = step("a pass in a frame", Input::NoReply { by: order[9_000].clone(), turn: None }, 400);
    for pass in 0..MANY / 2 {
        after = step(&format!("pass {pass}"), passes(&after), 400);
    }
    assert_eq!(after.declined().len(), MANY / 2 + 1);
    step("a message after that", says(&order[3], &[]), 200);
}

/// "The rotation asks one after the other": also in the round after one in which somebody spoke.
#[test]
fn however_many_have_passed_that_is_stored_in_a_few_numbers() {
    let order = users(1_000);
    let mut state = TurnState::new(order.clone(), []);
    state.apply(&says(&order[0], &[]), Seed(1));
    for step in 1..400 {
        state.apply(&passes(&state), Seed(step));
    }
    // Those behind the author have the floor next, those before only when the round has ended.
    state.apply(&says(&order[400], &[]), Seed(400));
    for step in 0..900 {
        state.apply(&passes(&state), Seed(step));
    }
    assert_eq!(state.declined().len(), 900);
    assert!(stored(&state).len() < 200, "{}", stored(&state));
}

#[test]
fn a_new_member_changes_no_state_that_is_kept() {
    let before = TurnState::new(users(3), []);
    let mut after = before.clone();
    after.apply(&Input::MemberAdded { user: "new".into(), seat: Seat::Order }, Seed(0));
    assert_eq!((before.order().len(), after.order().len()), (3, 4));
    assert!(!before.is_member(&"new".into()) && after.is_member(&"new".into()));
}

proptest! {
    #[test]
    fn a_state_that_was_stored_in_its_parts_is_the_same_one(script in scripts(1..=120)) {
        script.walk(|step| {
            prop_assert_eq!(&put_together(step.after).unwrap(), step.after);
            let whole: TurnState = must::through_json(step.after);
            prop_assert_eq!(stored(&whole), stored(step.after), "one state is stored in one way");
            Ok(())
        })?;
    }
}

#[test]
fn parts_that_do_not_belong_together_are_not_believed() {
    let order = users(4);
    let mut state = TurnState::new(order.clone(), [UserId::new("aside")]);
    state.apply(&says(&order[0], &[UserId::new("aside")]), Seed(0));
    state.apply(&passes(&state), Seed(0));
    state.apply(&passes(&state), Seed(0));
    let good = serde_json::to_value(state.floor()).unwrap();
    assert_eq!(good["declined"], json!(["aside", [1, 2]]));
    let read = |floor: &Value| {
        let floor = serde_json::from_value(floor.clone()).unwrap();
        TurnState::seated(state.seats().clone(), floor)
    };
    assert_eq!(read(&good).unwrap(), state);
    for (field, bad) in [
        ("declined", json!([[1, 9]])),
        ("declined", json!([[2, 1]])),
        ("declined", json!([[1, 1]])),
        ("declined", json!([[0, 2], [1, 2]])),
        ("declined", json!(["stranger"])),
        ("declined", json!([[2, 3]])),
        ("cursor", json!("stranger")),
        ("frames", json!([{ "queue": ["stranger"], "position": 0 }])),
    ] {
        let mut floor = good.clone();
        floor[field] = bad.clone();
        assert!(read(&floor).is_err(), "{field}: {bad}");
    }
    let twice = json!({ "order": ["a", "b"], "bypass": ["a"] });
    assert!(serde_json::from_value::<Seats>(twice).is_err());
}
