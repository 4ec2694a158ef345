//! States that were stored under the first edition of the rules, with a `round` and a `passStreak`: a
//! running turn goes on with its speaker, its frames and its number.

use fabric_domain::model::UserId;
use fabric_domain::rules::turn::{Effect, Input, Seed, TurnState};
use serde_json::{Value, json};

fn users(names: &str) -> Vec<UserId> {
    names.split_whitespace().map(UserId::new).collect()
}

/// `alice spoke, bob passed` as it was stored.
fn round(told: &str) -> Value {
    let events = told.split(", ").filter(|event| !event.is_empty()).map(|event| {
        let (user, act) = event.split_once(' ').unwrap();
        json!({"user": user, "act": act})
    });
    events.collect()
}

/// The bob of alice, bob, carol and dave has the floor at root; erin and frank sit in the bypass.
fn former(told: &str, pass_streak: u32) -> Value {
    json!({
        "order": ["alice", "bob", "carol", "dave"],
        "bypass": ["erin", "frank"],
        "cursor": "bob",
        "round": round(told),
        "passStreak": pass_streak,
        "frames": [],
        "turn": 41,
    })
}

fn read(stored: &Value) -> TurnState {
    serde_json::from_value(stored.clone()).unwrap_or_else(|error| panic!("{error}: {stored}"))
}

/// What is written again is in today's form alone, and says the same.
fn is_written_in_todays_form(state: &TurnState) {
    let written = serde_json::to_value(state).unwrap();
    for gone in ["round", "passStreak"] {
        assert!(written.get(gone).is_none(), "{written}");
    }
    for come in ["lastAuthor", "declined", "summoned"] {
        assert!(written.get(come).is_some(), "{written}");
    }
    assert_eq!(read(&written), *state);
}

/// Reads it; seats, rotation, frames and turn are as they were stored.
fn carried_over(stored: &Value) -> TurnState {
    let state = read(stored);
    let written = serde_json::to_value(&state).unwrap();
    for kept in ["order", "bypass", "cursor", "frames", "turn"] {
        assert_eq!(written[kept], stored[kept], "{kept}");
    }
    assert!(state.summoned().is_empty());
    is_written_in_todays_form(&state);
    state
}

fn last_author(state: &TurnState) -> Option<&str> {
    state.last_author().map(UserId::as_str)
}

fn active(state: &TurnState) -> Option<&str> {
    state.active().map(UserId::as_str)
}

#[test]
fn an_idle_channel() {
    let stored = json!({
        "order": ["alice", "bob"], "bypass": ["erin"], "cursor": null,
        "round": [], "passStreak": 0, "frames": [], "turn": 7,
    });
    let mut state = carried_over(&stored);
    assert!(state.is_idle() && state.declined().is_empty() && state.last_author().is_none());
    state.apply(&Input::Message { author: "alice".into(), mentioned: vec![], turn: None }, Seed(1));
    assert_eq!((active(&state), state.turn()), (Some("bob"), 8));
}

/// Under the former rules nobody was left out of an idle channel's memory, whatever was stored.
#[test]
fn an_idle_channel_remembers_nothing() {
    let stored = json!({
        "order": ["alice"], "bypass": [], "cursor": null,
        "round": round("alice spoke, alice passed"), "passStreak": 1, "frames": [], "turn": 7,
    });
    let state = carried_over(&stored);
    assert!(state.is_idle() && state.declined().is_empty() && state.last_author().is_none());
}

#[test]
fn running_at_root_the_last_who_spoke_is_the_last_author() {
    let state = carried_over(&former("alice spoke, carol spoke", 0));
    assert_eq!((active(&state), last_author(&state)), (Some("bob"), Some("carol")));
    assert!(state.declined().is_empty());
}

#[test]
fn running_at_root_who_passed_since_has_declined() {
    let state = carried_over(&former("carol passed, alice spoke, dave passed, carol passed", 2));
    assert_eq!((active(&state), last_author(&state)), (Some("bob"), Some("alice")));
    assert_eq!(state.declined(), users("dave carol"));
}

#[test]
fn running_at_root_the_streak_says_how_many_of_the_passes_count() {
    // A stranger wrote between the two: it was no event of the round, but ended the streak.
    let state = carried_over(&former("alice spoke, dave passed, carol passed", 1));
    assert_eq!((last_author(&state), state.declined()), (Some("alice"), &users("carol")[..]));
    let state = carried_over(&former("alice spoke, dave passed, carol passed", 0));
    assert_eq!((last_author(&state), state.declined()), (Some("alice"), &[][..]));
}

