//! The publisher: takes commits in their order and has them told.

use std::sync::Arc;

use async_trait::async_trait;
use fabric_api::realtime::{PresenceChanged, Typing, event};
use fabric_domain::decisions::{Commit, Event};
use fabric_domain::model::{ChannelId, Presence, Timestamp, UserId};
use fabric_domain::ports::{ConnectedUsers, Publisher};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::audience::Audience;
use crate::broadcast::Draft;
use crate::presence::PresenceOrder;
use crate::settled::Settled;
use crate::station::Ticket;
use crate::typing::Typists;

/// Commits that may wait for workers; past it, committing waits. Telling a worker's sockets waits for nobody.
const QUEUE: usize = 4_096;

/// Who is connected, and who has joined which channel.
///
/// An event gets its place where it is published, and goes to the queue of every worker that has somebody whom it
/// concerns, so all sockets see events in one order. A slow socket has a bounded queue of its own and is closed when
/// it overflows, so nobody waits for anybody.
pub struct Hub {
    pub(crate) audience: Arc<Audience>,
    /// Room for commits that wait.
    waiting: Arc<Semaphore>,
    presence: PresenceOrder,
    typists: Mutex<Typists>,
    pub(crate) settled: Settled,
}

impl Hub {
    /// A hub without sockets.
    pub fn start() -> Arc<Self> {
        Arc::new(Self {
            audience: Audience::new(),
            waiting: Arc::new(Semaphore::new(QUEUE)),
            presence: PresenceOrder::default(),
            typists: Mutex::default(),
            settled: Settled::default(),
        })
    }

    /// Waits until one more commit may wait. In the order in which it is asked.
    async fn ticket(&self) -> Option<Ticket> {
        // It is never closed.
        Arc::clone(&self.waiting).acquire_owned().await.map(Arc::new).ok()
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
    pub(crate) async fn tell_presence(&self, presence: &Presence, changes: u64) -> bool {
        let Some(ticket) = self.ticket().await else { return true };
        let tell = || self.place_presence(presence, &ticket);
        self.presence.tell_unless_changed(&presence.user_id, changes, tell)
    }

    /// Tells everybody how a user is, and whether they are connected. Who is away for a moment gets it on coming back.
    fn place_presence(&self, presence: &Presence, ticket: &Ticket) {
        let change = PresenceChanged {
            user_id: presence.user_id.clone(),
            status: presence.status.into(),
            online: self.audience.sessions.is_connected(&presence.user_id),
        };
        self.audience.order.tell_everybody(Draft::new(event::PRESENCE, change), ticket);
    }

    /// A user types on a socket of theirs.
    pub(crate) async fn begin_typing(&self, channel: ChannelId, user: UserId, session: u64, now: Timestamp) {
        let is_news = self.typists.lock().begin(&channel, &user, session, now);
        if is_news && let Some(ticket) = self.ticket().await {
            self.tell_typing(channel, user, true, &ticket);
        }
    }

    /// A user has stopped typing.
    pub(crate) async fn end_typing(&self, channel: ChannelId, user: UserId) {
        if self.typists.lock().end(&channel, &user) {
            self.tell_stopped(vec![(channel, user)]).await;
        }
    }

    /// A socket is gone, or has left this channel: nobody types on it any more.
    pub(crate) async fn end_typing_on(&self, session: u64, channel: Option<&ChannelId>) {
        let stopped = self.typists.lock().leave(session, channel);
        self.tell_stopped(stopped).await;
    }

    /// Those who have not said so again do not type any more.
    pub(crate) async fn expire_typing(&self, now: Timestamp) {
        let stopped = self.typists.lock().expire(now);
        self.tell_stopped(stopped).await;
    }

    async fn tell_stopped(&self, stopped: Vec<(ChannelId, UserId)>) {
        for (channel, user) in stopped {
            let Some(ticket) = self.ticket().await else { return };
            self.tell_typing(channel, user, false, &ticket);
        }
    }

    /// Who wrote a message, or has left, types no more: the others hear of it before the rest.
    fn end_typing_by(&self, commit: &Commit, ticket: &Ticket) {
        let ends = commit.events.iter().filter_map(|event| match event {
            Event::MessageCreated { message, .. } => Some(&message.author),
            Event::MemberLeft { user, .. } => Some(user),
            _ => None,
        });
        for user in ends {
            if self.typists.lock().end(&commit.channel_id, user) {
                self.tell_typing(commit.channel_id.clone(), user.clone(), false, ticket);
            }
        }
    }

    /// Tells the others in a channel that a user types, or has stopped.
    fn tell_typing(&self, channel_id: ChannelId, user_id: UserId, typing: bool, ticket: &Ticket) {
        let Audience { sessions, order, .. } = &*self.audience;
        let (channel, number) = (channel_id.clone(), sessions.number(&user_id));
        let change = Typing { channel_id, user_id, typing };
        order.tell_others(&channel, number, Draft::new(event::TYPING, change), ticket);
    }

    /// Notes how much there is of everything that comes and goes.
    pub(crate) fn measure(&self) {
        let gauge = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
        let Audience { sessions, metrics, .. } = &*self.audience;
        metrics.sockets.set(gauge(sessions.connected_count()));
        metrics.parked.set(gauge(sessions.parked_count()));
        metrics.queued.set(gauge(QUEUE.saturating_sub(self.waiting.available_permits())));
    }

    /// How many sockets are connected.
    pub fn socket_count(&self) -> usize {
        self.audience.sessions.connected_count()
    }
}

#[async_trait]
impl Publisher for Hub {
    async fn publish(&self, commit: Commit) {
        let Some(ticket) = self.ticket().await else { return };
        self.end_typing_by(&commit, &ticket);
        self.audience.order.commit(commit, &self.audience.sessions, &ticket);
    }

    async fn presence(&self, presence: Presence) {
        let Some(ticket) = self.ticket().await else { return };
        self.presence.tell(&presence.user_id, || self.place_presence(&presence, &ticket));
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
