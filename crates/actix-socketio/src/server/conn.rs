//! One connection: the protocol core, and what its outputs do.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};

use super::{
    engine::{EngineJob, EngineSocket},
    handshake::Request,
    hub::{App, Hub},
    socket::{Job, Socket},
};
use crate::{
    DisconnectReason,
    proto::{
        Moment,
        server::{Heartbeat, Input, Output, Pull, ServerSession},
    },
};

/// About what one write of a websocket takes.
const WRITE: usize = 64 * 1024;

pub(crate) struct Conn {
    pub(super) sid: String,
    pub(super) hub: Arc<Hub>,
    pub(super) request: Request,
    /// Of the worker that opened the connection; handlers run there, whoever causes them.
    pub(super) runtime: Handle,
    /// The websocket's body.
    pub(super) writer: AtomicWaker,
    state: Mutex<State>,
    waiting_events: AtomicUsize,
    waiting_bytes: AtomicUsize,
    room: Notify,
    /// Told when nothing is queued for the client.
    flushed: Notify,
}

pub(super) struct State {
    session: ServerSession,
    /// The deadline the sweeper knows of.
    scheduled: Option<Moment>,
    polls: Vec<(u64, oneshot::Sender<Option<Vec<u8>>>)>,
    sockets: Vec<Socket>,
    bare: Option<EngineSocket>,
    /// Whether no CONNECT has come yet.
    first_connect: bool,
    /// Kept between calls, so that sending to a socket allocates nothing.
    scratch: Vec<Output>,
}

/// What is left to do after the lock is released, and what the caller wants to know.
#[derive(Debug, Default)]
pub(super) struct Applied {
    wake: bool,
    forget: bool,
    /// The answer to a POST.
    pub(super) post: Option<bool>,
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("sid", &self.sid).finish_non_exhaustive()
    }
}

impl Conn {
    pub(super) fn new(hub: Arc<Hub>, sid: String, request: Request, session: ServerSession) -> Arc<Self> {
        Arc::new(Self {
            sid,
            hub,
            request,
            runtime: Handle::current(),
            writer: AtomicWaker::new(),
            state: Mutex::new(State {
                session,
                scheduled: None,
                polls: Vec::new(),
                sockets: Vec::new(),
                bare: None,
                first_connect: true,
                scratch: Vec::new(),
            }),
            waiting_events: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            room: Notify::new(),
            flushed: Notify::new(),
        })
    }

    /// Starts the timers, and tells a bare handler.
    pub(super) fn start(self: &Arc<Self>) {
        if matches!(self.hub.app, App::Engine(_)) {
            let socket = EngineSocket::new(Arc::clone(self));
            self.state.lock().bare = Some(socket.clone());
            socket.run(EngineJob::Opened);
        }
        self.act(|_, _, _| ());
    }

    /// Tells the session what happened.
    pub(super) fn handle(self: &Arc<Self>, input: Input<'_>) -> Applied {
        self.act(|session, now, out| out.append(&mut session.handle(input, now))).1
    }

    /// A new poll; its answer comes through the channel.
    pub(super) fn poll(self: &Arc<Self>, poll: u64) -> oneshot::Receiver<Option<Vec<u8>>> {
        let (sender, receiver) = oneshot::channel();
        self.state.lock().polls.push((poll, sender));
        self.handle(Input::Poll { poll });
        receiver
    }

    /// The client gave up a poll.
    pub(super) fn poll_aborted(self: &Arc<Self>, poll: u64) {
        self.state.lock().polls.retain(|(number, _)| *number != poll);
        self.handle(Input::PollAborted { poll });
    }

    /// The sweeper says that `at` has come.
    pub(super) fn tick(self: &Arc<Self>, at: Moment) {
        {
            let mut state = self.state.lock();
            if state.scheduled != Some(at) {
                // Replaced by an earlier deadline, which has scheduled what follows.
                return;
            }
            state.scheduled = None;
        }
        self.handle(Input::Time);
    }

    /// Runs `f` on the session and does what comes of it. Nothing of the application is called in
    /// here, only queued, so that callers may hold any lock.
    pub(super) fn act<R>(
        self: &Arc<Self>,
        f: impl FnOnce(&mut ServerSession, Moment, &mut Vec<Output>) -> R,
    ) -> (R, Applied) {
        let mut state = self.state.lock();
        let now = self.hub.sweeper.now();
        let mut out = std::mem::take(&mut state.scratch);
        let result = f(&mut state.session, now, &mut out);
        // Applied under the lock: two threads' outputs must not overtake each other.
        let applied = self.apply(&mut state, &mut out, now);
        state.scratch = out;
        let is_flushed = is_flushed(&state.session);
        let deadline = state.session.deadline();
        let schedule = deadline.filter(|at| state.scheduled.is_none_or(|known| *at < known));
        if schedule.is_some() {
            state.scheduled = schedule;
        }
        drop(state);
        if is_flushed {
            self.flushed.notify_waiters();
        }
        if applied.wake {
            self.writer.wake();
        }
        if let Some(at) = schedule {
            self.hub.sweeper.schedule(at, self, &self.runtime);
        }
        if applied.forget {
            self.hub.forget(&self.sid);
        }
        (result, applied)
    }

    fn apply(self: &Arc<Self>, state: &mut State, out: &mut Vec<Output>, now: Moment) -> Applied {
        let mut applied = Applied::default();
        let mut more = Vec::new();
        while !out.is_empty() {
            for output in out.drain(..) {
                self.apply_one(state, output, now, &mut applied, &mut more);
            }
            out.append(&mut more);
        }
        applied
    }

