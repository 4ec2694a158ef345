//! One client in one namespace.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::sync::oneshot;

use super::{
    conn::Conn,
    handler::Event,
    handshake::Handshake,
    lane::Lane,
    recovery::Parked,
    rooms::{BroadcastOperator, Namespace, Space},
};
use crate::{
    DisconnectReason, Heartbeat, Outgoing, SendError,
    proto::{
        Moment,
        packet::new_id,
        server::{Output, ServerSession},
    },
};

/// One client in one namespace. Clones are the same socket.
#[derive(Clone)]
pub struct Socket {
    inner: Arc<Inner>,
}

struct Inner {
    identity: OnceLock<Identity>,
    conn: Arc<Conn>,
    space: Arc<Space>,
    lane: Lane<Job>,
    /// Between the answer to CONNECT and the end.
    connected: AtomicBool,
    /// The namespace was left. The client may be in it again, with another socket.
    gone: AtomicBool,
    /// Between [`super::Handler::connect`] and [`super::Handler::disconnected`].
    entered: AtomicBool,
    data: RwLock<Data>,
    acks: Mutex<Acks>,
}

/// Who a socket is: decided before its handler sees it.
struct Identity {
    sid: String,
    pid: String,
    recovered: bool,
}

/// What an application attached, one value per type.
pub(super) type Data = Vec<(TypeId, Arc<dyn Any + Send + Sync>)>;

#[derive(Default)]
struct Acks {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Acknowledged>>,
}

/// A client's acknowledgement: its arguments and attachments.
pub(super) type Acknowledged = (Vec<Value>, Vec<Bytes>);

/// What a socket's handler has still to do.
pub(super) enum Job {
    Connect { auth: Value },
    Event { name: String, args: Vec<Value>, attachments: Vec<Bytes>, ack: Option<u64>, size: usize },
    Left { reason: DisconnectReason },
}

