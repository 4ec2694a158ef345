//! The turn of a channel, as its line in `channels.jsonl` has it.
//!
//! The engine's own document is not part of the format: its fields are named here one by one, in both directions.
//! Fields of older versions of the format are only read.

use std::collections::BTreeMap;

use fabric_domain::decisions::TurnRecord;
use fabric_domain::model::{Seq, Timestamp, UserId};
use fabric_domain::rules::turn::{Frame, TurnState};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TurnOfLine {
    order: Vec<UserId>,
    bypass: Vec<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<UserId>,
    frames: Vec<FrameOfLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_author: Option<UserId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    declined: Vec<UserId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    summoned: BTreeMap<UserId, u8>,
    turn: u64,
    /// Only in version 1 of the format, which has the first edition of the rules: the engine carries it over.
    #[serde(default, skip_serializing)]
    round: Option<serde_json::Value>,
    /// As `round`.
    #[serde(default, skip_serializing)]
    pass_streak: Option<u32>,
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
            frames: state.frames().iter().map(frame).collect(),
            last_author: state.last_author().cloned(),
            declined: state.declined().to_vec(),
            summoned: state.summoned().clone(),
            turn: state.turn(),
            round: None,
            pass_streak: None,
            since: *since,
            deadline: *deadline,
            wake_seq: *wake_seq,
        }
    }

    pub(crate) fn into_turn(self) -> Result<TurnRecord, String> {
        let Self { since, deadline, wake_seq, .. } = self;
        // Deserialising a state checks its invariants, and carries over what the first edition has stored.
        let state = serde_json::json!({
            "order": self.order, "bypass": self.bypass, "cursor": self.cursor, "frames": self.frames,
            "lastAuthor": self.last_author, "declined": self.declined, "summoned": self.summoned,
            "turn": self.turn, "round": self.round, "passStreak": self.pass_streak.unwrap_or_default(),
        });
        let state: TurnState = serde_json::from_value(state).map_err(|error| error.to_string())?;
        Ok(TurnRecord { state, since, deadline, wake_seq })
    }
}
