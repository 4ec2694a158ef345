//! How often each address may connect.

use std::{collections::HashMap, net::IpAddr};

use parking_lot::Mutex;

use crate::{
    Rate, network,
    proto::{Moment, TokenBucket},
};

/// Addresses remembered at least, before those that behave are forgotten.
const ADDRESSES: usize = 1024;

/// The rate at which each address may connect.
#[derive(Debug)]
pub(crate) struct Admission {
    rate: Option<Rate>,
    addresses: Mutex<Addresses>,
}

#[derive(Debug)]
struct Addresses {
    buckets: HashMap<IpAddr, TokenBucket>,
    /// The number of addresses at which to clean up next.
    clean_at: usize,
}

impl Admission {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, addresses: Mutex::new(Addresses { buckets: HashMap::new(), clean_at: ADDRESSES }) }
    }

    /// Takes one CONNECT from what this address may do now. False when there is none left.
    pub(crate) fn charge(&self, address: Option<IpAddr>, now: Moment) -> bool {
        let (Some(rate), Some(address)) = (self.rate, address) else {
            return true;
        };
        let mut addresses = self.addresses.lock();
        if addresses.buckets.len() >= addresses.clean_at {
            addresses.buckets.retain(|_, bucket| !bucket.is_full(now));
            // At twice what is left, so that cleaning costs the same per address however many.
            addresses.clean_at = (addresses.buckets.len() * 2).max(ADDRESSES);
        }
        let bucket = addresses.buckets.entry(network(address)).or_insert_with(|| TokenBucket::new(rate, now));
        bucket.take(now)
    }
}
