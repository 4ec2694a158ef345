//! Commits that are under way: begun, and not yet published.

use std::collections::BTreeSet;
use std::sync::Arc;

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
    open: BTreeSet<u64>,
}

/// Open until it is dropped.
#[derive(Debug)]
pub(crate) struct Section {
    number: u64,
    of: Sections,
}

impl Sections {
    /// To be held from before the commit is asked for until what it did is published.
    pub(crate) fn enter(&self) -> Section {
        let mut numbers = self.0.numbers.lock();
        let number = numbers.next;
        numbers.next += 1;
        numbers.open.insert(number);
        Section { number, of: self.clone() }
    }

    /// Waits until every section that is open now is left; later ones do not matter.
    pub(crate) async fn all_left(&self) {
        let bound = self.0.numbers.lock().next;
        loop {
            let left = self.0.left.notified();
            tokio::pin!(left);
            // Listening before looking, so that nothing is missed between the two.
            left.as_mut().enable();
            if self.0.numbers.lock().open.first().is_none_or(|first| *first >= bound) {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        self.of.0.numbers.lock().open.remove(&self.number);
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
        let (first, second) = (sections.enter(), sections.enter());
        let mut waiting = Box::pin(sections.all_left());
        let mut poll = || waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(), Poll::Pending);
        let _later = sections.enter();
        drop(second);
        assert_eq!(poll(), Poll::Pending);
        drop(first);
        assert_eq!(poll(), Poll::Ready(()));
    }
}
