//! The actix worker that has a connection.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    thread::{self, ThreadId},
};

use actix_web::rt;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::mpsc};

use super::wire::{Outbox, WebSocket};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Work = Box<dyn FnOnce() + Send>;

/// Pieces of work that may wait for one worker.
const WAITING: usize = 1_024;
/// Websockets that are written in one turn. Then whoever waits to be read comes first.
const WRITES: usize = 256;

/// Workers started so far.
static STARTED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This thread's worker.
    static CURRENT: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// An actix worker: a thread with a runtime of its own. A connection belongs to the worker that opened it, for its
/// whole life: its handlers run there. Clones are the same worker; two workers are never equal, not even when one
/// came after the other.
///
/// Whoever sends one event to many sockets sorts them by [`Socket::worker`](crate::Socket::worker) and gives each
/// worker one piece of work that sends to its own: no connection is then touched by two threads.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

/// Tells workers apart, also those that have ended: to sort by, or as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(u64);

struct Inner {
    id: WorkerId,
    thread: ThreadId,
    runtime: Handle,
    tasks: mpsc::UnboundedSender<Task>,
    works: mpsc::Sender<Work>,
    unwritten: Mutex<Unwritten>,
    waker: AtomicWaker,
}

/// Websockets that have something to write.
enum Unwritten {
    Taken(Vec<Arc<WebSocket>>),
    /// The worker has ended.
    Refused,
}

/// The worker has ended, and its connections with it: what it was to do was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the worker has ended")]
pub struct WorkerGone;

impl Worker {
    /// The worker that calls this.
    ///
    /// # Panics
    ///
    /// Outside of an actix worker.
    pub(super) fn current() -> Self {
        CURRENT.with_borrow_mut(|current| match current {
            Some(worker) if !worker.inner.works.is_closed() => worker.clone(),
            // The first connection of this thread, or of a runtime that came after another one.
            _ => current.insert(Self::start()).clone(),
        })
    }

    /// A worker with the one task that takes its turns, as long as its runtime lives.
    fn start() -> Self {
        let (tasks, new_tasks) = mpsc::unbounded_channel();
        let (works, waiting) = mpsc::channel(WAITING);
        let worker = Self {
            inner: Arc::new(Inner {
                id: WorkerId(STARTED.fetch_add(1, Ordering::Relaxed)),
                thread: thread::current().id(),
                runtime: Handle::current(),
                tasks,
                works,
                unwritten: Mutex::new(Unwritten::Taken(Vec::new())),
                waker: AtomicWaker::new(),
            }),
        };
        rt::spawn(Turns {
            worker: worker.clone(),
            tasks: new_tasks,
            works: waiting,
            unwritten: VecDeque::new(),
            outbox: Outbox::default(),
        });
        worker
    }

    /// Its id: the same for all clones, and for no other worker of this process.
    pub fn id(&self) -> WorkerId {
        self.inner.id
    }

    /// Has the worker do something on its own thread, outside of any handler. `work` must not block: it holds up
    /// everything else of this worker. Should it panic, only the rest of it is lost.
    ///
    /// Returns when it is queued, not when it is done: while 1,024 pieces of work wait for this worker it waits for
    /// its turn. What is queued first is done first, whoever queued it. May be called from any thread and runtime,
    /// also from the worker itself.
    ///
    /// # Errors
    ///
    /// When the worker has ended. When it ends later, what still waits is dropped without being done.
    pub async fn execute(&self, work: impl FnOnce() + Send + 'static) -> Result<(), WorkerGone> {
        self.inner.works.send(Box::new(work)).await.map_err(|_| WorkerGone)
    }

    /// Whether the calling thread is this worker's.
    pub fn is_current(&self) -> bool {
        self.inner.thread == thread::current().id()
    }

    /// Runs a task on this worker, whichever thread asks for it, and in its `LocalSet`: only there
    /// does actix's own `spawn` work, which handlers use without knowing that they do.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // A worker that is gone drops the task.
        let _ = self.inner.tasks.send(Box::pin(task));
    }

    /// Writes what a websocket of this worker has, with all that is queued until the worker's turn ends.
    pub(super) fn flush_soon(&self, websocket: Arc<WebSocket>) {
        let mut unwritten = self.inner.unwritten.lock();
        let Unwritten::Taken(list) = &mut *unwritten else { return };
        list.push(websocket);
        let is_first = list.len() == 1;
        drop(unwritten);
        if is_first {
            self.inner.waker.wake();
        }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }
}

impl PartialEq for Worker {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Worker {}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// What a worker does for its connections, turn by turn: it starts tasks, does the work that waits, and then writes
/// what all that had its websockets queue, each once.
struct Turns {
    worker: Worker,
    tasks: mpsc::UnboundedReceiver<Task>,
    works: mpsc::Receiver<Work>,
    /// Websockets that have something to write.
    unwritten: VecDeque<Arc<WebSocket>>,
    outbox: Outbox,
}

impl Future for Turns {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.worker.inner.waker.register(cx.waker());
        // Both end a turn after some, and have it go on later.
        while let Poll::Ready(Some(task)) = this.tasks.poll_recv(cx) {
            rt::spawn(task);
        }
        while let Poll::Ready(Some(work)) = this.works.poll_recv(cx) {
            perform(work);
        }
        if let Unwritten::Taken(list) = &mut *this.worker.inner.unwritten.lock() {
            this.unwritten.extend(list.drain(..));
        }
        let now = this.unwritten.len().min(WRITES);
        for websocket in this.unwritten.drain(..now) {
            websocket.flush(&mut this.outbox);
        }
        if !this.unwritten.is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        // Not under the lock: it may be the last reference to much.
        let unwritten = std::mem::replace(&mut *self.worker.inner.unwritten.lock(), Unwritten::Refused);
        drop(unwritten);
    }
}

fn perform(work: Work) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::error!("a piece of work panicked");
    }
}
