//! Puts committed events on sockets.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use fabric_api::guild::{ChannelRow, Message, TurnView};
use fabric_api::realtime::{MembershipChanged, MessageDeleted, PresenceChanged, event};
use fabric_domain::decisions::{Commit, Event};
use fabric_domain::model::{ChannelId, Presence, Seq, Timestamp, UserId};
use fabric_domain::ports::{Online, Publisher, SettledWakes};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::frames::{Frame, MessageFrames, encode};
use crate::metrics::{self, Metrics};
use crate::room::Room;
use crate::session::Session;
use crate::unconfirmed::Arrived;

/// Channels are spread over this many rooms' locks and delivering tasks.
const SHARDS: usize = 4;
/// How many counters all users share that say whether somebody's presence has changed.
const PRESENCES: usize = 256;
/// Commits that may wait for a delivering task; past it, committing waits. Delivery itself waits for nobody.
const QUEUE: usize = 4_096;
/// How long a client may be away and still come back to its session, in milliseconds (spec/4 section 1).
const PARKED_MS: i64 = 120_000;
/// The most sessions that wait for their clients.
const MAX_PARKED: usize = 10_000;

/// Who is connected, and who has joined which channel.
///
/// Commits of one channel go through one task, so their order is kept; a slow socket has a bounded queue of
/// its own and is closed when it overflows, so nobody waits for anybody.
pub struct Hub {
    shards: Vec<Shard>,
    users: Mutex<HashMap<UserId, Vec<Present>>>,
    /// Held while everybody is told of a presence, so that who hears that somebody went hears it before that they
    /// came back. Counts what users said of themselves, by a hash of their ids.
    telling: Mutex<[u64; PRESENCES]>,
    /// Wakes that have arrived and are not yet noted as settled. At most one entry for each member of each channel,
    /// and emptied every second.
    settled: Mutex<HashMap<(ChannelId, UserId), Seq>>,
    /// Sessions whose connection is lost and may come back, by their private id.
    parked: Mutex<HashMap<String, Arc<Session>>>,
    pub(crate) metrics: Metrics,
}

/// A session of a user. Whether it is connected is said here and not asked of the session, so that of two sockets
/// that come or go at once exactly one is the first or the last.
struct Present {
    session: Arc<Session>,
    is_connected: bool,
}

/// A user has as many sockets as one may have.
#[derive(Debug)]
pub(crate) struct TooManySockets;

struct Shard {
    news: mpsc::Sender<News>,
    rooms: Mutex<HashMap<ChannelId, Room>>,
}

enum News {
    Commit(Commit, Instant),
    Presence(Presence),
    /// Answered when everything before it is delivered.
    Barrier(oneshot::Sender<()>),
}

impl Hub {
    /// A hub without sockets. Its tasks run on the current tokio runtime and end with it.
    pub fn start() -> Arc<Self> {
        let (shards, waiting): (Vec<_>, Vec<_>) = (0..SHARDS)
            .map(|_| {
                let (news, waiting) = mpsc::channel(QUEUE);
                (Shard { news, rooms: Mutex::default() }, waiting)
            })
            .unzip();
        let hub = Arc::new(Self {
            shards,
            users: Mutex::default(),
            telling: Mutex::new([0; PRESENCES]),
            settled: Mutex::default(),
            parked: Mutex::default(),
            metrics: Metrics::new(),
        });
        for mut waiting in waiting {
            let hub = Arc::downgrade(&hub);
            tokio::spawn(async move {
                while let Some(news) = waiting.recv().await {
                    let Some(hub) = hub.upgrade() else { break };
                    match news {
                        News::Commit(commit, since) => {
                            hub.deliver(commit);
                            hub.metrics.lag.record(since.elapsed());
                        }
                        News::Presence(presence) => hub.tell_presence(&presence),
                        News::Barrier(passed) => {
                            // Whoever waited may be gone.
                            let _ = passed.send(());
                        }
                    }
                }
            });
        }
        hub
    }

    fn shard(&self, channel: &ChannelId) -> &Shard {
        &self.shards[place(channel, SHARDS)]
    }

    /// Does something with the room of a channel under its lock; nothing is called back from in there.
    pub(crate) fn with_room<T>(&self, channel: &ChannelId, act: impl FnOnce(&mut Room) -> T) -> T {
        let mut rooms = self.shard(channel).rooms.lock();
        match rooms.entry(channel.clone()) {
            Entry::Occupied(mut entry) => {
                let result = act(entry.get_mut());
                if entry.get().is_empty() {
                    entry.remove();
                }
                result
            }
            Entry::Vacant(entry) => {
                let mut room = Room::default();
                let result = act(&mut room);
                if !room.is_empty() {
                    entry.insert(room);
                }
                result
            }
        }
    }

