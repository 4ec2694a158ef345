//! One connection: a session, and what its outputs do.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{
    pulse::Pulse, request::Request, shared::Shared, sweeper::Timed, wire::WebSocket, worker::Worker,
};
use crate::proto::{
    Moment, Outgoing, SendError,
    server::{Heartbeat, Input, Output, Pull, ServerSession},
};

/// What is above the session of one connection: the sockets of Socket.IO, or the one of bare
/// Engine.IO. Called under the connection's lock: it queues jobs and calls nothing of the
/// application, so that whoever acts on a connection may hold any lock.
pub(crate) trait Upper: Send {
    /// The connection is there.
    fn opened(&mut self, conn: &Arc<Conn>);

    /// Takes an output that is not the connection's own affair, and [`Output::Closed`] after all
    /// others. What it has the session do goes to `more`.
    fn take(&mut self, conn: &Arc<Conn>, output: Output, session: &mut ServerSession, more: &mut Vec<Output>);
}

/// What has the connections.
pub(crate) trait Host: Send + Sync {
    /// Nothing will come of this connection any more.
    fn forget(&self, sid: &str);
}

/// About what one write of a websocket takes.
const WRITE: usize = 64 * 1024;

pub(crate) struct Conn {
    pub(crate) sid: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) request: Request,
    host: Arc<dyn Host>,
    /// The worker that opened the connection; handlers run there, whoever causes them.
    worker: Worker,
    state: Mutex<State>,
    pulse: Pulse,
    waiting_events: AtomicUsize,
    waiting_bytes: AtomicUsize,
    room: Notify,
    /// Told when nothing is queued for the client.
    flushed: Notify,
}

struct State {
    session: ServerSession,
    /// The deadline the sweeper knows of.
    scheduled: Option<Moment>,
    polls: Vec<(u64, oneshot::Sender<Option<Vec<u8>>>)>,
    /// The websocket to wake.
    websocket: Option<Arc<WebSocket>>,
    /// Whether somebody waits until nothing is queued any more.
    flush_awaited: bool,
    upper: Box<dyn Upper>,
    /// Kept between calls, so that sending to a socket allocates nothing.
    scratch: Vec<Output>,
}

/// What a websocket is to write.
pub(super) struct Pulled {
    pub(super) next: Pull,
    /// Whether there was no more to take.
    pub(super) is_all: bool,
}

/// What is left to do after the lock is released, and what the caller wants to know.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    wake: bool,
    forget: bool,
    /// The answer to a POST.
    pub(crate) post: Option<bool>,
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("sid", &self.sid).finish_non_exhaustive()
    }
}

