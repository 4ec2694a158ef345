//! Wakes that were sent on a socket and of which it is not known yet that they arrived.

use std::collections::HashMap;

use actix_socketio::Heartbeat;
use fabric_domain::model::{ChannelId, Seq};

/// Wakes that have arrived: of each channel, up to a message.
pub(crate) type Arrived = Vec<(ChannelId, Seq)>;

/// What waits for a pong. A ping is sent only when the one before is answered, so two generations are enough: what
/// was sent before the ping that is on its way, and what came after it.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed {
    /// Pings sent when this was last looked at.
    pings: u64,
    /// The newest wake of each channel that was sent before ping number `pings`.
    before: HashMap<ChannelId, Seq>,
    /// The newest wake of each channel that was sent after it.
    since: HashMap<ChannelId, Seq>,
    /// What has arrived and was not asked for yet.
    arrived: HashMap<ChannelId, Seq>,
}

impl Unconfirmed {
    /// For a socket whose client is not told yet that it joined. What is sent until then is held back, and a ping
    /// may overtake it: the next ping proves nothing.
    pub(crate) fn new(heartbeat: Heartbeat) -> Self {
        Self { pings: heartbeat.sent + 1, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.since.is_empty() && self.arrived.is_empty()
    }

    /// A wake was just sent; `heartbeat` was asked for after that.
    pub(crate) fn sent(&mut self, channel: &ChannelId, seq: Seq, heartbeat: Heartbeat) {
        self.look(heartbeat);
        let newest = self.since.entry(channel.clone()).or_default();
        *newest = seq.max(*newest);
    }

    /// The newest wake of a channel that was sent.
    pub(crate) fn newest(&self, channel: &ChannelId) -> Option<Seq> {
        [&self.arrived, &self.before, &self.since]
            .into_iter()
            .filter_map(|wakes| wakes.get(channel))
            .max()
            .copied()
    }

    /// Takes out what has arrived.
    pub(crate) fn take_arrived(&mut self, heartbeat: Heartbeat) -> Arrived {
        self.look(heartbeat);
        self.arrived.drain().collect()
    }

    /// Takes out everything, in no order.
    pub(crate) fn take_all(&mut self) -> Arrived {
        self.arrived.drain().chain(self.before.drain()).chain(self.since.drain()).collect()
    }

    fn look(&mut self, heartbeat: Heartbeat) {
        if heartbeat.sent > self.pings {
            // Only because the ping before was answered could this one be sent.
            self.arrived.extend(self.before.drain());
            // Sent before the ping after `pings`, which is answered unless it is the last one.
            std::mem::swap(&mut self.before, &mut self.since);
            if heartbeat.sent > self.pings + 1 {
                self.arrived.extend(self.before.drain());
            }
            self.pings = heartbeat.sent;
        }
        if heartbeat.answered >= self.pings {
            self.arrived.extend(self.before.drain());
        }
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

    fn seqs(arrived: Arrived) -> Vec<u64> {
        let mut seqs: Vec<_> = arrived.into_iter().map(|(_, seq)| seq.0).collect();
        seqs.sort_unstable();
        seqs
    }

    #[test]
    fn a_wake_has_arrived_when_a_ping_that_was_sent_after_it_is_answered() {
        let (mut wakes, channel) = (Unconfirmed::default(), ChannelId::new("c"));
        wakes.sent(&channel, Seq(1), beat(0, 0));
        assert!(wakes.take_arrived(beat(1, 0)).is_empty());
        wakes.sent(&channel, Seq(2), beat(1, 0));
        assert_eq!(seqs(wakes.take_arrived(beat(1, 1))), [1], "the other one was sent behind the ping");
        assert!(wakes.take_arrived(beat(1, 1)).is_empty());
        assert!(wakes.take_arrived(beat(2, 1)).is_empty());
        assert_eq!(seqs(wakes.take_arrived(beat(2, 2))), [2]);
        assert!(wakes.is_empty());
    }

    #[test]
    fn a_stream_of_wakes_does_not_put_off_those_that_have_arrived() {
        let (mut wakes, channel) = (Unconfirmed::default(), ChannelId::new("c"));
        let mut arrived = Vec::new();
        for n in 1..=40 {
            // A ping between every ten wakes, answered three wakes later.
            let heartbeat = beat(n / 10, n.saturating_sub(3) / 10);
            wakes.sent(&channel, Seq(n), heartbeat);
            arrived.extend(seqs(wakes.take_arrived(heartbeat)));
        }
        assert_eq!(arrived, [9, 19, 29]);
    }

    #[test]
    fn pings_that_nobody_looked_at_count() {
        for (sent, answered, expected) in [(5, 4, vec![1]), (5, 5, vec![1]), (4, 3, vec![]), (4, 4, vec![1])]
        {
            let mut wakes = Unconfirmed::default();
            assert!(wakes.take_arrived(beat(3, 3)).is_empty());
            wakes.sent(&ChannelId::new("c"), Seq(1), beat(3, 3));
            assert_eq!(seqs(wakes.take_arrived(beat(sent, answered))), expected, "{sent} {answered}");
        }
    }

    #[test]
    fn before_the_client_is_told_that_it_joined_a_ping_proves_nothing() {
        let mut wakes = Unconfirmed::new(beat(0, 0));
        wakes.sent(&ChannelId::new("c"), Seq(1), beat(0, 0));
        assert!(wakes.take_arrived(beat(1, 1)).is_empty());
        assert!(wakes.take_arrived(beat(2, 1)).is_empty());
        assert_eq!(seqs(wakes.take_arrived(beat(2, 2))), [1]);
    }
}
