//! How often somebody may try to sign in.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fabric_domain::model::Timestamp;
use fabric_serverkit::web::network;

use crate::error::Error;

/// The most keys that one limit remembers: attackers can make up any number of addresses and accounts.
const MAX_KEYS: usize = 20_000;

/// The limits on signing in.
pub(crate) struct LoginLimits {
    addresses: Limit<IpAddr>,
    /// By fingerprint of the email or API key, and where it is tried from: a stranger's attempts are not the owner's.
    accounts: Limit<(String, Option<IpAddr>)>,
}

impl LoginLimits {
    pub(crate) fn new(per_address: u32, per_account: u32) -> Self {
        Self { addresses: Limit::per_minute(per_address), accounts: Limit::per_minute(per_account) }
    }

    /// Counts one attempt, or refuses it.
    pub(crate) fn attempt(
        &self,
        address: Option<IpAddr>,
        account: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let address = address.map(network);
        let of_address = address.map_or(Ok(()), |address| self.addresses.take(address, now));
        of_address
            .and_then(|()| self.accounts.take((account.to_owned(), address), now))
            .map_err(|wait| Error::RateLimited { retry_after_seconds: seconds(wait) })
    }
}

/// Whole seconds that are not too few.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// A token bucket per key: `burst` attempts at once, then one every `interval`. Of every bucket only the instant is
/// kept at which it will be full again; a bucket that is full is forgotten without loss.
struct Limit<K> {
    interval: Duration,
    burst: u32,
    max_keys: usize,
    full_at: Mutex<HashMap<K, Timestamp>>,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    /// `count` at once and `count` a minute; 0 is no limit.
    fn per_minute(count: u32) -> Self {
        Self::new(count, MAX_KEYS)
    }

    fn new(count: u32, max_keys: usize) -> Self {
        // In whole milliseconds, as instants are counted.
        let interval = Duration::from_millis(60_000_u64.checked_div(count.into()).unwrap_or_default().max(1));
        Self { interval, burst: count, max_keys, full_at: Mutex::default() }
    }

    /// Takes one attempt, or says how long to wait for it.
    fn take(&self, key: K, now: Timestamp) -> Result<(), Duration> {
        if self.burst == 0 {
            return Ok(());
        }
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= self.max_keys && !full_at.contains_key(&key) {
            make_room(&mut full_at, now);
        }
        let full = full_at.entry(key).or_insert(now);
        let after = (*full).max(now).plus(self.interval);
        let wait = after.since(now).saturating_sub(self.interval * self.burst);
        if !wait.is_zero() {
            return Err(wait);
        }
        *full = after;
        Ok(())
    }
}

/// Forgets the buckets that are full and, when that is not enough, the half that is nearest to it: those who try
/// hardest stay limited.
fn make_room<K: Hash + Eq>(full_at: &mut HashMap<K, Timestamp>, now: Timestamp) {
    let before = full_at.len();
    full_at.retain(|_, full| *full > now);
    if full_at.len() * 2 > before {
        let mut instants: Vec<Timestamp> = full_at.values().copied().collect();
        let middle = instants.len() / 2;
        let (_, median, _) = instants.select_nth_unstable(middle);
        let median = *median;
        full_at.retain(|_, full| *full > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn a_burst_passes_then_one_every_interval() {
        let limit = Limit::new(3, 10);
        for _ in 0..3 {
            assert_eq!(limit.take("a", NOW), Ok(()));
        }
        assert_eq!(limit.take("a", NOW), Err(Duration::from_secs(20)));
        assert_eq!(limit.take("b", NOW), Ok(()), "another key has its own bucket");
        assert_eq!(limit.take("a", Timestamp(NOW.0 + 19_999)), Err(Duration::from_millis(1)));
        assert_eq!(limit.take("a", Timestamp(NOW.0 + 20_000)), Ok(()));
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = Limit::new(0, 1);
        assert!((0..1_000).all(|_| limit.take("a", NOW).is_ok()));
    }

    #[test]
    fn memory_is_bounded_and_the_hardest_triers_stay_limited() {
        let limit = Limit::new(2, 100);
        for _ in 0..2 {
            limit.take("guilty".to_owned(), NOW).unwrap();
        }
        for n in 0..10_000 {
            let _ = limit.take(format!("made up {n}"), NOW);
        }
        assert!(limit.full_at.lock().unwrap().len() <= 100);
        assert!(limit.take("guilty".to_owned(), NOW).is_err());
    }

    #[test]
    fn a_stranger_locks_nobody_out() {
        let limits = LoginLimits::new(0, 2);
        let [stranger, owner] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().ok());
        for _ in 0..2 {
            limits.attempt(stranger, "ada", NOW).unwrap();
        }
        assert!(limits.attempt(stranger, "ada", NOW).is_err());
        assert!(limits.attempt(owner, "ada", NOW).is_ok());
        assert!(limits.attempt(stranger, "ben", NOW).is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let limits = LoginLimits::new(1, 0);
        let first: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let second: IpAddr = "2001:db8:1:2:ffff::2".parse().unwrap();
        assert!(limits.attempt(Some(first), "a", NOW).is_ok());
        assert!(matches!(
            limits.attempt(Some(second), "b", NOW),
            Err(Error::RateLimited { retry_after_seconds: 60 })
        ));
    }
}
