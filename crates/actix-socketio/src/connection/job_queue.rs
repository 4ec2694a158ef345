//! Work done one piece at a time, in order, by a task that exists only while there is some.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// The jobs of one socket. No task waits for an idle socket: [`JobQueue::push`] says when one is to
/// be started, and it ends when [`JobQueue::next`] has nothing more.
#[derive(Debug)]
pub(crate) struct JobQueue<J> {
    state: Mutex<State<J>>,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    running: bool,
}

impl<J> JobQueue<J> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { jobs: VecDeque::new(), running: false }) }
    }

    /// Adds a job; true when a task must be started.
    #[must_use]
    pub(crate) fn push(&self, job: J) -> bool {
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        !std::mem::replace(&mut state.running, true)
    }

    /// The next job, or `None`: then the task ends.
    pub(crate) fn next(&self) -> Option<J> {
        let mut state = self.state.lock();
        let job = state.jobs.pop_front();
        if job.is_none() {
            state.running = false;
            state.jobs = VecDeque::new();
        }
        job
    }
}
