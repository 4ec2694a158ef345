//! Lines of `owed-wakes.jsonl`.

use fabric_domain::model::{ChannelId, PendingWake, Seq, Timestamp, UserId, WakeReason, WakeRecipients};
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
    pub(crate) fn new(channel_id: ChannelId, seq: Seq, pending: PendingWake, created_at: Timestamp) -> Self {
        let PendingWake { hop, author, recipients } = pending;
        let owed = match recipients {
            WakeRecipients::Everybody(reason) => OwedOfLine::Everybody(reason),
            WakeRecipients::Users(users) => OwedOfLine::Users(users),
        };
        Self { channel_id, seq, hop, author_user_id: author, owed, created_at }
    }

    pub(crate) fn into_pending(self) -> PendingWake {
        let recipients = match self.owed {
            OwedOfLine::Everybody(reason) => WakeRecipients::Everybody(reason),
            OwedOfLine::Users(users) => WakeRecipients::Users(users),
        };
        PendingWake { hop: self.hop, author: self.author_user_id, recipients }
    }
}
