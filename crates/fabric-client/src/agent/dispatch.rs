//! From a wake to what is done about it, serially per channel.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use backon::Retryable;
use fabric_api::center::User;
use fabric_api::guild::{PostMessage, TurnCommand};
use fabric_api::realtime::MessageCreated;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::backlog::{Backlog, turn_given_by};
use super::backoff::pauses;
use super::inbox::Inbox;
use super::{Agent, Reply, Woken};
use crate::error::Error;
use crate::guild::GuildClient;
use crate::model::ChannelId;

/// The first and the longest pause before something is tried again while the guild cannot be reached.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long running wakes may go on after a stop.
const GRACE: Duration = Duration::from_secs(5);

/// The channels' backlogs and the tasks that work them off.
pub(super) struct Dispatcher<A> {
    agent: Arc<A>,
    wake_timeout: Duration,
    inbox: Arc<Mutex<Inbox>>,
    backlogs: HashMap<ChannelId, Arc<Mutex<Backlog>>>,
    running: JoinSet<()>,
}

impl<A: Agent> Dispatcher<A> {
    pub(super) fn new(agent: Arc<A>, wake_timeout: Duration, inbox: Arc<Mutex<Inbox>>) -> Self {
        Self { agent, wake_timeout, inbox, backlogs: HashMap::new(), running: JoinSet::new() }
    }

    /// Keeps the message as context for the next wake.
    pub(super) fn record(&mut self, created: MessageCreated) {
        self.agent.on_record(&created);
        self.backlog(&created.message.channel_id).lock().push(created, false);
    }

    /// Wakes the agent, after the wakes that wait in the same channel.
    pub(super) fn wake(&mut self, created: MessageCreated, me: &User, guild: &GuildClient) {
        while self.running.try_join_next().is_some() {}
        let backlog = self.backlog(&created.message.channel_id);
        {
            let mut waiting = backlog.lock();
            waiting.push(created, true);
            if std::mem::replace(&mut waiting.is_running, true) {
                return;
            }
        }
        let lane = ChannelWorker {
            agent: Arc::clone(&self.agent),
            wake_timeout: self.wake_timeout,
            inbox: Arc::clone(&self.inbox),
            me: me.clone(),
            guild: guild.clone(),
        };
        self.running.spawn(async move { lane.work_off(&backlog).await });
    }

    /// Forgets what waits in a channel that the agent has left. Who works it off stays: should the agent come back,
    /// what it does now must have ended before it is woken again.
    pub(super) fn forget(&mut self, channel: &ChannelId) {
        let Some(backlog) = self.backlogs.get(channel) else { return };
        let is_running = {
            let mut waiting = backlog.lock();
            waiting.clear();
            waiting.is_running
        };
        if !is_running {
            self.backlogs.remove(channel);
        }
    }

    /// Lets running wakes finish, for a while.
    pub(super) async fn finish(mut self) {
        let all = async { while self.running.join_next().await.is_some() {} };
        let _ = timeout(GRACE, all).await;
    }

    fn backlog(&mut self, channel: &ChannelId) -> Arc<Mutex<Backlog>> {
        Arc::clone(self.backlogs.entry(channel.clone()).or_default())
    }
}

/// What one channel's task needs.
struct ChannelWorker<A> {
    agent: Arc<A>,
    wake_timeout: Duration,
    inbox: Arc<Mutex<Inbox>>,
    me: User,
    guild: GuildClient,
}

impl<A: Agent> ChannelWorker<A> {
    async fn work_off(&self, backlog: &Mutex<Backlog>) {
        loop {
            let next = {
                let mut waiting = backlog.lock();
                let next = waiting.next_wake();
                // Under the same lock: a wake that comes now starts a task of its own.
                waiting.is_running = next.is_some();
                next
            };
            let Some((message, recent)) = next else { return };
            if let Some(turn) = self.dispatch(message, recent).await {
                backlog.lock().answer(turn);
            }
        }
    }

