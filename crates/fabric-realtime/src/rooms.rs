//! The rooms of all channels.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};

use fabric_domain::model::ChannelId;
use parking_lot::Mutex;

use crate::room::Room;

/// Channels are spread over this many locks, and over as many delivering tasks.
pub(crate) const SHARDS: usize = 4;

/// Which shard a channel belongs to: the same one always.
pub(crate) fn shard_of(channel: &ChannelId) -> usize {
    place(channel, SHARDS)
}

/// One of so many places, the same one always.
pub(crate) fn place(id: &impl Hash, places: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    // The remainder fits whatever a `usize` is.
    usize::try_from(hasher.finish() % places as u64).unwrap_or_default()
}

/// The rooms that somebody is in.
#[derive(Debug, Default)]
pub(crate) struct Rooms([Mutex<HashMap<ChannelId, Room>>; SHARDS]);

impl Rooms {
    /// Does something with the room of a channel under its lock; nothing is called back from in there.
    pub(crate) fn with<T>(&self, channel: &ChannelId, act: impl FnOnce(&mut Room) -> T) -> T {
        let mut rooms = self.0[shard_of(channel)].lock();
        match rooms.entry(channel.clone()) {
            Entry::Occupied(mut entry) => {
                let result = act(entry.get_mut());
                if entry.get().is_empty() {
                    entry.remove();
                }
                result
            }
            Entry::Vacant(entry) => {
                let mut room = Room::default();
                let result = act(&mut room);
                if !room.is_empty() {
                    entry.insert(room);
                }
                result
            }
        }
    }
}