    /// Waits until everything that was published for this channel before the call is delivered.
    pub(crate) async fn delivered(&self, channel: &ChannelId) {
        let (passed, waiting) = oneshot::channel();
        if self.shard(channel).news.send(News::Barrier(passed)).await.is_ok() {
            // An error means that the runtime ends.
            let _ = waiting.await;
        }
    }

    /// Lets a socket in, unless its user has `most` already. True when it is the user's first.
    pub(crate) fn connect(&self, session: &Arc<Session>, most: usize) -> Result<bool, TooManySockets> {
        let mut users = self.users.lock();
        let sessions = users.entry(session.user().clone()).or_default();
        let before = connected(sessions);
        if before >= most {
            return Err(TooManySockets);
        }
        sessions.push(Present { session: Arc::clone(session), is_connected: true });
        Ok(before == 0)
    }

    /// A client came back to its session. True when the user has no other socket.
    pub(crate) fn come_back(&self, session: &Arc<Session>) -> bool {
        self.set_connected(session, true) == 1
    }

    /// A connection was lost whose client may come back: its channels, and what comes in them, are kept for a
    /// while. True when it was the user's last.
    pub(crate) fn park(&self, pid: &str, session: &Arc<Session>, now: Timestamp) -> bool {
        let mut parked = self.parked.lock();
        if parked.len() >= MAX_PARKED || !session.lose(now) {
            drop(parked);
            return self.disconnect(session);
        }
        let left = self.set_connected(session, false);
        parked.insert(pid.to_owned(), Arc::clone(session));
        left == 0
    }

    /// Answers how many sockets of its user are connected now.
    fn set_connected(&self, session: &Arc<Session>, is_connected: bool) -> usize {
        let mut users = self.users.lock();
        let Some(sessions) = users.get_mut(session.user()) else { return 0 };
        if let Some(present) = sessions.iter_mut().find(|present| Arc::ptr_eq(&present.session, session)) {
            present.is_connected = is_connected;
        }
        connected(sessions)
    }

    /// The session of a client that comes back.
    pub(crate) fn parked(&self, pid: &str) -> Option<Arc<Session>> {
        self.parked.lock().get(pid).cloned()
    }

    /// It is back, or will not be.
    pub(crate) fn unpark(&self, pid: &str) -> Option<Arc<Session>> {
        self.parked.lock().remove(pid)
    }

    /// Forgets those that have been away for too long.
    pub(crate) fn expire_parked(&self, now: Timestamp) {
        let before = Timestamp(now.0 - PARKED_MS);
        let gone: Vec<_> = self
            .parked
            .lock()
            .extract_if(|_, session| session.is_lost_before(before))
            .map(|(_, s)| s)
            .collect();
        for session in gone {
            self.disconnect(&session);
        }
    }

    /// A socket is gone. True when it was the user's last.
    pub(crate) fn disconnect(&self, session: &Arc<Session>) -> bool {
        for channel in session.close() {
            self.with_room(&channel, |room| room.leave(session.id()));
        }
        let mut users = self.users.lock();
        let Some(sessions) = users.get_mut(session.user()) else { return false };
        let before = connected(sessions);
        sessions.retain(|present| !Arc::ptr_eq(&present.session, session));
        let left = connected(sessions);
        if sessions.is_empty() {
            users.remove(session.user());
        }
        before > 0 && left == 0
    }