    /// Wakes the agent and delivers what it says. Returns the turn that is answered with it, if it was one.
    async fn dispatch(&self, message: MessageCreated, recent: Vec<MessageCreated>) -> Option<u64> {
        let woken =
            Woken { message: message.clone(), recent, me: self.me.clone(), guild: self.guild.clone() };
        // The call itself may panic, not only the future it makes.
        let answering = AssertUnwindSafe(async { self.agent.on_wake(woken).await }).catch_unwind();
        let (reply, why) = match timeout(self.wake_timeout, answering).await {
            Ok(Ok(Ok(reply))) => (reply, None),
            Ok(Ok(Err(error))) => (Reply::Pass, Some(error.to_string())),
            Ok(Err(_)) => (Reply::Pass, Some("panicked".to_owned())),
            Err(_) => (Reply::Pass, Some("took too long".to_owned())),
        };
        if let Some(why) = &why {
            tracing::warn!(channel = %message.message.channel_id, seq = %message.message.seq, why,
                "a wake was not answered; the turn is passed");
        }
        let wake = &message.message;
        // An answer is not thrown away for an outage: it has the time of a wake once more to be delivered.
        let until = Instant::now() + self.wake_timeout;
        let delivered = match reply {
            Reply::Post(text) if !text.trim().is_empty() => self.post(&message, text, until).await,
            // The reason stays in our log: it may quote what is nobody's business.
            Reply::Post(_) | Reply::Pass => self.pass(&message, why.map(|_| "failed"), until).await,
            Reply::Nothing => return None,
        };
        match delivered {
            Err(error) if error.is_transient() => {
                tracing::warn!(channel = %wake.channel_id, seq = %wake.seq, error = %error.report(),
                    "the guild cannot be reached; the wake is answered when it comes again");
                self.inbox.lock().forget(&wake.id);
                None
            }
            // That it was done with other words before is as good.
            Err(error) if error.code() != Some("idempotency_key_reused") => {
                tracing::warn!(channel = %wake.channel_id, seq = %wake.seq, error = %error.report(), "a wake could not be answered");
                None
            }
            Ok(()) | Err(_) => turn_given_by(&message),
        }
    }

    /// Posts the answer. What the guild refuses for good becomes a pass, so that the room goes on.
    async fn post(&self, wake: &MessageCreated, text: String, until: Instant) -> Result<(), Error> {
        let channel = &wake.message.channel_id;
        // What takes longer than the turn is said all the same, and takes nobody's place.
        let message = PostMessage { turn: turn_of(wake), ..PostMessage::text(text) };
        // One answer to one wake, however often it is sent.
        let key = format!("wake-{}", wake.message.id);
        match persistently(until, || self.guild.post(channel, &message, Some(&key))).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_transient() || error.code() == Some("idempotency_key_reused") => {
                Err(error)
            }
            Err(error) => {
                tracing::warn!(%channel, error = %error.report(), "an answer could not be posted; the turn is passed");
                self.pass(wake, Some("failed"), until).await
            }
        }
    }

    async fn pass(&self, wake: &MessageCreated, reason: Option<&str>, until: Instant) -> Result<(), Error> {
        // Also in a type of channel that came after this version, where the wake names a turn.
        let is_turn = wake.wake.as_ref().is_some_and(|wake| wake.turn.is_some());
        if !is_turn && !wake.channel_type.known().is_some_and(|known| known.has_turns()) {
            return Ok(());
        }
        let key = format!("pass-{}", wake.message.id);
        let channel = &wake.message.channel_id;
        let command = TurnCommand { turn: turn_of(wake), reason: reason.map(str::to_owned) };
        persistently(until, || self.guild.pass(channel, &command, Some(&key))).await.map(drop)
    }
}

/// The turn that a wake gave.
fn turn_of(wake: &MessageCreated) -> Option<u64> {
    wake.wake.as_ref().and_then(|wake| wake.turn)
}

/// Tries again what failed for a reason that may go away, until then.
async fn persistently<T, F: Future<Output = Result<T, Error>>>(
    until: Instant,
    call: impl Fn() -> F,
) -> Result<T, Error> {
    let worth_it = |error: &Error| error.is_transient() && Instant::now() < until;
    call.retry(pauses(PAUSES.0, PAUSES.1)).when(worth_it).await
}
