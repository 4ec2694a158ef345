//! Who is typing where: told at most every two seconds, forgotten after six (spec/4 section 2).

use std::collections::HashMap;
use std::time::Duration;

use fabric_domain::model::{ChannelId, Timestamp, UserId};

/// How long "typing" holds without being repeated.
const LIFE: Duration = Duration::from_secs(6);
/// Others are sent the same "typing" at most this often.
const SEND_EVERY: Duration = Duration::from_secs(2);

/// Everybody who types now. Entries live six seconds, so there are never more than events in that time.
#[derive(Debug, Default)]
pub(crate) struct Typists {
    active: HashMap<(ChannelId, UserId), Typist>,
}

#[derive(Debug, Clone, Copy)]
struct Typist {
    expires: Timestamp,
    told: Timestamp,
}

impl Typists {
    /// A user types, or has stopped. Answers whether the others are to be told.
    pub(crate) fn set(&mut self, channel: &ChannelId, user: &UserId, typing: bool, now: Timestamp) -> bool {
        let key = (channel.clone(), user.clone());
        if !typing {
            return self.active.remove(&key).is_some();
        }
        let expires = now.plus(LIFE);
        let Some(typist) = self.active.get_mut(&key) else {
            self.active.insert(key, Typist { expires, told: now });
            return true;
        };
        typist.expires = expires;
        let is_due = now >= typist.told.plus(SEND_EVERY);
        if is_due {
            typist.told = now;
        }
        is_due
    }

    /// Those who have not said so again: the others are to be told that they stopped.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<(ChannelId, UserId)> {
        self.active.extract_if(|_, typist| typist.expires <= now).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    #[test]
    fn typing_is_told_at_once_and_then_every_two_seconds_at_the_most() {
        let (mut typists, channel, user) = (Typists::default(), "c".into(), "u".into());
        let told: Vec<bool> =
            [0, 100, 1_999, 2_000, 2_100, 4_100].map(|ms| typists.set(&channel, &user, true, at(ms))).into();
        assert_eq!(told, [true, false, false, true, false, true]);
        assert!(typists.set(&"d".into(), &user, true, at(2_100)), "another channel is another matter");
    }

    #[test]
    fn typing_expires_six_seconds_after_it_was_last_said() {
        let (mut typists, channel, user) = (Typists::default(), "c".into(), "u".into());
        typists.set(&channel, &user, true, at(0));
        typists.set(&channel, &user, true, at(1_000));
        assert!(typists.expire(at(6_999)).is_empty());
        assert_eq!(typists.expire(at(7_000)), [(channel, user)]);
        assert!(typists.expire(at(7_000)).is_empty());
    }

    #[test]
    fn stopping_is_told_once() {
        let (mut typists, channel, user) = (Typists::default(), "c".into(), "u".into());
        assert!(!typists.set(&channel, &user, false, at(0)), "nobody typed");
        typists.set(&channel, &user, true, at(0));
        assert!(typists.set(&channel, &user, false, at(1)));
        assert!(!typists.set(&channel, &user, false, at(2)));
        assert!(typists.expire(at(10_000)).is_empty());
    }
}
