//! In which order everybody hears of a presence.

use std::hash::{DefaultHasher, Hash, Hasher};

use fabric_domain::model::UserId;
use parking_lot::Mutex;

/// How many counters all users share that say whether somebody's presence has changed.
const COUNTERS: usize = 256;

/// Held while everybody is told of a presence, so that who hears that somebody went hears it before that they came
/// back. Counts what users said of themselves, by a hash of their ids.
#[derive(Debug)]
pub(crate) struct PresenceOrder(Mutex<[u64; COUNTERS]>);

impl Default for PresenceOrder {
    fn default() -> Self {
        Self(Mutex::new([0; COUNTERS]))
    }
}

impl PresenceOrder {
    /// Tells what a user just said of themselves.
    pub(crate) fn tell(&self, user: &UserId, tell: impl FnOnce()) {
        let mut changes = self.0.lock();
        changes[counter(user)] += 1;
        tell();
    }

    /// What to give [`Self::tell_unless_changed`]; to be asked for before the presence is read.
    pub(crate) fn changes(&self, user: &UserId) -> u64 {
        self.0.lock()[counter(user)]
    }

    /// As [`Self::tell`], of what was read some time ago; answers whether it may still be so. Otherwise nobody is told:
    /// the older one would be the last that everybody hears.
    pub(crate) fn tell_unless_changed(&self, user: &UserId, changes: u64, tell: impl FnOnce()) -> bool {
        let now = self.0.lock();
        let is_current = now[counter(user)] == changes;
        if is_current {
            tell();
        }
        is_current
    }
}

/// The counter of a user: the same one always.
fn counter(user: &UserId) -> usize {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    // The remainder fits whatever a `usize` is.
    usize::try_from(hasher.finish() % COUNTERS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_user_said_something_else_is_not_told_after_it() {
        let (order, alice) = (PresenceOrder::default(), UserId::new("alice"));
        let changes = order.changes(&alice);
        assert!(order.tell_unless_changed(&alice, changes, || {}));
        order.tell(&alice, || {});
        assert!(!order.tell_unless_changed(&alice, changes, || panic!("told")));
        let changes = order.changes(&alice);
        assert!(order.tell_unless_changed(&alice, changes, || {}));
    }
}