#[test]
fn running_at_root_a_streak_from_before_the_round_is_longer_than_its_passes() {
    let state = carried_over(&former("alice passed", 3));
    assert_eq!((last_author(&state), state.declined()), (None, &users("alice")[..]));
}

#[test]
fn running_at_root_nobody_has_declined_twice_or_while_they_have_the_floor() {
    let told = "alice spoke, dave passed, bob passed, dave passed, carol passed";
    let state = carried_over(&former(told, 4));
    assert_eq!((active(&state), state.declined()), (Some("bob"), &users("dave carol")[..]));
}

#[test]
fn running_at_root_who_has_left_is_no_member_who_declined() {
    let state = carried_over(&former("zoe spoke, yuri passed, carol passed, erin passed", 3));
    assert_eq!((last_author(&state), state.declined()), (Some("zoe"), &users("carol erin")[..]));
}

#[test]
fn a_round_of_one_empty_message_after_the_other() {
    let state = carried_over(&former("", 0));
    assert_eq!((active(&state), last_author(&state)), (Some("bob"), None));
    assert!(state.declined().is_empty());
}

#[test]
fn in_frames_the_speaker_and_the_root_speaker_are_still_asked() {
    let mut stored = former("alice spoke, dave passed, bob passed, carol passed, erin passed", 4);
    stored["frames"] = json!([
        {"queue": ["frank", "carol", "erin"], "position": 2},
        {"queue": ["dave", "frank"], "position": 0},
    ]);
    let mut state = carried_over(&stored);
    assert_eq!((active(&state), state.declined()), (Some("dave"), &users("carol erin")[..]));
    for (speaker, turn) in [("dave", 42), ("frank", 43)] {
        assert_eq!(active(&state), Some(speaker));
        let effect = state.apply(&Input::NoReply { by: speaker.into(), turn: None }, Seed(1));
        assert_eq!((effect, state.turn()), (Effect::Moved, turn));
    }
    assert_eq!(active(&state), Some("bob"), "erin, whose place it is below, has declined");
    state.apply(&Input::Timeout { turn: 43 }, Seed(1));
    assert!(state.is_idle(), "alice wrote last, everybody else has declined");
}

#[test]
fn a_full_stack() {
    let mut stored = former("carol spoke", 0);
    let frame = |user: &str| json!({"queue": ["alice", user], "position": 1});
    stored["frames"] = json!([frame("erin"), frame("frank"), frame("erin"), frame("dave")]);
    let mut state = carried_over(&stored);
    assert_eq!((active(&state), last_author(&state)), (Some("dave"), Some("carol")));
    state
        .apply(&Input::Message { author: "dave".into(), mentioned: users("carol"), turn: Some(41) }, Seed(1));
    assert_eq!((active(&state), state.frames().len(), state.turn()), (Some("carol"), 4, 42));
}

#[test]
fn frames_without_a_root_speaker() {
    let mut stored = former("alice spoke", 0);
    stored["cursor"] = Value::Null;
    stored["frames"] = json!([{"queue": ["erin"], "position": 0}]);
    let mut state = carried_over(&stored);
    assert_eq!((active(&state), last_author(&state)), (Some("erin"), Some("alice")));
    state.apply(&Input::NoReply { by: "erin".into(), turn: Some(41) }, Seed(1));
    assert_eq!((active(&state), state.cursor()), (Some("bob"), Some(&"bob".into())), "the first unasked");
}

#[test]
fn what_broke_the_rules_then_is_not_believed_now() {
    let good = former("alice spoke", 0);
    carried_over(&good);
    for (field, bad) in [
        ("order", json!(["alice", "bob", "bob"])),
        ("bypass", json!(["alice"])),
        ("cursor", json!("erin")),
        ("cursor", json!("stranger")),
        ("frames", json!([{"queue": [], "position": 0}])),
        ("frames", json!([{"queue": ["erin"], "position": 1}])),
        ("frames", json!([{"queue": ["stranger"], "position": 0}])),
        ("frames", json!(vec![json!({"queue": ["erin"], "position": 0}); 5])),
        ("round", json!([{"user": "alice", "act": "sang"}])),
        ("round", json!("alice spoke")),
        ("passStreak", json!(-1)),
        ("turn", json!(-1)),
    ] {
        let mut stored = good.clone();
        stored[field] = bad.clone();
        assert!(serde_json::from_value::<TurnState>(stored).is_err(), "{field}: {bad}");
    }
}
