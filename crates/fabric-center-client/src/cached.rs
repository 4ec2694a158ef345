//! Answers that are remembered: fresh for a while, and for some time more a help while Center cannot be asked.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use fabric_domain::model::Timestamp;
use fabric_domain::ports::{CenterError, Clock};
use moka::future::Cache;

/// What Center said, and how far it can be relied upon.
#[derive(Debug, Clone)]
pub(crate) struct Answer<V> {
    pub(crate) value: V,
    /// Not asked again until then.
    pub(crate) fresh_until: Timestamp,
    /// Good until then while Center cannot be asked.
    pub(crate) usable_until: Timestamp,
}

/// The last answer about something, and whether asking again has failed since.
#[derive(Debug, Clone)]
struct Slot<V> {
    answer: Option<Answer<V>>,
    failure: Option<CenterError>,
    asked: Timestamp,
}

impl<V> Slot<V> {
    fn must_ask(&self, now: Timestamp) -> bool {
        self.failure.is_some() || self.answer.as_ref().is_none_or(|answer| now >= answer.fresh_until)
    }
}

/// A bounded memory of answers. Those who ask about one thing at the same time share one request.
pub(crate) struct Cached<K, V> {
    clock: Arc<dyn Clock>,
    slots: Cache<K, Slot<V>>,
}

impl<K, V> Cached<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// `longest` is how long an answer can be of use; later it is only in the way.
    pub(crate) fn new(clock: Arc<dyn Clock>, capacity: u64, longest: Duration) -> Self {
        Self { clock, slots: Cache::builder().max_capacity(capacity).time_to_live(longest).build() }
    }

    /// What is known about `key`; when that is not fresh, `ask` is.
    pub(crate) async fn get(
        &self,
        key: K,
        ask: impl Future<Output = Result<Answer<V>, CenterError>> + Send,
    ) -> Result<V, CenterError> {
        let now = self.clock.now();
        self.get_if(key, ask, |slot| slot.must_ask(now)).await
    }

    /// What `ask` says now of `key`; while Center cannot be asked, what is known.
    pub(crate) async fn renew(
        &self,
        key: K,
        ask: impl Future<Output = Result<Answer<V>, CenterError>> + Send,
    ) -> Result<V, CenterError> {
        let now = self.clock.now();
        self.get_if(key, ask, |slot| slot.asked <= now).await
    }

    async fn get_if(
        &self,
        key: K,
        ask: impl Future<Output = Result<Answer<V>, CenterError>> + Send,
        must_ask: impl FnMut(&Slot<V>) -> bool + Send,
    ) -> Result<V, CenterError> {
        let asked = self.clock.now();
        let previous = self.slots.get(&key).await.and_then(|slot| slot.answer);
        let look_up = async {
            match ask.await {
                Ok(answer) => Slot { answer: Some(answer), failure: None, asked },
                Err(failure) => Slot { answer: previous, failure: Some(failure), asked },
            }
        };
        // If the caller who asks goes away, the next of those who wait asks.
        let entry = self.slots.entry(key).or_insert_with_if(look_up, must_ask).await;
        let Slot { answer, failure, .. } = entry.into_value();
        match (answer, failure) {
            (Some(answer), None) => Ok(answer.value),
            (Some(answer), Some(_)) if self.clock.now() < answer.usable_until => Ok(answer.value),
            (_, Some(failure)) => Err(failure),
            (None, None) => Err(CenterError::Unavailable("nothing was asked".to_owned())),
        }
    }

    /// What is known about `key`, if it need not be asked again yet.
    pub(crate) async fn fresh(&self, key: &K) -> Option<V> {
        let slot = self.slots.get(key).await.filter(|slot| !slot.must_ask(self.clock.now()))?;
        slot.answer.map(|answer| answer.value)
    }

    /// Forgets what is known about `key`.
    pub(crate) async fn forget(&self, key: &K) {
        self.slots.invalidate(key).await;
    }
}
