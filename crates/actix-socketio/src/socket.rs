//! One client in one namespace.

use std::{
    any::Any,
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    AckError, Args, DisconnectReason, EmitError, Heartbeat, Outgoing, SendError,
    connection::{Conn, JobQueue, Worker},
    data::Data,
    proto::{
        Moment,
        packet::{Encoded, new_id},
        server::{Output, ServerSession},
    },
    rooms::{Member, Rooms},
};

/// One client in one namespace. Clones are the same socket.
#[derive(Clone)]
pub struct Socket {
    inner: Arc<Inner>,
}

struct Inner {
    identity: OnceLock<Identity>,
    conn: Arc<Conn>,
    rooms: Arc<Rooms<Socket>>,
    jobs: JobQueue<Job>,
    /// Between the answer to CONNECT and the end.
    connected: AtomicBool,
    /// The namespace was left. The client may be in it again, with another socket.
    gone: AtomicBool,
    /// For one that is gone: whether its client may come back to be recovered.
    may_return: AtomicBool,
    /// Between [`Handler::connect`](crate::Handler::connect) and
    /// [`Handler::disconnected`](crate::Handler::disconnected).
    entered: AtomicBool,
    data: RwLock<Data>,
    acks: Mutex<Acks>,
}

/// Who a socket is: decided before its handler sees it.
pub(crate) struct Identity {
    pub(crate) sid: String,
    pub(crate) pid: String,
    pub(crate) recovered: bool,
}

#[derive(Default)]
struct Acks {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Args>>,
}

/// What a socket's handler has still to do.
pub(crate) enum Job {
    Connect { auth: Value },
    Event { name: String, args: Args, ack: Option<u64>, size: usize },
    Left { reason: DisconnectReason },
}

