//! What was posted and what has arrived: every delivery is checked here, and every fault ends the measurement.

use std::time::Instant;

use super::text::{Found, PostNo};
use crate::{Outcome, ensure};

/// A channel, by its place in the list of channels.
pub(in crate::judge) type ChannelNo = usize;

/// Who gets what, and what was seen so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    channels: Vec<Channel>,
    posts: Vec<Post>,
    /// Frames that arrived, and their bytes on the wire.
    pub(super) deliveries: u64,
    pub(super) bytes: u64,
    /// Posts that are acknowledged and delivered to everybody.
    pub(super) done: u64,
    /// From the moment at which a post was due to each of its receipts, in microseconds; only while wanted.
    pub(super) receipts: Option<Vec<u32>>,
}

#[derive(Debug, Default)]
struct Channel {
    receivers: u32,
    /// Which post has which seq, as the first one said who knew.
    said: Vec<Option<PostNo>>,
    /// The highest seq that was acknowledged.
    acknowledged: u64,
}

#[derive(Debug)]
struct Post {
    channel: ChannelNo,
    due: Instant,
    /// Receipts to come, and the acknowledgement.
    left: u32,
}

impl Ledger {
    /// One more channel.
    pub(super) fn open(&mut self) -> ChannelNo {
        self.channels.push(Channel::default());
        self.channels.len() - 1
    }

    /// One more socket in a channel: it gets what is posted from now on.
    pub(super) fn joined(&mut self, channel: ChannelNo) {
        self.channels[channel].receivers += 1;
    }

    /// No socket is in any channel any more.
    pub(super) fn everybody_left(&mut self) {
        for channel in &mut self.channels {
            channel.receivers = 0;
        }
    }

    /// A post that was due at this moment.
    pub(super) fn posting(&mut self, channel: ChannelNo, due: Instant) -> PostNo {
        let left = self.channels[channel].receivers + 1;
        self.posts.push(Post { channel, due, left });
        self.posts.len() - 1
    }

    /// A post was acknowledged.
    pub(super) fn acknowledged(&mut self, post: PostNo, seq: u64) -> Outcome {
        let channel = self.posts[post].channel;
        self.channels[channel].is(seq, post)?;
        let highest = &mut self.channels[channel].acknowledged;
        *highest = seq.max(*highest);
        self.step(post)
    }

    /// A message has arrived on a socket whose latest one was `last`.
    pub(super) fn arrived(
        &mut self,
        channel: ChannelNo,
        last: &mut u64,
        found: Found,
        bytes: usize,
        now: Instant,
    ) -> Outcome {
        let Found { seq, post } = found;
        ensure!(seq == *last + 1, "a socket got seq {seq} after {last}: lost, doubled or out of order");
        *last = seq;
        self.channels[channel].is(seq, post)?;
        self.deliveries += 1;
        self.bytes += bytes as u64;
        if let Some(receipts) = &mut self.receipts {
            let late = now.saturating_duration_since(self.posts[post].due).as_micros();
            receipts.push(u32::try_from(late).unwrap_or(u32::MAX));
        }
        self.step(post)
    }

    fn step(&mut self, post: PostNo) -> Outcome {
        let left = &mut self.posts[post].left;
        ensure!(*left > 0, "post {post} came more often than there are sockets");
        *left -= 1;
        self.done += u64::from(*left == 0);
        Ok(())
    }

    /// Posts that are not done yet.
    pub(super) fn under_way(&self) -> u64 {
        self.posts.len() as u64 - self.done
    }

    /// A socket whose latest message is `last` has got everything that was acknowledged.
    pub(super) fn check_end(&self, channel: ChannelNo, last: u64) -> Outcome {
        let expected = self.channels[channel].acknowledged;
        ensure!(expected <= last, "a socket ended at seq {last}, seq {expected} was acknowledged");
        Ok(())
    }
}

impl Channel {
    /// Everybody must be told the same.
    fn is(&mut self, seq: u64, post: PostNo) -> Outcome {
        let place = usize::try_from(seq).map_err(|error| error.to_string())?;
        if self.said.len() <= place {
            self.said.resize(place + 1, None);
        }
        let said = self.said[place].get_or_insert(post);
        ensure!(*said == post, "seq {seq} is post {said} for one and post {post} for another");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel with two sockets, and posts 0, 1, 2 sent.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let channel = ledger.open();
        ledger.joined(channel);
        ledger.joined(channel);
        for _ in 0..3 {
            ledger.posting(channel, Instant::now());
        }
        ledger
    }

    fn arrive(ledger: &mut Ledger, last: &mut u64, seq: u64, post: PostNo) -> Outcome {
        ledger.arrived(0, last, Found { seq, post }, 800, Instant::now())
    }

    #[test]
    fn a_post_is_done_when_it_is_acknowledged_and_everybody_has_it() {
        let (mut ledger, mut one, mut other) = (ledger(), 0, 0);
        assert_eq!(arrive(&mut ledger, &mut one, 1, 0), Ok(()));
        assert_eq!(ledger.acknowledged(0, 1), Ok(()));
        assert_eq!(arrive(&mut ledger, &mut other, 1, 0), Ok(()));
        assert_eq!((ledger.deliveries, ledger.done, ledger.under_way()), (2, 1, 2));
    }

    #[test]
    fn a_lost_a_doubled_and_a_late_frame_are_noticed() {
        for order in [[1_u32, 3], [1, 1], [2, 1]] {
            let (mut ledger, mut last) = (ledger(), 0);
            let outcomes = order.map(|seq| arrive(&mut ledger, &mut last, seq.into(), seq as PostNo - 1));
            assert!(outcomes.iter().any(Result::is_err), "{order:?}");
        }
    }

    #[test]
    fn one_message_under_two_numbers_or_two_under_one_are_noticed() {
        let (mut ledger, mut one, mut other) = (ledger(), 0, 0);
        assert_eq!(arrive(&mut ledger, &mut one, 1, 0), Ok(()));
        assert!(arrive(&mut ledger, &mut other, 1, 1).is_err());
        assert!(ledger.acknowledged(2, 1).is_err());
    }

    #[test]
    fn a_socket_that_lacks_the_last_message_is_noticed() {
        let (mut ledger, mut last) = (ledger(), 0);
        assert_eq!(arrive(&mut ledger, &mut last, 1, 0), Ok(()));
        assert_eq!(ledger.acknowledged(1, 2), Ok(()));
        assert!(ledger.check_end(0, last).is_err());
        assert_eq!(arrive(&mut ledger, &mut last, 2, 1), Ok(()));
        assert_eq!(ledger.check_end(0, last), Ok(()));
    }
}
