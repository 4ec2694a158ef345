//! The real clock and the real randomness: the one place that asks the operating system for either.

use std::time::{SystemTime, UNIX_EPOCH};

use fabric_domain::model::{ChannelId, FileId, MessageId, Timestamp};
use fabric_domain::ports::{Clock, Entropy};
use fabric_domain::rules::turn::Seed;
use uuid::Builder;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else takes as a parameter"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The system's generator of random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemEntropy;

impl SystemEntropy {
    /// Random bytes. A system without any is not one to run a server on.
    pub(crate) fn bytes<const N: usize>() -> [u8; N] {
        let mut bytes = [0; N];
        if let Err(error) = getrandom::fill(&mut bytes) {
            tracing::error!(%error, "the system has no randomness");
            std::process::abort();
        }
        bytes
    }

    fn uuid(now: Timestamp) -> String {
        let millis = u64::try_from(now.0).unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &Self::bytes()).into_uuid().to_string()
    }
}

impl Entropy for SystemEntropy {
    fn message_id(&self, now: Timestamp) -> MessageId {
        Self::uuid(now).into()
    }

    fn channel_id(&self, now: Timestamp) -> ChannelId {
        Self::uuid(now).into()
    }

    fn file_id(&self, now: Timestamp) -> FileId {
        Self::uuid(now).into()
    }

    fn seed(&self) -> Seed {
        Seed(u64::from_le_bytes(Self::bytes()))
    }
}
