//! The publisher: takes commits in their order and has them delivered.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use fabric_api::realtime::{Typing, event};
use fabric_domain::decisions::Commit;
use fabric_domain::model::{ChannelId, Presence, Timestamp, UserId};
use fabric_domain::ports::{ConnectedUsers, Publisher};
use tokio::sync::{mpsc, oneshot};

use crate::delivery::Audience;
use crate::frames::encode;
use crate::presence::PresenceOrder;
use crate::rooms::{SHARDS, shard_of};
use crate::session::SocketSession;
use crate::settled::Settled;

/// Commits that may wait for a delivering task; past it, committing waits. Delivery itself waits for nobody.
const QUEUE: usize = 4_096;

/// Who is connected, and who has joined which channel.
///
/// Commits of one channel go through one task, so their order is kept; a slow socket has a bounded queue of
/// its own and is closed when it overflows, so nobody waits for anybody.
pub struct Hub {
    /// One for each shard of the rooms.
    queues: Vec<mpsc::Sender<Queued>>,
    pub(crate) audience: Audience,
    presence: PresenceOrder,
    pub(crate) settled: Settled,
}

/// What waits for a delivering task.
enum Queued {
    Commit(Commit, Instant),
    Presence(Presence),
    /// Answered when everything before it is delivered.
    Barrier(oneshot::Sender<()>),
}

impl Hub {
    /// A hub without sockets. Its tasks run on the current tokio runtime and end with it.
    pub fn start() -> Arc<Self> {
        let (queues, waiting): (Vec<_>, Vec<_>) = (0..SHARDS).map(|_| mpsc::channel(QUEUE)).unzip();
        let hub = Arc::new(Self {
            queues,
            audience: Audience::new(),
            presence: PresenceOrder::default(),
            settled: Settled::default(),
        });
        for mut waiting in waiting {
            let hub = Arc::downgrade(&hub);
            tokio::spawn(async move {
                while let Some(queued) = waiting.recv().await {
                    let Some(hub) = hub.upgrade() else { break };
                    hub.take(queued);
                }
            });
        }
        hub
    }

    /// Takes what is next in a queue.
    fn take(&self, queued: Queued) {
        match queued {
            Queued::Commit(commit, since) => {
                self.audience.deliver(commit);
                self.audience.metrics.lag.record(since.elapsed());
            }
            Queued::Presence(presence) => {
                self.presence.tell(&presence.user_id, || self.audience.tell_presence(&presence));
            }
            Queued::Barrier(passed) => {
                // Whoever waited may be gone.
                let _ = passed.send(());
            }
        }
    }

    fn queue(&self, channel: &ChannelId) -> &mpsc::Sender<Queued> {
        &self.queues[shard_of(channel)]
    }

    /// Waits until everything that was published for this channel before the call is delivered.
    pub(crate) async fn delivered(&self, channel: &ChannelId) {
        let (passed, waiting) = oneshot::channel();
        if self.queue(channel).send(Queued::Barrier(passed)).await.is_ok() {
            // An error means that the runtime ends.
            let _ = waiting.await;
        }
    }

    /// A connection was lost whose client may come back: its channels, and what comes in them, are kept for a
    /// while. True when it was the user's last.
    pub(crate) fn park(&self, pid: &str, session: &Arc<SocketSession>, now: Timestamp) -> bool {
        let parked = self.audience.sessions.park(pid, session, now);
        parked.unwrap_or_else(|| self.audience.disconnect(session))
    }

    /// Forgets those that have been away for too long.
    pub(crate) fn expire_parked(&self, now: Timestamp) {
        for session in self.audience.sessions.take_expired(now) {
            self.audience.disconnect(&session);
        }
    }

    /// What to give [`Self::tell_presence`]; to be asked for before the presence is read.
    pub(crate) fn presence_changes(&self, user: &UserId) -> u64 {
        self.presence.changes(user)
    }

    /// Tells everybody a presence that was read a moment ago. False when it has changed since, and nobody was told.
    pub(crate) fn tell_presence(&self, presence: &Presence, changes: u64) -> bool {
        let tell = || self.audience.tell_presence(presence);
        self.presence.tell_unless_changed(&presence.user_id, changes, tell)
    }

    /// Tells the others in a channel that a user types, or has stopped.
    pub(crate) fn tell_typing(&self, channel_id: ChannelId, user_id: UserId, typing: bool) {
        let change = Typing { channel_id, user_id, typing };
        if let Some(event) = encode(event::TYPING, &change) {
            self.audience.tell_others(&change.channel_id, &change.user_id, &event);
        }
    }

    /// Notes how much there is of everything that comes and goes.
    pub(crate) fn measure(&self) {
        let gauge = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
        let Audience { sessions, metrics, .. } = &self.audience;
        metrics.sockets.set(gauge(sessions.connected_count()));
        metrics.parked.set(gauge(sessions.parked_count()));
        let length = |queue: &mpsc::Sender<Queued>| queue.max_capacity() - queue.capacity();
        metrics.queued.set(gauge(self.queues.iter().map(length).sum()));
    }

    /// How many sockets are connected.
    pub fn socket_count(&self) -> usize {
        self.audience.sessions.connected_count()
    }
}

#[async_trait]
impl Publisher for Hub {
    async fn publish(&self, commit: Commit) {
        // The receiving task ends only with the runtime.
        let _ = self.queue(&commit.channel_id).send(Queued::Commit(commit, Instant::now())).await;
    }

    async fn presence(&self, presence: Presence) {
        // Always the same queue, so that everybody hears last what a user said last.
        let _ = self.queues[0].send(Queued::Presence(presence)).await;
    }
}

impl ConnectedUsers for Hub {
    fn is_connected(&self, user: &UserId) -> bool {
        self.audience.sessions.is_connected(user)
    }

    fn connected(&self) -> Vec<UserId> {
        self.audience.sessions.connected_users()
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("sockets", &self.socket_count()).finish_non_exhaustive()
    }
}
