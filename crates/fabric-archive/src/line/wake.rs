//! Lines of `owed-wakes.jsonl`.

use fabric_domain::model::{ChannelId, Creditors, Seq, Timestamp, UserId, WakeDebt, WakeReason};
use serde::{Deserialize, Serialize};

/// A line of `owed-wakes.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OwedWakeLine {
    pub(crate) channel_id: ChannelId,
    pub(crate) seq: Seq,
    hop: u32,
    author_user_id: UserId,
    owed: OwedOfLine,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum OwedOfLine {
    Everybody(WakeReason),
    Users(Vec<(UserId, WakeReason)>),
}

impl OwedWakeLine {
    pub(crate) fn new(channel_id: ChannelId, seq: Seq, debt: WakeDebt, created_at: Timestamp) -> Self {
        let WakeDebt { hop, author, owed } = debt;
        let owed = match owed {
            Creditors::Everybody(reason) => OwedOfLine::Everybody(reason),
            Creditors::Users(users) => OwedOfLine::Users(users),
        };
        Self { channel_id, seq, hop, author_user_id: author, owed, created_at }
    }

    pub(crate) fn into_debt(self) -> WakeDebt {
        let owed = match self.owed {
            OwedOfLine::Everybody(reason) => Creditors::Everybody(reason),
            OwedOfLine::Users(users) => Creditors::Users(users),
        };
        WakeDebt { hop: self.hop, author: self.author_user_id, owed }
    }
}
