//! The port [`IdGenerator`] on real randomness.

use fabric_domain::model::{ChannelId, FileId, MessageId, Timestamp};
use fabric_domain::ports::IdGenerator;
use fabric_domain::rules::turn::Seed;
use fabric_serverkit::system::{new_uuid, random};

/// Ids and seeds from the thread's generator of random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemIds;

impl IdGenerator for SystemIds {
    fn message_id(&self, now: Timestamp) -> MessageId {
        new_uuid(now).into()
    }

    fn channel_id(&self, now: Timestamp) -> ChannelId {
        new_uuid(now).into()
    }

    fn file_id(&self, now: Timestamp) -> FileId {
        new_uuid(now).into()
    }

    fn turn_seed(&self) -> Seed {
        Seed(u64::from_le_bytes(random()))
    }
}
