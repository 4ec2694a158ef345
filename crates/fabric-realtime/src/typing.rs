//! Who is typing where: told at most every two seconds, forgotten after six, and at once with the message, or when the
//! typist's socket goes (spec/4 section 2).

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
    /// On which of the user's sockets, by the number of its session: the last one.
    session: u64,
}

impl Typists {
    /// A user types on a socket. Answers whether the others are to be told.
    pub(crate) fn begin(&mut self, channel: &ChannelId, user: &UserId, session: u64, now: Timestamp) -> bool {
        let expires = now.plus(LIFE);
        let key = (channel.clone(), user.clone());
        let Some(typist) = self.active.get_mut(&key) else {
            self.active.insert(key, Typist { expires, told: now, session });
            return true;
        };
        (typist.expires, typist.session) = (expires, session);
        let is_due = now >= typist.told.plus(SEND_EVERY);
        if is_due {
            typist.told = now;
        }
        is_due
    }

    /// A user has stopped, or what they wrote is there. Answers whether the others are to be told.
    pub(crate) fn end(&mut self, channel: &ChannelId, user: &UserId) -> bool {
        // Nobody types where most messages are written.
        !self.active.is_empty() && self.active.remove(&(channel.clone(), user.clone())).is_some()
    }

    /// A socket is gone, or has left this channel: where its user has typed on it.
    pub(crate) fn leave(&mut self, session: u64, channel: Option<&ChannelId>) -> Vec<(ChannelId, UserId)> {
        let is_theirs = |(place, _): &(ChannelId, UserId), typist: &mut Typist| {
            typist.session == session && channel.is_none_or(|channel| channel == place)
        };
        self.active.extract_if(is_theirs).map(|(key, _)| key).collect()
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
            [0, 100, 1_999, 2_000, 2_100, 4_100].map(|ms| typists.begin(&channel, &user, 1, at(ms))).into();
        assert_eq!(told, [true, false, false, true, false, true]);
        assert!(typists.begin(&"d".into(), &user, 1, at(2_100)), "another channel is another matter");
    }

    #[test]
    fn typing_expires_six_seconds_after_it_was_last_said() {
        let (mut typists, channel, user) = (Typists::default(), "c".into(), "u".into());
        typists.begin(&channel, &user, 1, at(0));
        typists.begin(&channel, &user, 1, at(1_000));
        assert!(typists.expire(at(6_999)).is_empty());
        assert_eq!(typists.expire(at(7_000)), [(channel, user)]);
        assert!(typists.expire(at(7_000)).is_empty());
    }

    #[test]
    fn stopping_is_told_once() {
        let (mut typists, channel, user) = (Typists::default(), "c".into(), "u".into());
        assert!(!typists.end(&channel, &user), "nobody typed");
        typists.begin(&channel, &user, 1, at(0));
        assert!(typists.end(&channel, &user));
        assert!(!typists.end(&channel, &user));
        assert!(typists.expire(at(10_000)).is_empty());
    }

    #[test]
    fn typing_ends_with_the_socket_on_which_it_was_said_last() {
        let (mut typists, user) = (Typists::default(), UserId::from("u"));
        let channels: [ChannelId; 2] = ["c".into(), "d".into()];
        for channel in &channels {
            typists.begin(channel, &user, 1, at(0));
        }
        assert_eq!(typists.leave(1, Some(&channels[1])), [(channels[1].clone(), user.clone())]);
        // Another socket types on.
        typists.begin(&channels[0], &user, 2, at(1));
        assert!(typists.leave(1, None).is_empty());
        assert_eq!(typists.leave(2, None), [(channels[0].clone(), user)]);
    }
}