    /// Every connected socket.
    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        let users = self.users.lock();
        let present = users.values().flatten().filter(|present| present.is_connected);
        present.map(|present| Arc::clone(&present.session)).collect()
    }

    /// Every connected socket, and those that may come back.
    fn everybody(&self) -> Vec<Arc<Session>> {
        self.users.lock().values().flatten().map(|present| Arc::clone(&present.session)).collect()
    }

    /// Notes how much there is of everything that comes and goes.
    pub(crate) fn measure(&self) {
        let gauge = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
        self.metrics.sockets.set(gauge(self.socket_count()));
        self.metrics.parked.set(gauge(self.parked.lock().len()));
        let queued = |shard: &Shard| shard.news.max_capacity() - shard.news.capacity();
        self.metrics.queued.set(gauge(self.shards.iter().map(queued).sum()));
    }

    fn sessions_of(&self, user: &UserId) -> Vec<Arc<Session>> {
        let users = self.users.lock();
        let theirs = users.get(user).into_iter().flatten();
        theirs.map(|present| Arc::clone(&present.session)).collect()
    }

    /// How many sockets are connected.
    pub fn socket_count(&self) -> usize {
        self.users.lock().values().map(|sessions| connected(sessions)).sum()
    }

    fn deliver(&self, commit: Commit) {
        let Commit { channel_id, version: _, events } = commit;
        for event in events {
            self.deliver_event(&channel_id, event);
        }
    }

    fn deliver_event(&self, channel: &ChannelId, event: Event) {
        match event {
            Event::MessageCreated { message, x_type, plan } => {
                let seq = message.seq;
                let mut frames = MessageFrames::new(message, x_type, &plan);
                let mut reached = HashSet::new();
                let delivered = self.with_room(channel, |room| {
                    room.deliver(
                        Some(seq),
                        |session| frames.of(session.user()),
                        |session| {
                            reached.insert(session.user().clone());
                        },
                    )
                });
                self.metrics.deliveries.increment(delivered);
                for user in reached {
                    if let Some(reason) = frames.wake_of(&user) {
                        metrics::woken(reason);
                    }
                }
                if let Some(admin) = &plan.outside_observer {
                    self.tell_outside(channel, admin, frames.of(admin).as_ref());
                }
            }
            Event::MessageUpdated(message) => {
                self.tell_room(channel, encode(event::MESSAGE_UPDATED, &Message::from(message)));
            }
            Event::MessageDeleted(message) => {
                let deleted = MessageDeleted::from(message);
                self.tell_room(channel, encode(event::MESSAGE_DELETED, &deleted));
            }
            Event::ChannelUpdated { channel: row, member_count } => {
                self.tell_room(
                    channel,
                    encode(event::CHANNEL_UPDATED, &ChannelRow::shared(row, member_count)),
                );
            }
            Event::TurnUpdated(turn) => {
                self.tell_room(channel, encode(event::TURN_UPDATED, &TurnView::new(channel.clone(), &turn)));
            }
            Event::MemberJoined { user, x_type, at } => {
                let change = MembershipChanged {
                    channel_id: channel.clone(),
                    user_id: user.clone(),
                    x_type: x_type.into(),
                    occurred_at: at.into(),
                };
                let joined = encode(event::CHANNEL_JOINED, &change);
                let sessions = self.sessions_of(&user);
                // In the room before anybody can post after this commit: a new member misses nothing.
                self.with_room(channel, |room| {
                    for session in &sessions {
                        if session.enter(channel) {
                            room.enter_live(session);
                        }
                    }
                });
                self.tell(&sessions, joined.as_ref());
            }
            Event::MemberLeft { user, x_type, at, may_read } => {
                if !may_read {
                    let out = self.with_room(channel, |room| room.remove_user(&user));
                    for session in out {
                        session.exit(channel);
                    }
                }
                let change = MembershipChanged {
                    channel_id: channel.clone(),
                    user_id: user.clone(),
                    x_type: x_type.into(),
                    occurred_at: at.into(),
                };
                self.tell(&self.sessions_of(&user), encode(event::CHANNEL_LEFT, &change).as_ref());
            }
        }
    }

    /// A user has got these wakes.
    pub(crate) fn settle_all(&self, user: &UserId, arrived: Arrived) {
        for (channel, seq) in arrived {
            self.settle(&channel, user, seq);
        }
    }

    /// A user has got their wakes of a channel up to this message.
    pub(crate) fn settle(&self, channel: &ChannelId, user: &UserId, seq: Seq) {
        let mut settled = self.settled.lock();
        let newest = settled.entry((channel.clone(), user.clone())).or_default();
        *newest = seq.max(*newest);
    }

    /// Up to which message this user's wakes have arrived, where that is not noted yet.
    pub(crate) fn settled(&self, channel: &ChannelId, user: &UserId) -> Seq {
        self.settled.lock().get(&(channel.clone(), user.clone())).copied().unwrap_or_default()
    }

    /// What is to be noted as settled.
    pub(crate) fn all_settled(&self) -> Vec<SettledWakes> {
        let entry = |((channel, user), seq): (&(ChannelId, UserId), &Seq)| SettledWakes {
            channel: channel.clone(),
            user: user.clone(),
            seq: *seq,
        };
        self.settled.lock().iter().map(entry).collect()
    }

    /// It is noted: forgets it, but for what came meanwhile.
    pub(crate) fn noted(&self, settled: Vec<SettledWakes>) {
        let mut pending = self.settled.lock();
        for SettledWakes { channel, user, seq } in settled {
            let key = (channel, user);
            if pending.get(&key) == Some(&seq) {
                pending.remove(&key);
            }
        }
    }

    /// Sends an event to everybody in a channel.
    fn tell_room(&self, channel: &ChannelId, event: Option<Frame>) {
        if let Some(event) = event {
            let delivered =
                self.with_room(channel, |room| room.deliver(None, |_| Some(event.clone()), |_| {}));
            self.metrics.deliveries.increment(delivered);
        }
    }

    /// Sends an event to everybody in a channel but this user.
    pub(crate) fn tell_others(&self, channel: &ChannelId, user: &UserId, event: &Frame) {
        let delivered = self.with_room(channel, |room| {
            room.deliver(None, |session| (session.user() != user).then(|| event.clone()), |_| {})
        });
        self.metrics.deliveries.increment(delivered);
    }

    /// Sends to those sockets of a user that are not in the room, and so have not got it yet.
    fn tell_outside(&self, channel: &ChannelId, user: &UserId, event: Option<&Frame>) {
        let sessions = self.sessions_of(user);
        let outside: Vec<_> = self.with_room(channel, |room| {
            sessions.into_iter().filter(|session| !room.contains(session.id())).collect()
        });
        self.tell(&outside, event);
    }

    fn tell(&self, sessions: &[Arc<Session>], event: Option<&Frame>) {
        if let Some(event) = event {
            let delivered = sessions.iter().filter(|session| session.send(event)).count();
            self.metrics.deliveries.increment(delivered as u64);
        }
    }

    /// Tells everybody what a user just said of themselves, and whether they are connected. Who is away for a moment
    /// gets it on coming back.
    pub(crate) fn tell_presence(&self, presence: &Presence) {
        let mut changes = self.telling.lock();
        changes[place(&presence.user_id, PRESENCES)] += 1;
        self.tell_everybody(presence);
    }

    /// What to give [`Self::tell_presence_unless_changed`]; to be asked for before the presence is read.
    pub(crate) fn presence_changes(&self, user: &UserId) -> u64 {
        self.telling.lock()[place(user, PRESENCES)]
    }

    /// As [`Self::tell_presence`], of what was read some time ago; answers whether it may still be so. Otherwise nobody
    /// is told: the older one would be the last that everybody hears.
    pub(crate) fn tell_presence_unless_changed(&self, presence: &Presence, changes: u64) -> bool {
        let now = self.telling.lock();
        let is_current = now[place(&presence.user_id, PRESENCES)] == changes;
        if is_current {
            self.tell_everybody(presence);
        }
        is_current
    }

    fn tell_everybody(&self, presence: &Presence) {
        let change = PresenceChanged {
            user_id: presence.user_id.clone(),
            status: presence.status.into(),
            online: self.is_online(&presence.user_id),
        };
        self.tell(&self.everybody(), encode(event::PRESENCE, &change).as_ref());
    }
}

