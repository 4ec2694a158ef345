//! Commits that are under way: begun, and not yet published.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_domain::model::ChannelId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The open sections. Clones are the same set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sections(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    numbers: Mutex<Numbers>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Numbers {
    next: u64,
    /// And of which channel they are.
    open: BTreeMap<u64, Option<ChannelId>>,
}

/// Open until it is dropped.
#[derive(Debug)]
pub(crate) struct Section {
    number: u64,
    of: Sections,
}

impl Sections {
    /// To be held from before the commit is asked for until what it did is published.
    pub(crate) fn enter(&self, channel: Option<&ChannelId>) -> Section {
        let mut numbers = self.0.numbers.lock();
        let number = numbers.next;
        numbers.next += 1;
        numbers.open.insert(number, channel.cloned());
        Section { number, of: self.clone() }
    }

    /// Waits until every section of this channel, or of any, that is open now is left; later ones do not matter.
    pub(crate) async fn all_left(&self, channel: Option<&ChannelId>) {
        let bound = self.0.numbers.lock().next;
        loop {
            let left = self.0.left.notified();
            tokio::pin!(left);
            // Listening before looking, so that nothing is missed between the two.
            left.as_mut().enable();
            let is_open = {
                let numbers = self.0.numbers.lock();
                let mut before = numbers.open.range(..bound);
                before.any(|(_, of)| channel.is_none() || of.as_ref() == channel)
            };
            if !is_open {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        drop(self.of.0.numbers.lock().open.remove(&self.number));
        self.of.0.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn only_sections_that_are_open_at_the_call_are_waited_for() {
        let sections = Sections::default();
        let (first, second) = (sections.enter(None), sections.enter(Some(&"a".into())));
        let mut waiting = Box::pin(sections.all_left(None));
        let mut poll = || waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(), Poll::Pending);
        let _later = sections.enter(None);
        drop(second);
        assert_eq!(poll(), Poll::Pending);
        drop(first);
        assert_eq!(poll(), Poll::Ready(()));
    }

    #[test]
    fn a_channel_does_not_wait_for_another_one() {
        let sections = Sections::default();
        let own = sections.enter(Some(&"a".into()));
        let _other = sections.enter(Some(&"b".into()));
        let channel = "a".into();
        let mut waiting = Box::pin(sections.all_left(Some(&channel)));
        let mut poll = || waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(), Poll::Pending);
        drop(own);
        assert_eq!(poll(), Poll::Ready(()));
    }
}
