//! The turn engine and the text rules: no input panics, and every state that is reached can be stored and
//! read, as a whole, in parts, and in the form of the first edition.
#![no_main]

use fabric_domain::model::{UserId, ChannelType};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::mention;
use fabric_domain::rules::turn::{Floor, Input, Seat, Seats, Seed, TurnState};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = mention::parse(text);
        let _ = mention::names(text);
        let _ = Command::intercept(ChannelType::Discuss, text);
        assert_eq!(mention::translate_names(text, |_| None), text);
    }
    // Whatever is believed of a stored state can be gone on with.
    if let Ok(mut stored) = serde_json::from_slice::<TurnState>(data) {
        is_stored_and_read(&stored);
        // No channel ever comes to the last number.
        let speaker = stored.active().filter(|_| stored.turn() < u64::MAX).cloned();
        if let Some(by) = speaker {
            stored.apply(&Input::NoReply { by, turn: Some(stored.turn()) }, Seed(0));
            is_stored_and_read(&stored);
        }
    }
    if let Ok((seats, floor)) = serde_json::from_slice::<(Seats, Floor)>(data)
        && let Ok(state) = TurnState::seated(seats, floor)
    {
        is_stored_and_read(&state);
    }
    let mut state = TurnState::new((0..3).map(user), (3..4).map(user));
    for (step, bytes) in data.chunks(5).enumerate() {
        let Some(input) = input(bytes, &state) else { break };
        state.apply(&input, Seed(step as u64));
    }
    is_stored_and_read(&state);
    is_read_in_the_former_form(&state, data);
});

fn user(byte: u8) -> UserId {
    UserId::new(((b'a' + byte % 8) as char).to_string())
}

/// Five bytes: what happens, by whom, which turn they mean, and two who are mentioned.
fn input(bytes: &[u8], state: &TurnState) -> Option<Input> {
    let [kind, who, meant, mentioned @ ..] = bytes else { return None };
    let by = user(*who);
    let turn = match meant % 4 {
        0 | 1 => None,
        2 => Some(state.turn()),
        _ => Some(state.turn().wrapping_add(2).wrapping_sub(u64::from(meant / 4))),
    };
    Some(match kind % 8 {
        0 | 1 => {
            Input::Message { author: by, mentioned: mentioned.iter().map(|byte| user(*byte)).collect(), turn }
        }
        2 => Input::NoReply { by, turn },
        3 => Input::ForceProceed { by, turn },
        4 => Input::Timeout { turn: state.turn().saturating_sub(u64::from(who % 2)) },
        5 if who % 2 == 0 => Input::MemberAdded { user: by, seat: Seat::Order },
        5 => Input::MemberAdded { user: by, seat: Seat::Bypass },
        6 => Input::MemberRemoved { user: by },
        _ if who % 2 == 0 => Input::MovedToBypass { user: by },
        _ => Input::MovedToOrder { user: by },
    })
}

fn is_stored_and_read(state: &TurnState) {
    let stored = serde_json::to_string(state).expect("a state is stored");
    let read: TurnState = serde_json::from_str(&stored).expect("what always holds, holds");
    assert_eq!(read, *state);
    let parts = serde_json::to_string(&(state.seats(), state.floor())).expect("its parts are stored");
    let (seats, floor): (Seats, Floor) = serde_json::from_str(&parts).expect("they are read");
    assert_eq!(TurnState::seated(seats, floor).expect("they belong together"), *state);
}

/// The same seats, rotation and frames as they were once stored, with any round and streak.
fn is_read_in_the_former_form(state: &TurnState, data: &[u8]) {
    let events = data.iter().map(|byte| {
        let act = if byte % 3 == 0 { "spoke" } else { "passed" };
        serde_json::json!({"user": user(byte / 3), "act": act})
    });
    let mut stored = serde_json::to_value(state).expect("a state is stored");
    let fields = stored.as_object_mut().expect("a state is an object");
    for come in ["lastAuthor", "declined", "summoned"] {
        fields.remove(come);
    }
    fields.insert("round".to_owned(), events.collect());
    fields.insert("passStreak".to_owned(), data.first().copied().unwrap_or(0).into());
    let read: TurnState = serde_json::from_value(stored).expect("a former state is read");
    assert_eq!((read.active(), read.frames(), read.turn()), (state.active(), state.frames(), state.turn()));
    is_stored_and_read(&read);
}
