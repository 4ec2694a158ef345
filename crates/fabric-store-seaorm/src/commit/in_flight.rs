//! Commits that were begun and are not yet published.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_domain::model::ChannelId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The commits in flight. Clones are the same set.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    commits: Mutex<Commits>,
    published: Notify,
}

#[derive(Debug, Default)]
struct Commits {
    /// The number of the next one.
    next: u64,
    /// Those in flight, by their numbers: of which channel they are.
    of: BTreeMap<u64, Option<ChannelId>>,
}

/// In flight until it is dropped.
#[derive(Debug)]
pub(crate) struct CommitInFlight {
    number: u64,
    all: InFlight,
}

impl InFlight {
    /// A commit begins. What this returns is kept until everything in the commit is published.
    pub(crate) fn begin(&self, channel: Option<&ChannelId>) -> CommitInFlight {
        let mut commits = self.0.commits.lock();
        let number = commits.next;
        commits.next += 1;
        commits.of.insert(number, channel.cloned());
        CommitInFlight { number, all: self.clone() }
    }

    /// Waits until every commit of this channel, or of any, that is in flight now is published, and not for later ones.
    pub(crate) async fn all_published(&self, channel: Option<&ChannelId>) {
        let bound = self.0.commits.lock().next;
        loop {
            let published = self.0.published.notified();
            tokio::pin!(published);
            // Listening before looking, so that nothing is missed between the two.
            published.as_mut().enable();
            let is_in_flight = {
                let commits = self.0.commits.lock();
                let mut before = commits.of.range(..bound);
                before.any(|(_, of)| channel.is_none() || of.as_ref() == channel)
            };
            if !is_in_flight {
                return;
            }
            published.await;
        }
    }
}

impl Drop for CommitInFlight {
    fn drop(&mut self) {
        drop(self.all.0.commits.lock().of.remove(&self.number));
        self.all.0.published.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn only_commits_that_are_in_flight_at_the_call_are_waited_for() {
        let commits = InFlight::default();
        let (first, second) = (commits.begin(None), commits.begin(Some(&"a".into())));
        let mut waiting = Box::pin(commits.all_published(None));
        let mut poll = || waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(), Poll::Pending);
        let _later = commits.begin(None);
        drop(second);
        assert_eq!(poll(), Poll::Pending);
        drop(first);
        assert_eq!(poll(), Poll::Ready(()));
    }

    #[test]
    fn a_channel_does_not_wait_for_another_one() {
        let commits = InFlight::default();
        let own = commits.begin(Some(&"a".into()));
        let _other = commits.begin(Some(&"b".into()));
        let channel = "a".into();
        let mut waiting = Box::pin(commits.all_published(Some(&channel)));
        let mut poll = || waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(), Poll::Pending);
        drop(own);
        assert_eq!(poll(), Poll::Ready(()));
    }
}
