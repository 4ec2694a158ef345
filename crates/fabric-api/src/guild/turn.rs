//! The turn of a channel, as anyone in it may see it (spec/2 section 10).

use fabric_domain::decisions::TurnRecord;
use fabric_domain::model::{ChannelId, Seq, UserId};
use serde::{Deserialize, Serialize};

use super::ChannelState;
use crate::fields::{Fields, FromFields};
use crate::{IsoTime, Open};

/// GET /channels/:id/turn, and the `turn.updated` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnView {
    /// The channel.
    pub channel_id: ChannelId,
    /// Whether somebody's turn it is.
    pub state: Open<ChannelState>,
    /// Grows by one whenever the active speaker is (re)assigned.
    pub turn: u64,
    /// Whose turn it is; `null` while nobody's.
    pub active_speaker: Option<UserId>,
    /// The root speaker; differs from the active one while the mentioned speak.
    pub cursor: Option<UserId>,
    /// Members in speaking order.
    pub order: Vec<UserId>,
    /// Members outside the rotation.
    pub bypass: Vec<UserId>,
    /// Who wrote the latest message, member or not; `null` while nobody's turn it is.
    pub last_author: Option<UserId>,
    /// Members who had the floor since that message and did not use it, as it happened.
    #[serde(default)]
    pub declined: Vec<UserId>,
    /// The queues that mentions opened, bottom-most first.
    pub frames: Vec<FrameView>,
    /// Since when it is the active speaker's turn.
    pub since: Option<IsoTime>,
    /// When the turn lapses.
    pub deadline: Option<IsoTime>,
    /// The message that last woke the active speaker.
    pub wake_seq: Option<Seq>,
}

/// A queue that a mention opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameView {
    /// The mentioned.
    pub queue: Vec<UserId>,
    /// Whose place it is: an index into the queue.
    pub position: usize,
}

impl TurnView {
    /// The view of a stored turn.
    pub fn new(channel_id: ChannelId, record: &TurnRecord) -> Self {
        let TurnRecord { state, since, deadline, wake_seq } = record;
        Self {
            channel_id,
            state: Open::Known(record.into()),
            turn: state.turn(),
            active_speaker: state.active().cloned(),
            cursor: state.cursor().cloned(),
            order: state.order().to_vec(),
            bypass: state.bypass().to_vec(),
            last_author: state.last_author().cloned(),
            declined: state.declined().to_vec(),
            frames: state
                .frames()
                .iter()
                .map(|frame| FrameView { queue: frame.queue().to_vec(), position: frame.position() })
                .collect(),
            since: since.map(IsoTime),
            deadline: deadline.map(IsoTime),
            wake_seq: *wake_seq,
        }
    }
}

/// POST /channels/:id/turn/pass and /turn/force-proceed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TurnCommand {
    /// The turn that is meant; once it is over the command is not accepted (`turn_over`). Absent: whichever it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// Why; at most [`Self::REASON_MAX_CHARS`] characters, for the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl TurnCommand {
    /// The most characters of a reason.
    pub const REASON_MAX_CHARS: usize = 500;
}

impl FromFields for TurnCommand {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { turn: fields.turn(), reason: fields.text_up_to("reason", Self::REASON_MAX_CHARS) })
    }
}
