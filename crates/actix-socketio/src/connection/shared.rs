//! What all connections of one server share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{admission::Admission, sweeper::Sweeper, work::Work};
use crate::{Config, SessionLimits, proto::Moment};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// As the configuration has them, without upgrades where websocket is not offered.
    pub(super) limits: Arc<SessionLimits>,
    pub(crate) admission: Admission,
    pub(super) sweeper: Arc<Sweeper>,
    pub(super) work: Arc<Work>,
    /// The websockets that have something to write, or may have.
    pub(super) sockets: Arc<Work>,
    numbers: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: Config) -> Self {
        let mut limits = config.limits.clone();
        limits.upgrades &= config.websocket;
        Self {
            admission: Admission::new(config.connect_rate),
            sweeper: Arc::new(Sweeper::new(&limits)),
            work: Arc::default(),
            sockets: Arc::default(),
            numbers: AtomicU64::new(0),
            limits: Arc::new(limits),
            config,
        }
    }

    /// The time, as sessions count it.
    pub(crate) fn now(&self) -> Moment {
        self.sweeper.now()
    }

    /// A number for a poll or a websocket.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}
