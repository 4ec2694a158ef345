//! Clients that post as fast as they are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fabric_api::guild::{PostAnswer, PostMessage};
use fabric_client::model::ChannelId;
use fabric_client::{Error, GuildClient};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::deeds::{self, Deed};
use crate::oracle::{Attempt, Oracle};
use crate::world::{Rooms, World, patiently};

/// How many post at once.
pub(crate) const CLIENTS: usize = 12;

/// What the clients do when an answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Stop,
    GoOn,
}

/// Clients at work.
pub(crate) struct Load {
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    oracle: Arc<Mutex<Oracle>>,
    rooms: Rooms,
    users: Vec<GuildClient>,
    mentions: Vec<String>,
    on_failure: OnFailure,
    stop: AtomicBool,
    acknowledged: AtomicUsize,
    /// Answers that the store has failed.
    failed: AtomicUsize,
    progress: Notify,
}

impl Load {
    /// `name` makes the keys of these clients their own.
    pub(crate) fn start(
        world: &World,
        rooms: &Rooms,
        oracle: &Arc<Mutex<Oracle>>,
        name: &str,
        on_failure: OnFailure,
    ) -> Self {
        let shared = Arc::new(Shared {
            oracle: Arc::clone(oracle),
            rooms: rooms.clone(),
            users: world.users.clone(),
            mentions: world.ids.iter().map(|id| format!("<@{id}>")).collect(),
            on_failure,
            stop: AtomicBool::new(false),
            acknowledged: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            progress: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        for client in 0..CLIENTS {
            let (shared, name) = (Arc::clone(&shared), format!("{name}-{client}"));
            tasks.spawn(async move { shared.work(client, &name).await });
        }
        Self { tasks, shared }
    }

    /// Waits until so many more posts are acknowledged.
    pub(crate) async fn acknowledged(&mut self, more: usize) {
        let shared = Arc::clone(&self.shared);
        self.unless_over(shared.wait(&shared.acknowledged, more)).await;
    }

    /// Waits until so many more answers say that the store has failed.
    pub(crate) async fn failed(&mut self, more: usize) {
        let shared = Arc::clone(&self.shared);
        self.unless_over(shared.wait(&shared.failed, more)).await;
    }

    /// What clients have noticed is told at once, and not when they are waited for.
    async fn unless_over(&mut self, awaited: impl Future<Output = ()>) {
        tokio::pin!(awaited);
        loop {
            tokio::select! {
                () = &mut awaited => return,
                done = self.tasks.join_next() => {
                    done.expect("every client has stopped").expect("a client fails only by a broken promise");
                }
            }
        }
    }

    /// Lets every client finish its post.
    pub(crate) async fn stop(mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.finished().await;
    }

    /// Waits until the clients have stopped by themselves.
    pub(crate) async fn finished(&mut self) {
        while let Some(done) = self.tasks.join_next().await {
            done.expect("a client fails only by a broken promise");
        }
    }
}

impl Shared {
    async fn wait(&self, count: &AtomicUsize, more: usize) {
        let enough = count.load(Ordering::SeqCst) + more;
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            // Listening before looking, so that nothing is missed between the two.
            progress.as_mut().enable();
            if count.load(Ordering::SeqCst) >= enough {
                return;
            }
            progress.await;
        }
    }

    async fn work(&self, client: usize, name: &str) {
        for n in 0_usize.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let user = (client + n) % self.users.len();
            let key = format!("{name}-{n}");
            let content = match (client + 3 * n) % 9 {
                0 => "/no-reply".to_owned(),
                1 if n % 4 == 0 => "/force-proceed".to_owned(),
                2..=4 => format!("{key} asks {}", self.mentions[(client + n / 2) % self.mentions.len()]),
                _ => format!("{key} says something"),
            };
            let attempt = Attempt { key, user, content };
            let done = match post(&self.users[user], &self.rooms.channel, &attempt).await {
                Ok(answer) => {
                    self.oracle.lock().acknowledge(attempt, &answer);
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                    self.amend(user, n, answer).await
                }
                Err(error) => {
                    self.oracle.lock().lose(attempt);
                    Err(error)
                }
            };
            let done = match done {
                Ok(()) => self.besides(client, user, n).await,
                failed => failed,
            };
            if let Err(error) = done {
                self.note(&error);
                // Whoever still answers is not gone.
                if self.on_failure == OnFailure::Stop && error.status().is_none() {
                    return;
                }
            }
            self.progress.notify_waiters();
        }
    }

