//! Files of a node: their folder, and the sweep.

use std::sync::Arc;
use std::time::Duration;

use fabric_domain::services::{Guild, ServiceError, Swept};
use tokio::time::{MissedTickBehavior, interval};

/// How often expired files are removed.
const EXPIRE_EVERY: Duration = Duration::from_mins(10);
/// When the next sweep comes after one that failed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(30);
/// How often rows and bytes are compared. That looks at every file.
const RECONCILE_EVERY: Duration = Duration::from_hours(1);

/// Sweeps, from the beginning and then now and then.
pub(crate) async fn sweep_files(guild: Arc<Guild>) {
    let (mut expire, mut reconcile) = (interval(EXPIRE_EVERY), interval(RECONCILE_EVERY));
    expire.set_missed_tick_behavior(MissedTickBehavior::Delay);
    reconcile.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // A sweep that was begun is never broken off for the other.
        let swept = tokio::select! {
            _ = expire.tick() => guild.expire_files().await,
            _ = reconcile.tick() => guild.reconcile_files().await,
        };
        if swept.is_err() {
            for ticks in [&mut expire, &mut reconcile] {
                ticks.reset_after(AFTER_A_FAILURE);
            }
        }
        tell(swept);
    }
}

fn tell(swept: Result<Swept, ServiceError>) {
    match swept {
        Ok(Swept { expired: 0, orphans: 0, missing: 0 }) => {}
        Ok(Swept { expired, orphans, missing }) => {
            if expired > 0 || orphans > 0 {
                tracing::info!(expired, orphans, "files were swept");
            }
            if missing > 0 {
                tracing::warn!(
                    missing,
                    "files in the database whose bytes are not in FILE_DIR: they read as expired"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "files were not swept"),
    }
}
