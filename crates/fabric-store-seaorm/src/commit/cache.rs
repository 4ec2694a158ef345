//! Channels that are kept in memory between one write and the next, so that a decision need not load what the one
//! before it has left.
//!
//! A channel is in here or with a batch that works on it, never both: it is taken out, carried forward, and put back
//! when the batch is committed. Whatever else happens to the batch, it is not put back, and the next one loads it. What
//! is in here may be old where another process writes to the same database; whoever takes it verifies its version in
//! the transaction that relies on it (`batch.rs`).

use std::collections::{BTreeMap, HashMap};

use fabric_domain::decisions::ChannelAggregate;
use fabric_domain::model::{ChannelId, ChannelType};
use parking_lot::Mutex;

/// How many channels are kept.
const CHANNELS: usize = 2_048;
/// How many members they have together.
const MEMBERS: usize = 100_000;

/// The channels that were written to last.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Each with its place in `order`.
    channels: HashMap<ChannelId, (u64, ChannelAggregate)>,
    /// From the one that was put in first.
    order: BTreeMap<u64, ChannelId>,
    /// The place of the next one.
    next: u64,
    members: usize,
}

impl Cache {
    /// Takes a channel out.
    pub(crate) fn take(&self, id: &ChannelId) -> Option<ChannelAggregate> {
        self.0.lock().take(id)
    }

    /// Keeps a channel as a committed batch has left it.
    pub(crate) fn put(&self, channel: ChannelAggregate) {
        // Who is busy changes without the channel.
        if channel.channel.channel_type != ChannelType::Announce {
            self.0.lock().put(channel);
        }
    }
}

impl Kept {
    fn take(&mut self, id: &ChannelId) -> Option<ChannelAggregate> {
        let (place, channel) = self.channels.remove(id)?;
        self.order.remove(&place);
        self.members -= channel.members.len();
        Some(channel)
    }

    fn put(&mut self, mut channel: ChannelAggregate) {
        // These were of one write.
        (channel.message, channel.prior) = (None, None);
        channel.files.clear();
        let (id, place) = (channel.channel.id.clone(), self.next);
        self.take(&id);
        self.next += 1;
        self.members += channel.members.len();
        self.order.insert(place, id.clone());
        self.channels.insert(id, (place, channel));
        self.shrink(CHANNELS, MEMBERS);
    }

    /// Drops those that were put in first, until no more are left than this.
    fn shrink(&mut self, channels: usize, members: usize) {
        while self.channels.len() > channels || self.members > members {
            let Some(oldest) = self.order.first_entry().map(|oldest| oldest.get().clone()) else { break };
            self.take(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fabric_domain::decisions::{CreateChannel, channels};
    use fabric_domain::model::{Member, Timestamp};

    use super::*;

    fn channel(id: &str, channel_type: ChannelType, members: usize) -> ChannelAggregate {
        let new = CreateChannel::new("room", channel_type);
        let new = channels::create(&"guild".into(), id.into(), &"u0".into(), new, Timestamp(0));
        ChannelAggregate {
            channel: new.channel,
            members: (0..members).map(|user| Member::new(format!("u{user}").as_str().into())).collect(),
            busy: BTreeSet::new(),
            turn: new.turn,
            message: None,
            files: Vec::new(),
            prior: None,
        }
    }

    fn ids(kept: &Kept) -> Vec<&str> {
        kept.order.values().map(ChannelId::as_str).collect()
    }

    #[test]
    fn what_was_written_to_last_is_kept() {
        let mut kept = Kept::default();
        for id in ["a", "b", "c"] {
            kept.put(channel(id, ChannelType::General, 10));
        }
        let a = kept.take(&"a".into()).unwrap();
        assert!(kept.take(&"a".into()).is_none(), "it is with somebody");
        kept.put(a);
        kept.put(channel("c", ChannelType::General, 30));
        assert_eq!((ids(&kept), kept.members), (vec!["b", "a", "c"], 50));
        kept.shrink(2, 100);
        assert_eq!((ids(&kept), kept.members), (vec!["a", "c"], 40));
        kept.shrink(2, 30);
        assert_eq!((ids(&kept), kept.members), (vec!["c"], 30));
        kept.shrink(2, 29);
        assert_eq!((ids(&kept), kept.members, kept.channels.len()), (vec![], 0, 0));
    }

    #[test]
    fn a_channel_in_which_it_counts_who_is_busy_is_not_kept() {
        let cache = Cache::default();
        cache.put(channel("a", ChannelType::Announce, 1));
        cache.put(channel("b", ChannelType::Discuss, 1));
        assert!(cache.take(&"a".into()).is_none() && cache.take(&"b".into()).is_some());
    }
}
