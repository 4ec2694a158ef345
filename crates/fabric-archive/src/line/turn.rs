//! The turn of a channel, as its line in `channels.jsonl` has it.
//!
//! The fields are those of version 1 of the format. A state of the engine that has others goes through here, in both
//! directions: whatever an older archive says is carried over in [`TurnOfLine::into_turn`].

use fabric_domain::decisions::TurnRecord;
use fabric_domain::model::{Seq, Timestamp, UserId};
use fabric_domain::rules::turn::{Frame, RoundEvent, TurnState};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TurnOfLine {
    order: Vec<UserId>,
    bypass: Vec<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<UserId>,
    round: Vec<RoundEvent>,
    pass_streak: u32,
    frames: Vec<FrameOfLine>,
    turn: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_seq: Option<Seq>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FrameOfLine {
    queue: Vec<UserId>,
    position: usize,
}

impl TurnOfLine {
    pub(crate) fn new(turn: &TurnRecord) -> Self {
        let TurnRecord { state, since, deadline, wake_seq } = turn;
        let frame = |frame: &Frame| FrameOfLine { queue: frame.queue().to_vec(), position: frame.position() };
        Self {
            order: state.order().to_vec(),
            bypass: state.bypass().to_vec(),
            cursor: state.cursor().cloned(),
            round: state.round().to_vec(),
            pass_streak: state.pass_streak(),
            frames: state.frames().iter().map(frame).collect(),
            turn: state.turn(),
            since: *since,
            deadline: *deadline,
            wake_seq: *wake_seq,
        }
    }

    pub(crate) fn into_turn(self) -> Result<TurnRecord, String> {
        let Self { since, deadline, wake_seq, .. } = self;
        // The engine checks what it is given before it believes it.
        let state = serde_json::json!({
            "order": self.order, "bypass": self.bypass, "cursor": self.cursor, "round": self.round,
            "passStreak": self.pass_streak, "frames": self.frames, "turn": self.turn,
        });
        let state: TurnState = serde_json::from_value(state).map_err(|error| error.to_string())?;
        Ok(TurnRecord { state, since, deadline, wake_seq })
    }
}
