//! The actix worker that has a connection.

use std::{cell::RefCell, pin::Pin};

use actix_web::rt;
use tokio::{runtime::Handle, sync::mpsc};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// Where this worker takes tasks from.
    static TASKS: RefCell<Option<mpsc::UnboundedSender<Task>>> = const { RefCell::new(None) };
}

/// An actix worker: a thread with a runtime of its own. Clones are the same worker.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    runtime: Handle,
    tasks: mpsc::UnboundedSender<Task>,
}

impl Worker {
    /// The worker that calls this.
    ///
    /// # Panics
    ///
    /// Outside of an actix worker.
    pub(super) fn current() -> Self {
        let tasks = TASKS.with_borrow_mut(|tasks| match tasks {
            Some(tasks) if !tasks.is_closed() => tasks.clone(),
            // The first connection of this thread, or of a runtime that came after another one.
            _ => tasks.insert(start()).clone(),
        });
        Self { runtime: Handle::current(), tasks }
    }

    /// Runs a task on this worker, whichever thread asks for it, and in its `LocalSet`: only there
    /// does actix's own `spawn` work, which handlers use without knowing that they do.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // A worker that is gone drops the task.
        let _ = self.tasks.send(Box::pin(task));
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// One task that starts the others, as long as the worker lives.
fn start() -> mpsc::UnboundedSender<Task> {
    let (sender, mut tasks) = mpsc::unbounded_channel::<Task>();
    rt::spawn(async move {
        while let Some(task) = tasks.recv().await {
            rt::spawn(task);
        }
    });
    sender
}
