//! Wakes that have arrived, until the store has noted it.

use std::collections::HashMap;

use fabric_domain::model::{ChannelId, Seq, UserId};
use fabric_domain::ports::SettledWakes;
use parking_lot::Mutex;

use crate::unconfirmed::Arrived;

/// Up to which message the wakes of users have arrived. At most one entry for each member of each channel, and emptied
/// every second.
#[derive(Debug, Default)]
pub(crate) struct Settled(Mutex<HashMap<(ChannelId, UserId), Seq>>);

impl Settled {
    /// A user has got these wakes.
    pub(crate) fn settle_all(&self, user: &UserId, arrived: Arrived) {
        for (channel, seq) in arrived {
            self.settle(&channel, user, seq);
        }
    }

    /// A user has got their wakes of a channel up to this message.
    pub(crate) fn settle(&self, channel: &ChannelId, user: &UserId, seq: Seq) {
        let mut settled = self.0.lock();
        let newest = settled.entry((channel.clone(), user.clone())).or_default();
        *newest = seq.max(*newest);
    }

    /// Up to which message this user's wakes have arrived, where that is not noted yet.
    pub(crate) fn of(&self, channel: &ChannelId, user: &UserId) -> Seq {
        self.0.lock().get(&(channel.clone(), user.clone())).copied().unwrap_or_default()
    }

    /// What is to be noted.
    pub(crate) fn all(&self) -> Vec<SettledWakes> {
        let entry = |((channel, user), seq): (&(ChannelId, UserId), &Seq)| SettledWakes {
            channel: channel.clone(),
            user: user.clone(),
            seq: *seq,
        };
        self.0.lock().iter().map(entry).collect()
    }

    /// It is noted: forgets it, but for what came meanwhile.
    pub(crate) fn forget(&self, noted: Vec<SettledWakes>) {
        let mut settled = self.0.lock();
        for SettledWakes { channel, user, seq } in noted {
            let key = (channel, user);
            if settled.get(&key) == Some(&seq) {
                settled.remove(&key);
            }
        }
    }
}