    fn apply_one(
        self: &Arc<Self>,
        state: &mut State,
        output: Output,
        now: Moment,
        applied: &mut Applied,
        more: &mut Vec<Output>,
    ) {
        match output {
            Output::Wake => applied.wake = true,
            Output::AnswerPoll { poll, body } => {
                if let Some(at) = state.polls.iter().position(|(number, _)| *number == poll) {
                    // Given up in the meantime: its guard tells the session.
                    let _ = state.polls.swap_remove(at).1.send(body);
                }
            }
            Output::PostRefused => applied.post = Some(false),
            Output::PostAnswer { ok } => applied.post = Some(ok),
            Output::Connect { namespace, auth } => match self.hub.space(&namespace) {
                Some(_) if !self.may_connect(state) => {
                    state.session.close(DisconnectReason::RateLimit, now, more);
                }
                Some(space) => {
                    let socket = Socket::new(Arc::clone(self), space);
                    state.sockets.push(socket.clone());
                    socket.run(Job::Connect { auth: Value::Object(auth) });
                }
                None => {
                    state.session.refuse(&namespace, "Invalid namespace", None, now, more);
                }
            },
            Output::Event { namespace, name, args, attachments, ack, size } => {
                if let Some(socket) = find(&state.sockets, &namespace) {
                    self.waiting_events.fetch_add(1, Ordering::Relaxed);
                    self.waiting_bytes.fetch_add(size, Ordering::Relaxed);
                    socket.run(Job::Event { name, args, attachments, ack, size });
                }
            }
            Output::Ack { namespace, ack, args, attachments } => {
                if let Some(socket) = find(&state.sockets, &namespace) {
                    socket.resolve(ack, args, attachments);
                }
            }
            Output::Left { namespace, reason } => {
                let at = state.sockets.iter().position(|socket| socket.namespace() == namespace);
                if let Some(at) = at {
                    let socket = state.sockets.swap_remove(at);
                    socket.left();
                    socket.run(Job::Left { reason });
                }
            }
            Output::Message(message) => {
                if let Some(socket) = &state.bare {
                    let size = super::engine::size(&message);
                    self.waiting_events.fetch_add(1, Ordering::Relaxed);
                    self.waiting_bytes.fetch_add(size, Ordering::Relaxed);
                    socket.run(EngineJob::Message(message, size));
                }
            }
            Output::Closed { reason } => {
                // Who broke a rule or a limit leaves one line in the log; who just left, none.
                if reason.is_offence() {
                    tracing::info!(sid = %self.sid, %reason, "connection closed");
                } else {
                    tracing::debug!(sid = %self.sid, %reason, "connection closed");
                }
                if let Some(socket) = state.bare.take() {
                    socket.run(EngineJob::Closed(reason));
                }
            }
            Output::Forget => applied.forget = true,
        }
    }

    /// Whether another CONNECT may be asked about. The first one was paid for when the connection was opened; a client
    /// that is refused and asks again costs the application as much as one that opens a new connection.
    fn may_connect(&self, state: &mut State) -> bool {
        std::mem::replace(&mut state.first_connect, false) || self.hub.charge(self.request.address)
    }

    /// What websocket `number` writes next.
    pub(super) fn pull(&self, number: u64, into: &mut VecDeque<Bytes>) -> Pull {
        let mut state = self.state.lock();
        let next = state.session.pull(number, WRITE, into);
        let is_flushed = is_flushed(&state.session);
        drop(state);
        if is_flushed {
            self.flushed.notify_waiters();
        }
        next
    }

    /// Waits until nothing is queued for the client any more, or the connection is closed.
    pub(super) async fn flushed(&self) {
        loop {
            let flushed = self.flushed.notified();
            tokio::pin!(flushed);
            // Before looking: what happens after the look is not missed.
            flushed.as_mut().enable();
            {
                let state = self.state.lock();
                if is_flushed(&state.session) {
                    return;
                }
            }
            flushed.await;
        }
    }

    pub(super) fn heartbeat(&self) -> Heartbeat {
        self.state.lock().session.heartbeat()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().session.is_closed()
    }

    /// A refused socket is not part of the connection any more.
    pub(super) fn remove_socket(&self, refused: &Socket) {
        self.state.lock().sockets.retain(|socket| !socket.is(refused));
    }

    /// An event was handled.
    pub(super) fn handled(&self, size: usize) {
        self.waiting_events.fetch_sub(1, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
        self.room.notify_waiters();
    }

    /// Waits until handlers have caught up enough to read on.
    pub(super) async fn room(&self) {
        let config = &self.hub.config;
        self.until(config.inbox_events, config.inbox_bytes).await;
    }

    /// Waits until handlers have done everything that arrived.
    pub(super) async fn settled(&self) {
        self.until(1, usize::MAX).await;
    }

    async fn until(&self, events: usize, bytes: usize) {
        loop {
            let notified = self.room.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.waiting_events.load(Ordering::Relaxed) < events
                && self.waiting_bytes.load(Ordering::Relaxed) < bytes
            {
                return;
            }
            notified.await;
        }
    }
}

fn find<'a>(sockets: &'a [Socket], namespace: &str) -> Option<&'a Socket> {
    sockets.iter().find(|socket| socket.namespace() == namespace)
}

/// Whether there is nothing to wait for before more is sent.
fn is_flushed(session: &ServerSession) -> bool {
    session.is_closed() || !session.has_queued()
}