/// Why an acknowledgement did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The client did not answer in time.
    #[error("no acknowledgement in time")]
    Timeout,
    /// The socket owes [`crate::Config::max_pending_acks`] already.
    #[error("too many acknowledgements pending")]
    TooMany,
    /// The event could not be sent, or the socket closed before the answer.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Socket {
    pub(super) fn new(conn: Arc<Conn>, space: Arc<Space>) -> Self {
        let inner = Inner {
            identity: OnceLock::new(),
            conn,
            space,
            lane: Lane::new(),
            connected: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            entered: AtomicBool::new(false),
            data: RwLock::default(),
            acks: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The socket's id, unguessable and unique; its client knows it as `socket.id`.
    pub fn id(&self) -> &str {
        &self.identity().sid
    }

    /// The id by which only its client knows it, to come back with after it lost its connection.
    /// None unless [`crate::Config::recovery`] is on.
    pub fn private_id(&self) -> Option<&str> {
        self.inner.conn.hub.config.recovery.is_some().then_some(&self.identity().pid)
    }

    /// Whether the client came back with what it had: id, rooms and data.
    pub fn is_recovered(&self) -> bool {
        self.identity().recovered
    }

    fn identity(&self) -> &Identity {
        self.inner.identity.get_or_init(|| Identity { sid: new_id(), pid: new_id(), recovered: false })
    }

    /// Whether both are the same socket.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(super) fn all_data(&self) -> Data {
        self.inner.data.read().clone()
    }

    /// The namespace's name.
    pub fn namespace(&self) -> &str {
        &self.inner.space.name
    }

    /// The namespace, for broadcasts.
    pub fn of(&self) -> Namespace {
        Namespace { space: Arc::clone(&self.inner.space) }
    }

    /// Whether the client was told that it joined, and has not left.
    pub fn is_connected(&self) -> bool {
        self.inner.connected.load(Ordering::Acquire)
    }

    /// Sends an event. Never waits and never calls back, so any lock may be held.
    ///
    /// # Errors
    ///
    /// [`SendError::QueueFull`] when the client does not read: its connection is closed with
    /// that reason. [`SendError::Closed`] ever after.
    pub fn emit(&self, event: &Outgoing) -> Result<(), SendError> {
        self.check(event)?;
        self.act(|session, now, out| session.send(event, now, out))
    }

    /// Waits until everything that was emitted has left the queue, or the connection is closed. For long
    /// replies: emit a part, wait, emit the next, and the queue never overflows, however slowly the client reads.
    /// (A client that does not read at all is closed by its missing pong.)
    pub async fn flushed(&self) {
        self.inner.conn.flushed().await;
    }

    /// How the pings of its connection fared, also after its end: what was emitted before a ping has arrived when
    /// that ping is answered. Does not count for events that are emitted in [`super::Handler::connect`]: they wait
    /// for its return, and a ping may overtake them.
    pub fn heartbeat(&self) -> Heartbeat {
        self.inner.conn.heartbeat()
    }

    /// Sends an event only if it can leave at once: for what is outdated by the next one. Answers
    /// whether it was sent.
    pub fn emit_volatile(&self, event: &Outgoing) -> bool {
        self.check(event).is_ok()
            && self
                .act(|session, now, out| {
                    session.send_volatile(event, now, out).then_some(()).ok_or(SendError::QueueFull)
                })
                .is_ok()
    }

    /// Sends an event and waits for the client's acknowledgement: its arguments and attachments.
    ///
    /// Not to be awaited in a handler of the same socket for longer than its other events may
    /// wait; acknowledgements themselves do not wait for handlers.
    pub async fn emit_with_ack(
        &self,
        event: &Outgoing,
        timeout: Duration,
    ) -> Result<(Vec<Value>, Vec<Bytes>), AckError> {
        self.check(event)?;
        let (id, answer) = {
            let mut acks = self.inner.acks.lock();
            // Under this lock, so that an end that comes now finds what is added.
            if self.is_gone() {
                return Err(SendError::Closed.into());
            }
            if acks.waiting.len() >= self.inner.conn.hub.config.max_pending_acks {
                return Err(AckError::TooMany);
            }
            let id = acks.next;
            acks.next += 1;
            let (sender, receiver) = oneshot::channel();
            acks.waiting.insert(id, sender);
            (id, receiver)
        };
        // Forgets the id whatever happens, also when this future is dropped.
        let _waiting = Waiting { socket: self, id };
        self.act(|session, now, out| session.send_with_ack(event, id, now, out))?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(acknowledged)) => Ok(acknowledged),
            Ok(Err(_)) => Err(SendError::Closed.into()),
            Err(_) => Err(AckError::Timeout),
        }
    }

    /// Disconnects the socket; with `close_transport` the whole connection, with the sockets it
    /// has in other namespaces.
    pub fn disconnect(&self, close_transport: bool) {
        self.inner.conn.act(|session, now, out| {
            if close_transport {
                session.disconnect(now, out);
            } else if !self.is_gone() {
                session.leave(self.namespace(), now, out);
            }
        });
    }

    /// Attaches a value; one per type.
    pub fn set_data<T: Any + Send + Sync>(&self, value: T) {
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        let mut data = self.inner.data.write();
        data.retain(|(kind, _)| *kind != TypeId::of::<T>());
        data.push((TypeId::of::<T>(), value));
    }

    /// The attached value of this type.
    pub fn data<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let data = self.inner.data.read();
        let (_, value) = data.iter().find(|(kind, _)| *kind == TypeId::of::<T>())?;
        Arc::clone(value).downcast().ok()
    }

    /// Joins a room. False when it is in it already, or gone. Rooms joined in
    /// [`super::Handler::connect`] count once it returned.
    pub fn join(&self, room: &str) -> bool {
        self.inner.space.join(self, room)
    }

    /// Leaves a room.
    pub fn leave(&self, room: &str) {
        self.inner.space.leave(self.id(), room);
    }

    /// The rooms it is in.
    pub fn rooms(&self) -> Vec<String> {
        self.inner.space.rooms_of(self.id())
    }

    /// Everybody else in the namespace.
    pub fn broadcast(&self) -> BroadcastOperator {
        self.of().all().except(self.id())
    }

    /// Everybody else in a room.
    pub fn to(&self, room: impl Into<String>) -> BroadcastOperator {
        self.broadcast().to(room)
    }

    /// Sends something as this socket, which the session does not know: it knows namespaces.
    fn act(
        &self,
        send: impl FnOnce(&mut ServerSession, Moment, &mut Vec<Output>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let send = |session: &mut ServerSession, now, out: &mut Vec<Output>| {
            if self.is_gone() { Err(SendError::Closed) } else { send(session, now, out) }
        };
        self.inner.conn.act(send).0
    }

    pub(super) fn is_gone(&self) -> bool {
        self.inner.gone.load(Ordering::Acquire)
    }

    fn check(&self, event: &Outgoing) -> Result<(), SendError> {
        if event.namespace() == self.namespace() { Ok(()) } else { Err(SendError::WrongNamespace) }
    }

    /// An acknowledgement arrived.
    pub(super) fn resolve(&self, ack: u64, args: Vec<Value>, attachments: Vec<Bytes>) {
        if let Some(waiting) = self.inner.acks.lock().waiting.remove(&ack) {
            // Whoever waited may have given up.
            let _ = waiting.send((args, attachments));
        }
    }

    /// The namespace was left: nobody will answer any more.
    pub(super) fn left(&self) {
        self.inner.connected.store(false, Ordering::Release);
        self.inner.gone.store(true, Ordering::Release);
        self.inner.acks.lock().waiting.clear();
    }

    /// Has the handler do a job after those before it.
    pub(super) fn run(&self, job: Job) {
        if self.inner.lane.push(job) {
            let socket = self.clone();
            self.inner.conn.hub.spawn(&self.inner.conn.runtime, async move { socket.drive().await });
        }
    }

    async fn drive(&self) {
        while let Some(job) = self.inner.lane.next() {
            let size = match &job {
                Job::Event { size, .. } => Some(*size),
                _ => None,
            };
            if AssertUnwindSafe(self.perform(job)).catch_unwind().await.is_err() {
                tracing::error!(socket = self.id(), "handler panicked; connection closed");
                self.disconnect(true);
            }
            if let Some(size) = size {
                self.inner.conn.handled(size);
            }
        }
    }

    async fn perform(&self, job: Job) {
        let handler = &self.inner.space.handler;
        match job {
            Job::Connect { auth } => self.connect(auth).await,
            Job::Event { name, args, attachments, ack, .. } => {
                let ack = ack.map(|id| AckSender::new(self.clone(), id));
                let event = Event { name, args, attachments, ack: ack.clone() };
                let answer = handler.event(self, event).await;
                if let (Some(ack), Some(args)) = (ack, answer) {
                    // Gone, or sent by the handler already.
                    let _ = ack.send(args, Vec::new());
                }
            }
            Job::Left { reason } => {
                let entered = self.inner.entered.swap(false, Ordering::AcqRel);
                self.inner.space.remove(self, entered && reason.may_return());
                if entered {
                    handler.disconnected(self, reason).await;
                }
                self.inner.data.write().clear();
            }
        }
    }

    async fn connect(&self, auth: Value) {
        let handshake = Handshake::new(auth, &self.inner.conn.request);
        let back = self.come_back(&handshake).await;
        match self.inner.space.handler.connect(self, &handshake).await {
            Ok(()) => self.enter(back).await,
            Err(error) => {
                self.left();
                self.inner.space.remove(self, false);
                self.inner.conn.remove_socket(self);
                if let (Some((parked, _)), Some(previous)) = (back, handshake.previous) {
                    self.inner.space.give_back(&previous.pid, parked);
                }
                self.inner.conn.act(|session, now, out| {
                    session.refuse(self.namespace(), &error.message, error.data.as_ref(), now, out);
                });
            }
        }
    }

    /// Takes up the identity the client had before it lost its connection, if that is known.
    async fn come_back(&self, handshake: &Handshake) -> Option<(Parked, u64)> {
        let space = &self.inner.space;
        let previous = handshake.previous.as_ref()?;
        self.inner.conn.hub.config.recovery.as_ref()?;
        let recovered = space.handler.recover(handshake, previous).await;
        let back = if recovered.is_none() { space.take(previous) } else { None };
        let sid = recovered.or_else(|| back.as_ref().map(|(parked, _)| parked.sid.clone()))?;
        if space.contains(&sid) {
            return None;
        }
        let pid = previous.pid.clone();
        let taken = self.inner.identity.set(Identity { sid, pid, recovered: true });
        let (parked, _) = back.as_ref()?;
        taken.ok()?;
        self.inner.data.write().clone_from(&parked.data);
        back
    }

    async fn enter(&self, back: Option<(Parked, u64)>) {
        self.inner.entered.store(true, Ordering::Release);
        // Before the answer, so that a broadcast made after it reaches this socket too; what comes
        // earlier waits behind the answer.
        self.inner.space.add(self, back.as_ref());
        let (accepted, _) = self.inner.conn.act(|session, now, out| {
            let accepted = session.accept(self.namespace(), self.id(), self.private_id(), now, out);
            self.inner.connected.store(accepted, Ordering::Release);
            accepted
        });
        if accepted {
            self.inner.space.handler.connected(self).await;
        }
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.id())
            .field("namespace", &self.namespace())
            .finish_non_exhaustive()
    }
}

struct Waiting<'a> {
    socket: &'a Socket,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.socket.inner.acks.lock().waiting.remove(&self.id);
    }
}

/// Acknowledges one event, once; may be kept and used later.
#[derive(Debug, Clone)]
pub struct AckSender {
    socket: Socket,
    id: u64,
    used: Arc<AtomicBool>,
}

impl AckSender {
    fn new(socket: Socket, id: u64) -> Self {
        Self { socket, id, used: Arc::new(AtomicBool::new(false)) }
    }

    /// Sends the acknowledgement; `{"_placeholder": true, "num": n}` in the arguments stands for
    /// attachment `n`. Only the first call does anything.
    pub fn send(&self, args: Vec<Value>, attachments: Vec<Bytes>) -> Result<(), SendError> {
        if self.used.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let namespace = self.socket.namespace();
        self.socket
            .act(|session, now, out| session.acknowledge(namespace, self.id, args, attachments, now, out))
    }
}
