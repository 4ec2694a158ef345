//! What was deleted is erased for good after its time (spec/3 section 6).

use super::{Guild, ServiceError};
use crate::model::Timestamp;
use crate::ports::ERASED_AT_ONCE;

const DAY_MS: i64 = 24 * 3_600 * 1_000;

impl Guild {
    /// Erases the texts of messages whose deletion is [`Limits::retention_days`](crate::decisions::Limits) old or older.
    /// Answers how many texts that were. Each batch is a write of its own, so that others get their turn in
    /// between.
    pub async fn erase_deleted(&self) -> Result<usize, ServiceError> {
        let retention = i64::from(self.limits.retention_days) * DAY_MS;
        let until = Timestamp(self.ports.clock.now().0.saturating_sub(retention));
        let mut erased = 0;
        loop {
            let batch = self.ports.store.erase_deleted(until).await?;
            erased += batch;
            if batch < ERASED_AT_ONCE {
                return Ok(erased);
            }
        }
    }
}
