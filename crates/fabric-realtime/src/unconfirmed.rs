//! Wakes of one channel that were sent on a socket and of which it is not known yet that they arrived.

use actix_socketio::Heartbeat;
use fabric_domain::model::{ChannelId, Seq};

/// Wakes that have arrived: of each channel, up to a message.
pub(crate) type Arrived = Vec<(ChannelId, Seq)>;

/// What waits for a pong: of wakes that follow each other on one connection the newest is enough. Sending costs a
/// write; which pings were sent is only looked at now and then ([`Self::look`]), so what was sent since the last look
/// counts as sent at this one. A ping is sent only when the one before is answered, so two generations are enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unconfirmed {
    /// The newest wake that was sent when there had been at most `pings` pings.
    before: Seq,
    pings: u64,
    /// The newest wake since it was last looked at.
    since: Seq,
}

impl Unconfirmed {
    pub(crate) fn is_empty(&self) -> bool {
        self.newest() == Seq::ZERO
    }

    /// A wake was just sent.
    pub(crate) fn sent(&mut self, seq: Seq) {
        self.since = self.since.max(seq);
    }

    /// A wake was just sent to a client that is not told yet that it is connected. It is held back until then, and a
    /// ping may overtake it: the next ping proves nothing.
    pub(crate) fn sent_unanswered(&mut self, seq: Seq, heartbeat: Heartbeat) {
        self.before = self.before.max(seq);
        self.pings = heartbeat.sent + 1;
    }

    /// The newest wake that was sent.
    pub(crate) fn newest(&self) -> Seq {
        self.before.max(self.since)
    }

    /// Up to which message the wakes have arrived, where that is news.
    pub(crate) fn look(&mut self, heartbeat: Heartbeat) -> Option<Seq> {
        let has_arrived = self.before != Seq::ZERO && heartbeat.answered > self.pings;
        let arrived = has_arrived.then(|| std::mem::take(&mut self.before));
        if self.before == Seq::ZERO && self.since != Seq::ZERO {
            self.before = std::mem::take(&mut self.since);
            self.pings = heartbeat.sent;
        }
        arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pings sent and answered.
    fn beat(sent: u64, answered: u64) -> Heartbeat {
        let mut beat = Heartbeat::default();
        (beat.sent, beat.answered) = (sent, answered);
        beat
    }

    #[test]
    fn a_wake_has_arrived_when_a_ping_that_was_sent_after_it_is_answered() {
        let mut wakes = Unconfirmed::default();
        wakes.sent(Seq(1));
        assert_eq!(wakes.look(beat(0, 0)), None);
        assert_eq!(wakes.look(beat(1, 0)), None);
        wakes.sent(Seq(2));
        assert_eq!(wakes.look(beat(1, 1)), Some(Seq(1)), "the other one was sent behind the ping");
        assert_eq!(wakes.look(beat(1, 1)), None);
        assert_eq!(wakes.look(beat(2, 1)), None);
        assert_eq!(wakes.look(beat(2, 2)), Some(Seq(2)));
        assert!(wakes.is_empty());
    }

    #[test]
    fn a_stream_of_wakes_does_not_put_off_those_that_have_arrived() {
        let mut wakes = Unconfirmed::default();
        let mut arrived = Vec::new();
        for n in 1..=40 {
            // A ping between every ten wakes, answered three wakes later.
            wakes.sent(Seq(n));
            arrived.extend(wakes.look(beat(n / 10, n.saturating_sub(3) / 10)));
        }
        assert_eq!(arrived, [Seq(1), Seq(13), Seq(23)]);
    }

    #[test]
    fn a_ping_that_was_answered_before_anybody_looked_proves_nothing() {
        let mut wakes = Unconfirmed::default();
        wakes.sent(Seq(1));
        assert_eq!(wakes.look(beat(3, 3)), None, "the wake may be behind all three");
        assert_eq!(wakes.look(beat(4, 3)), None);
        assert_eq!(wakes.look(beat(4, 4)), Some(Seq(1)));
    }

    #[test]
    fn before_the_client_is_told_that_it_joined_a_ping_proves_nothing() {
        let mut wakes = Unconfirmed::default();
        wakes.sent_unanswered(Seq(1), beat(0, 0));
        assert_eq!(wakes.look(beat(1, 1)), None);
        assert_eq!(wakes.look(beat(2, 1)), None);
        assert_eq!(wakes.look(beat(2, 2)), Some(Seq(1)));
    }
}