    /// Edits, deletes and reads what was just posted, now and then. Only what mentions nobody: see the replay of
    /// turns in `oracle.rs`.
    async fn amend(&self, user: usize, n: usize, answer: PostAnswer) -> Result<(), Error> {
        let PostAnswer::Message(posted) = answer else { return Ok(()) };
        let original = &posted.content;
        if n.is_multiple_of(4) {
            self.perform(Deed::Read { user, seq: posted.seq.0 }, None).await?;
        }
        if !posted.mentions.is_empty() {
            return Ok(());
        }
        for (edit, every) in [("better", 2), ("best", 3)] {
            if n.is_multiple_of(every) {
                let edit =
                    Deed::Edit { user, message: posted.id.clone(), content: format!("{original}, {edit}") };
                self.perform(edit, Some(original)).await?;
            }
        }
        if n.is_multiple_of(5) {
            self.perform(Deed::Delete { user, message: posted.id.clone() }, Some(original)).await?;
        }
        Ok(())
    }

    /// A client of each user goes in and out of the lobby, and one posts what is refused.
    async fn besides(&self, client: usize, user: usize, n: usize) -> Result<(), Error> {
        // Ada made it; the others come and go. What is unknown has to be settled first.
        if (1..self.users.len()).contains(&client) && !self.oracle.lock().deeds.is_in_doubt(client) {
            let is_member = self.oracle.lock().deeds.is_member(client);
            let deed = if is_member { Deed::Leave { user: client } } else { Deed::Join { user: client } };
            self.perform(deed, None).await?;
        }
        if client == CLIENTS - 1 {
            let refused = PostMessage {
                reply_to: Some("no such message".into()),
                ..PostMessage::text(format!("{n} is never stored"))
            };
            let answer = self.users[user].post(&self.rooms.channel, &refused, None).await;
            match answer.expect_err("it answers what is not there") {
                error if error.status() == Some(400) => {}
                error => return Err(error),
            }
        }
        Ok(())
    }

    async fn perform(&self, deed: Deed, original: Option<&str>) -> Result<(), Error> {
        self.oracle.lock().deeds.ask(&deed, original);
        let answer = deed.ask(&self.users, &self.rooms).await;
        let deeds = &mut self.oracle.lock().deeds;
        match answer {
            Ok(()) => deeds.acknowledge(&deed),
            Err(error) => {
                deeds.lose(deed);
                return Err(error);
            }
        }
        Ok(())
    }

    /// An answer was lost, or it says that the store has failed; or that a machine is too slow for a sign-in to be
    /// confirmed, or for a request to come in whole, and then nothing was done.
    fn note(&self, error: &Error) {
        let Some(status) = error.status() else { return };
        match (status, error.code()) {
            (503, Some("storage_unavailable")) => drop(self.failed.fetch_add(1, Ordering::SeqCst)),
            (503, Some("center_unavailable")) | (408, _) => {}
            _ => panic!("an answer that no fault explains: {error}"),
        }
    }
}

async fn post(user: &GuildClient, channel: &ChannelId, attempt: &Attempt) -> Result<PostAnswer, Error> {
    user.post(channel, &PostMessage::text(&attempt.content), Some(&attempt.key)).await
}

/// Asks again for what is unknown, and for some of what is not.
pub(crate) async fn settle(world: &World, rooms: &Rooms, oracle: &Mutex<Oracle>) {
    let (unknown, answered, deeds) = {
        let mut oracle = oracle.lock();
        (oracle.unknown(), oracle.some_answered(), oracle.deeds.take_unknown())
    };
    for attempt in unknown.into_iter().chain(answered) {
        let answer = patiently(|| post(&world.users[attempt.user], &rooms.channel, &attempt)).await;
        let answer = answer.unwrap_or_else(|error| panic!("{attempt:?}: {error}\n{}", world.log()));
        oracle.lock().acknowledge(attempt, &answer);
    }
    for deed in deeds {
        deeds::settle(world, rooms, &deed).await;
        oracle.lock().deeds.acknowledge(&deed);
    }
}