impl Conn {
    pub(crate) fn new(
        shared: Arc<Shared>,
        host: Arc<dyn Host>,
        sid: String,
        request: Request,
        session: ServerSession,
        upper: Box<dyn Upper>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sid,
            shared,
            request,
            host,
            worker: Worker::current(),
            state: Mutex::new(State {
                session,
                scheduled: None,
                polls: Vec::new(),
                websocket: None,
                flush_awaited: false,
                upper,
                scratch: Vec::new(),
            }),
            pulse: Pulse::default(),
            waiting_events: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            room: Notify::new(),
            flushed: Notify::new(),
        })
    }

    /// Starts the timers, and tells what is above.
    pub(crate) fn start(self: &Arc<Self>) {
        self.state.lock().upper.opened(self);
        self.act(|_, _, _| ());
    }

    /// Runs a piece of work of the application on the connection's worker.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let busy = self.shared.work.begin();
        self.worker.spawn(async move {
            let _busy = busy;
            work.await;
        });
    }

    /// Tells the session what happened.
    pub(crate) fn handle(self: &Arc<Self>, input: Input<'_>) -> Applied {
        self.act(|session, now, out| out.append(&mut session.handle(input, now))).1
    }

    /// A new poll; its answer comes through the channel.
    pub(crate) fn poll(self: &Arc<Self>, poll: u64) -> oneshot::Receiver<Option<Vec<u8>>> {
        let (sender, receiver) = oneshot::channel();
        self.state.lock().polls.push((poll, sender));
        self.handle(Input::Poll { poll });
        receiver
    }

    /// The client gave up a poll.
    pub(crate) fn poll_aborted(self: &Arc<Self>, poll: u64) {
        self.state.lock().polls.retain(|(number, _)| *number != poll);
        self.handle(Input::PollAborted { poll });
    }

    /// Sends an event, as long as `is_open`.
    pub(crate) fn send(
        self: &Arc<Self>,
        event: &Outgoing,
        is_open: impl Fn() -> bool,
    ) -> Result<(), SendError> {
        let mut state = self.state.lock();
        if !is_open() {
            return Err(SendError::Closed);
        }
        if state.session.queue(event) {
            let woken = state.list();
            drop(state);
            if let Some(websocket) = woken {
                self.worker.flush_soon(websocket);
            }
            return Ok(());
        }
        drop(state);
        let send = |session: &mut ServerSession, now, out: &mut Vec<Output>| {
            if is_open() { session.send(event, now, out) } else { Err(SendError::Closed) }
        };
        self.act(send).0
    }

    /// Runs `f` on the session and does what comes of it. Nothing of the application is called in
    /// here, only queued, so that callers may hold any lock.
    pub(crate) fn act<R>(
        self: &Arc<Self>,
        f: impl FnOnce(&mut ServerSession, Moment, &mut Vec<Output>) -> R,
    ) -> (R, Applied) {
        let mut state = self.state.lock();
        let now = self.shared.now();
        let mut out = std::mem::take(&mut state.scratch);
        let result = f(&mut state.session, now, &mut out);
        // Applied under the lock: two threads' outputs must not overtake each other.
        let applied = self.apply(&mut state, &mut out);
        state.scratch = out;
        // Under the lock: whoever sent something finds no older pulse afterwards.
        self.pulse.store(state.session.heartbeat());
        let is_flushed = state.is_flushed_at_last();
        let woken = if applied.wake { state.list() } else { None };
        let deadline = state.session.deadline();
        let schedule = deadline.filter(|at| state.scheduled.is_none_or(|known| *at < known));
        if schedule.is_some() {
            state.scheduled = schedule;
        }
        drop(state);
        if is_flushed {
            self.flushed.notify_waiters();
        }
        if let Some(websocket) = woken {
            self.worker.flush_soon(websocket);
        }
        if let Some(at) = schedule {
            let conn = Arc::downgrade(self) as Weak<dyn Timed>;
            self.shared.sweeper.schedule(at, conn, self.worker.runtime());
        }
        if applied.forget {
            self.host.forget(&self.sid);
        }
        (result, applied)
    }

    fn apply(self: &Arc<Self>, state: &mut State, out: &mut Vec<Output>) -> Applied {
        let mut applied = Applied::default();
        let mut more = Vec::new();
        while !out.is_empty() {
            for output in out.drain(..) {
                self.apply_one(state, output, &mut applied, &mut more);
            }
            out.append(&mut more);
        }
        applied
    }

    fn apply_one(
        self: &Arc<Self>,
        state: &mut State,
        output: Output,
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
            Output::Forget => applied.forget = true,
            Output::Closed { reason } => {
                // Who broke a rule or a limit leaves one line in the log; who just left, none.
                if reason.is_offence() {
                    tracing::info!(sid = %self.sid, %reason, "connection closed");
                } else {
                    tracing::debug!(sid = %self.sid, %reason, "connection closed");
                }
                state.upper.take(self, output, &mut state.session, more);
            }
            Output::Connect { .. }
            | Output::Event { .. }
            | Output::Ack { .. }
            | Output::Left { .. }
            | Output::Message(_) => state.upper.take(self, output, &mut state.session, more),
        }
    }

    /// What websocket `number` writes next.
    pub(super) fn pull(&self, number: u64, into: &mut VecDeque<Bytes>) -> Pulled {
        let mut state = self.state.lock();
        let before = into.len();
        let next = state.session.pull(number, WRITE, into);
        // While a websocket probes, what is queued is not for it: there is no more for it when it got nothing.
        let is_all = into.len() == before || !state.session.has_queued();
        let is_flushed = state.is_flushed_at_last();
        drop(state);
        if is_flushed {
            self.flushed.notify_waiters();
        }
        Pulled { next, is_all }
    }

    /// What a new websocket writes first. From now on it is woken, unless it is to end at once: then it is not the
    /// session's, which may have another one.
    pub(super) fn attach(&self, websocket: &Arc<WebSocket>, into: &mut VecDeque<Bytes>) -> Pulled {
        let mut state = self.state.lock();
        let next = state.session.pull(websocket.number, WRITE, into);
        if next == Pull::Wait {
            state.websocket = Some(Arc::clone(websocket));
        }
        Pulled { next, is_all: !state.session.has_queued() }
    }

    /// A websocket is not to be woken any more.
    pub(super) fn detach(&self, number: u64) {
        self.state.lock().websocket.take_if(|websocket| websocket.number == number);
    }

    /// Waits until nothing is queued for the client any more, or the connection is closed.
    pub(crate) async fn flushed(&self) {
        loop {
            let flushed = self.flushed.notified();
            tokio::pin!(flushed);
            // Before looking: what happens after the look is not missed.
            flushed.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.is_flushed() {
                    return;
                }
                state.flush_awaited = true;
            }
            flushed.await;
        }
    }

    pub(crate) fn heartbeat(&self) -> Heartbeat {
        self.pulse.load()
    }

    /// The worker that opened it.
    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().session.is_closed()
    }

    /// An event waits for its handler.
    pub(crate) fn received(&self, size: usize) {
        self.waiting_events.fetch_add(1, Ordering::Relaxed);
        self.waiting_bytes.fetch_add(size, Ordering::Relaxed);
    }

    /// An event was handled.
    pub(crate) fn handled(&self, size: usize) {
        self.waiting_events.fetch_sub(1, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
        self.room.notify_waiters();
    }

    /// Whether handlers have caught up enough to read on.
    pub(crate) fn has_room(&self) -> bool {
        let config = &self.shared.config;
        self.is_below(config.inbox_events, config.inbox_bytes)
    }

    /// Waits until handlers have caught up enough to read on.
    pub(crate) async fn room(&self) {
        let config = &self.shared.config;
        self.until(config.inbox_events, config.inbox_bytes).await;
    }

    /// Waits until the client may be read again, which has sent too much (back-pressure); or until the connection is
    /// closed, when whoever reads it looks at that.
    pub(crate) async fn paced(&self) {
        while let Some(until) = self.paused_until() {
            tokio::time::sleep(until.saturating_sub(self.shared.now())).await;
        }
    }

    /// Until when the client is not to be read, if it is not.
    fn paused_until(&self) -> Option<Moment> {
        let state = self.state.lock();
        if state.session.is_closed() { None } else { state.session.paused_until(self.shared.now()) }
    }

    /// Whether more of what the client sends may be taken now.
    pub(crate) fn may_read_on(&self) -> bool {
        let state = self.state.lock();
        !state.session.is_closed()
            && state.session.paused_until(self.shared.now()).is_none()
            && self.has_room()
    }

    /// Waits until handlers have done everything that arrived.
    pub(crate) async fn settled(&self) {
        self.until(1, usize::MAX).await;
    }

    fn is_below(&self, events: usize, bytes: usize) -> bool {
        self.waiting_events.load(Ordering::Relaxed) < events
            && self.waiting_bytes.load(Ordering::Relaxed) < bytes
    }

    async fn until(&self, events: usize, bytes: usize) {
        while !self.is_below(events, bytes) {
            let notified = self.room.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.is_below(events, bytes) {
                return;
            }
            notified.await;
        }
    }
}

impl Timed for Conn {
    fn tick(self: Arc<Self>, at: Moment) {
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
}

impl State {
    /// Whether there is nothing to wait for before more is sent.
    fn is_flushed(&self) -> bool {
        self.session.is_closed() || !self.session.has_queued()
    }

    /// Whether those who wait for that are to be told.
    fn is_flushed_at_last(&mut self) -> bool {
        let is_due = self.flush_awaited && self.is_flushed();
        self.flush_awaited &= !is_due;
        is_due
    }

    /// The websocket, if it is to be put into its worker's list.
    fn list(&self) -> Option<Arc<WebSocket>> {
        self.websocket.as_ref().filter(|websocket| websocket.list()).cloned()
    }
}
