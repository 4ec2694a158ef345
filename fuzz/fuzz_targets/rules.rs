//! The turn engine and the text rules: no input panics, and every state that is reached can be stored and read.
#![no_main]

use fabric_domain::model::{UserId, XType};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::mention;
use fabric_domain::rules::turn::{Input, Seat, Seed, TurnState};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = mention::parse(text);
        let _ = mention::names(text);
        let _ = Command::intercept(XType::Discuss, text);
        assert_eq!(mention::translate_names(text, |_| None), text);
    }
    let user = |byte: u8| UserId::new(((b'a' + byte % 8) as char).to_string());
    let mut state = TurnState::new((0..3).map(user), (3..4).map(user));
    for (step, bytes) in data.chunks(4).enumerate() {
        let [kind, who, others @ ..] = bytes else { break };
        let by = user(*who);
        let input = match kind % 8 {
            0 | 1 => Input::Message { author: by, mentioned: others.iter().map(|byte| user(*byte)).collect() },
            2 => Input::NoReply { by },
            3 => Input::ForceProceed { by },
            4 => Input::Timeout { turn: state.turn().saturating_sub(u64::from(who % 2)) },
            5 if who % 2 == 0 => Input::MemberAdded { user: by, seat: Seat::Order },
            5 => Input::MemberAdded { user: by, seat: Seat::Bypass },
            6 => Input::MemberRemoved { user: by },
            _ if who % 2 == 0 => Input::MovedToBypass { user: by },
            _ => Input::MovedToOrder { user: by },
        };
        state.apply(&input, Seed(step as u64));
    }
    let stored = serde_json::to_string(&state).expect("a state is stored");
    let read: TurnState = serde_json::from_str(&stored).expect("what always holds, holds");
    assert_eq!(read, state);
});
