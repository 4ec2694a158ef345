//! Where committed events go.

use async_trait::async_trait;

use crate::decisions::Commit;
use crate::model::Presence;

/// Takes committed events and brings them to whom they concern.
///
/// The *store* calls [`Publisher::publish`], not the use case: it alone knows the order of its commits, and
/// it goes on when the caller whose request it was has gone away. So nothing is published before its
/// commit, and nothing committed stays unpublished.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// A committed change of a channel. Per channel, calls come in the order of [`Commit::version`]. May
    /// wait for room in a queue, but never for a receiver.
    async fn publish(&self, commit: Commit);

    /// A user's stored presence changed.
    async fn presence(&self, presence: Presence);
}
