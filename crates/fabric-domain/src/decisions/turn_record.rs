//! The turn of a channel as it is stored: the engine's state, since when, and until when.

use serde::{Deserialize, Serialize};

use crate::model::{ChannelSettings, DeliveryPlan, MessageId, Seq, Timestamp};
use crate::rules::turn::{Effect, Floor, Input, InvalidTurnState, Seats, Seed, TurnState};

/// What one step needs besides the channel: chosen before the decision, so that the decision is pure.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When it happens.
    pub now: Timestamp,
    /// What the turn engine may be random about.
    pub seed: Seed,
    /// The id of the message that the step may write.
    pub message_id: MessageId,
}

/// The stored turn of a `discuss` or `work` channel: the engine's state and when it last moved. A clone costs the same
/// however many members there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnRecord {
    /// The engine's state.
    pub state: TurnState,
    /// When the active speaker got the turn; `None` while idle.
    pub since: Option<Timestamp>,
    /// When the turn lapses; `None` while idle or without a time-out.
    pub deadline: Option<Timestamp>,
    /// The message that last woke the active speaker; it is sent again when they come back.
    pub wake_seq: Option<Seq>,
}

impl TurnRecord {
    /// Nobody's turn.
    pub fn idle(state: TurnState) -> Self {
        Self { state, since: None, deadline: None, wake_seq: None }
    }

    /// The record after an input, in a channel with these settings.
    pub fn after(&self, input: &Input, settings: ChannelSettings, moment: &Moment) -> (Self, Effect) {
        let mut next = self.clone();
        let effect = next.state.apply(input, moment.seed);
        if next.state.is_idle() {
            next = Self::idle(next.state);
        } else if effect == Effect::Moved {
            next = Self { since: Some(moment.now), wake_seq: None, ..next }.leased(settings);
        }
        (next, effect)
    }

    /// The same turn from now on, if it is somebody's.
    #[must_use]
    pub fn restarted(self, settings: ChannelSettings, now: Timestamp) -> Option<Self> {
        let is_running = !self.state.is_idle();
        is_running.then(|| Self { since: Some(now), ..self }.leased(settings))
    }

    /// The record with the deadline that these settings give the turn (spec/2 section 9).
    #[must_use]
    pub fn leased(self, settings: ChannelSettings) -> Self {
        let seconds = settings.turn_timeout_seconds;
        let deadline = self.since.filter(|_| seconds > 0).map(|since| since.plus_seconds(seconds));
        Self { deadline, ..self }
    }

    /// Notes which message woke the active speaker: it is sent again when they come back.
    pub fn note_wake(&mut self, plan: &DeliveryPlan, seq: Seq) {
        if self.state.active().is_some_and(|speaker| plan.of(speaker, true).wakes().is_some()) {
            self.wake_seq = Some(seq);
        }
    }
}

/// All of a turn but who sits where: what changes with every step, and is small however many members there are. A store
/// keeps it apart from the [`Seats`], which change seldom and are as large as the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTurn {
    state: Floor,
    since: Option<Timestamp>,
    deadline: Option<Timestamp>,
    wake_seq: Option<Seq>,
}

impl From<&TurnRecord> for StoredTurn {
    fn from(turn: &TurnRecord) -> Self {
        let TurnRecord { state, since, deadline, wake_seq } = turn;
        Self { state: state.floor(), since: *since, deadline: *deadline, wake_seq: *wake_seq }
    }
}

impl StoredTurn {
    /// The turn of which these were the seats. Refuses what no turn can be.
    pub fn seated(self, seats: Seats) -> Result<TurnRecord, InvalidTurnState> {
        let Self { state, since, deadline, wake_seq } = self;
        Ok(TurnRecord { state: TurnState::seated(seats, state)?, since, deadline, wake_seq })
    }
}
