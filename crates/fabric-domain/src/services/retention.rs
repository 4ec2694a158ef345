//! Texts of deleted messages are erased for good after the retention time (spec/3 section 6).

use std::time::Duration;

use super::{Guild, ServiceError};
use crate::ports::ERASED_AT_ONCE;

impl Guild {
    /// Erases the texts of messages whose deletion is [`Limits::retention_days`](crate::decisions::Limits) old or older.
    /// Answers how many texts that were. Each batch is a write of its own, so that others get their turn in
    /// between.
    pub async fn erase_deleted(&self) -> Result<usize, ServiceError> {
        let until = self.now().minus(Duration::from_hours(24) * self.limits.retention_days);
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