impl Socket {
    pub(crate) fn new(conn: Arc<Conn>, rooms: Arc<Rooms<Self>>) -> Self {
        let inner = Inner {
            identity: OnceLock::new(),
            conn,
            rooms,
            jobs: JobQueue::new(),
            connected: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            may_return: AtomicBool::new(false),
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
    /// None unless [`Config::recovery`](crate::Config::recovery) is on.
    pub fn private_id(&self) -> Option<&str> {
        self.inner.conn.shared.config.recovery.is_some().then_some(&self.identity().pid)
    }

    /// Whether the client came back with what it had: id, rooms and data.
    pub fn is_recovered(&self) -> bool {
        self.identity().recovered
    }

    /// The namespace's name.
    pub fn namespace(&self) -> &str {
        &self.inner.rooms.name
    }

    /// Whether the client was told that it joined, and has not left.
    pub fn is_connected(&self) -> bool {
        self.inner.connected.load(Ordering::Acquire)
    }

    /// Sends an event. A tuple becomes several arguments; [`Bytes`](bytes::Bytes) anywhere in the
    /// payload become binary attachments. Never waits and never calls back, so any lock may be held.
    ///
    /// With [`Config::recovery`](crate::Config::recovery) the event is also kept for the client,
    /// should it lose its connection; then an event that is sent before it is back is as good as
    /// sent, too. This begins when [`Handler::connect`](crate::Handler::connect) has returned.
    ///
    /// # Errors
    ///
    /// [`SendError::QueueFull`] when the client does not read: its connection is closed with
    /// that reason. [`SendError::Closed`] ever after.
    pub fn emit<T: Serialize + ?Sized>(&self, name: &str, payload: &T) -> Result<(), EmitError> {
        Ok(self.send(&Outgoing::event(self.namespace(), name, payload)?)?)
    }

    /// Sends an event that was encoded before, for this socket or for many: [`Socket::emit`]
    /// without the encoding.
    pub fn send(&self, event: &Outgoing) -> Result<(), SendError> {
        self.check(event)?;
        self.inner.rooms.send(self, event)
    }

    /// Sends an event only if it can leave at once: for what is outdated by the next one. Answers
    /// whether it was sent. It is never recovered.
    pub fn emit_volatile<T: Serialize + ?Sized>(&self, name: &str, payload: &T) -> Result<bool, EmitError> {
        Ok(self.send_volatile(&Outgoing::event(self.namespace(), name, payload)?))
    }

    /// Sends an event that was encoded before, only if it can leave at once. Answers whether it
    /// was sent.
    pub fn send_volatile(&self, event: &Outgoing) -> bool {
        self.check(event).is_ok()
            && self
                .act(|session, now, out| {
                    session.send_volatile(event, now, out).then_some(()).ok_or(SendError::QueueFull)
                })
                .is_ok()
    }

    /// Sends an event and waits for the client's acknowledgement. It is not recovered.
    ///
    /// Not to be awaited in a handler of the same socket for longer than its other events may
    /// wait; acknowledgements themselves do not wait for handlers.
    pub async fn emit_with_ack<T: Serialize + ?Sized>(
        &self,
        name: &str,
        payload: &T,
        timeout: Duration,
    ) -> Result<Args, AckError> {
        let event = Outgoing::event(self.namespace(), name, payload)?;
        self.send_with_ack(&event, timeout).await
    }

    /// Sends an event that was encoded before and waits for the client's acknowledgement.
    pub async fn send_with_ack(&self, event: &Outgoing, timeout: Duration) -> Result<Args, AckError> {
        self.check(event)?;
        let (id, answer) = {
            let mut acks = self.inner.acks.lock();
            // Under this lock, so that an end that comes now finds what is added.
            if self.is_gone() {
                return Err(SendError::Closed.into());
            }
            if acks.waiting.len() >= self.inner.conn.shared.config.max_pending_acks {
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

    /// Waits until everything that was emitted has left the queue, or the connection is closed. For long
    /// replies: emit a part, wait, emit the next, and the queue never overflows, however slowly the client reads.
    /// (A client that does not read at all is closed by its missing pong.)
    pub async fn flushed(&self) {
        self.inner.conn.flushed().await;
    }

    /// How the pings of its connection fared, also after its end: what was emitted before a ping has arrived when
    /// that ping is answered. Does not count for events that are emitted in
    /// [`Handler::connect`](crate::Handler::connect): they wait for its return, and a ping may overtake them.
    /// Cheap: it takes no lock.
    pub fn heartbeat(&self) -> Heartbeat {
        self.inner.conn.heartbeat()
    }

    /// The worker that its connection belongs to.
    pub fn worker(&self) -> &Worker {
        self.inner.conn.worker()
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
        self.inner.data.write().set(value);
    }

    /// The attached value of this type.
    pub fn data<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.inner.data.read().get()
    }

    /// Joins a room. False when it is in it already, or gone. Rooms joined in
    /// [`Handler::connect`](crate::Handler::connect) count once it returned.
    pub fn join(&self, room: &str) -> bool {
        self.inner.rooms.join(self, room)
    }

    /// Leaves a room.
    pub fn leave(&self, room: &str) {
        self.inner.rooms.leave(self.id(), room);
    }

    /// The rooms it is in.
    pub fn rooms(&self) -> Vec<String> {
        self.inner.rooms.rooms_of(self.id())
    }

    fn identity(&self) -> &Identity {
        self.inner.identity.get_or_init(|| Identity { sid: new_id(), pid: new_id(), recovered: false })
    }

    fn check(&self, event: &Outgoing) -> Result<(), SendError> {
        if event.namespace() == self.namespace() { Ok(()) } else { Err(SendError::WrongNamespace) }
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
}

/// For those who run it.
impl Socket {
    pub(crate) fn conn(&self) -> &Arc<Conn> {
        &self.inner.conn
    }

    pub(crate) fn members(&self) -> &Arc<Rooms<Self>> {
        &self.inner.rooms
    }

    pub(crate) fn jobs(&self) -> &JobQueue<Job> {
        &self.inner.jobs
    }

    /// Says who it is, before anybody has asked. False when somebody has.
    pub(crate) fn identify(&self, identity: Identity) -> bool {
        self.inner.identity.set(identity).is_ok()
    }

    pub(crate) fn all_data(&self) -> Data {
        self.inner.data.read().clone()
    }

    pub(crate) fn replace_data(&self, data: Data) {
        *self.inner.data.write() = data;
    }

    /// Its handler has let it in.
    pub(crate) fn enter(&self) {
        self.inner.entered.store(true, Ordering::Release);
    }

    pub(crate) fn has_entered(&self) -> bool {
        self.inner.entered.load(Ordering::Acquire)
    }

    /// The client was told that it joined, or is gone already.
    pub(crate) fn set_connected(&self, connected: bool) {
        self.inner.connected.store(connected, Ordering::Release);
    }

    /// An acknowledgement arrived.
    pub(crate) fn resolve(&self, ack: u64, args: Args) {
        if let Some(waiting) = self.inner.acks.lock().waiting.remove(&ack) {
            // Whoever waited may have given up.
            let _ = waiting.send(args);
        }
    }

    /// The namespace was left: nobody will answer any more.
    pub(crate) fn left(&self, may_return: bool) {
        self.set_connected(false);
        self.inner.may_return.store(may_return, Ordering::Release);
        self.inner.gone.store(true, Ordering::Release);
        self.inner.acks.lock().waiting.clear();
    }
}

impl Member for Socket {
    fn id(&self) -> &str {
        self.id()
    }

    fn pid(&self) -> &str {
        &self.identity().pid
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn is_gone(&self) -> bool {
        self.inner.gone.load(Ordering::Acquire)
    }

    fn may_return(&self) -> bool {
        !self.is_gone() || self.inner.may_return.load(Ordering::Acquire)
    }

    fn deliver(&self, event: &Outgoing) -> Result<(), SendError> {
        self.inner.conn.send(event, || !self.is_gone())
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
    pub(crate) fn new(socket: Socket, id: u64) -> Self {
        Self { socket, id, used: Arc::new(AtomicBool::new(false)) }
    }

    /// Sends the acknowledgement. A tuple becomes several arguments; [`Bytes`](bytes::Bytes)
    /// anywhere in the payload become binary attachments. Only the first call does anything.
    pub fn send<T: Serialize + ?Sized>(&self, payload: &T) -> Result<(), EmitError> {
        let encoded = Encoded::ack(self.socket.namespace(), self.id, payload)?;
        Ok(self.send_encoded(&encoded)?)
    }

    /// Sends the acknowledgement with these arguments. Only the first call does anything.
    pub fn send_args(&self, args: &Args) -> Result<(), EmitError> {
        let encoded = Encoded::ack_args(self.socket.namespace(), self.id, args)?;
        Ok(self.send_encoded(&encoded)?)
    }

    fn send_encoded(&self, encoded: &Encoded) -> Result<(), SendError> {
        if self.used.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let namespace = self.socket.namespace();
        self.socket.act(|session, now, out| session.acknowledge(namespace, encoded, now, out))
    }
}