/// One of so many places.
fn place(id: &impl Hash, places: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    // The remainder fits whatever a `usize` is.
    usize::try_from(hasher.finish() % places as u64).unwrap_or_default()
}

/// How many of these are connected.
fn connected(sessions: &[Present]) -> usize {
    sessions.iter().filter(|present| present.is_connected).count()
}

#[async_trait]
impl Publisher for Hub {
    async fn publish(&self, commit: Commit) {
        // The receiving task ends only with the runtime.
        let _ = self.shard(&commit.channel_id).news.send(News::Commit(commit, Instant::now())).await;
    }

    async fn presence(&self, presence: Presence) {
        let _ = self.shards[0].news.send(News::Presence(presence)).await;
    }
}

impl Online for Hub {
    fn is_online(&self, user: &UserId) -> bool {
        self.users.lock().get(user).is_some_and(|sessions| connected(sessions) > 0)
    }

    fn online(&self) -> Vec<UserId> {
        let users = self.users.lock();
        users.iter().filter(|(_, sessions)| connected(sessions) > 0).map(|(user, _)| user.clone()).collect()
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("sockets", &self.socket_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use fabric_domain::model::PresenceStatus;

    use super::*;

    #[tokio::test]
    async fn what_was_read_before_a_user_said_something_else_is_not_told_after_it() {
        let hub = Hub::start();
        let said = |status| Presence { user_id: "alice".into(), status, source: None, updated_at: None };
        let changes = hub.presence_changes(&"alice".into());
        assert!(hub.tell_presence_unless_changed(&said(PresenceStatus::Idle), changes));
        hub.tell_presence(&said(PresenceStatus::Busy));
        assert!(!hub.tell_presence_unless_changed(&said(PresenceStatus::Idle), changes));
        let changes = hub.presence_changes(&"alice".into());
        assert!(hub.tell_presence_unless_changed(&said(PresenceStatus::Busy), changes));
    }
}
