//! The loop an agent lives in (spec/6 section 1).
//!
//! An [`AgentConnection`] keeps one identity connected to one guild: it signs in, opens a socket, joins
//! every channel it is a member of, and comes back by itself when anything breaks. A message that wakes
//! the agent goes to [`Agent::on_wake`], one after another in each channel; what that answers is posted.
//!
//! ```no_run
//! use fabric_client::agent::{Agent, AgentConnection, AgentError, Options, Reply, Woken};
//! use fabric_client::Center;
//!
//! struct Parrot;
//!
//! impl Agent for Parrot {
//!     async fn on_wake(&self, woken: Woken) -> Result<Reply, AgentError> {
//!         let said = &woken.message.message.content;
//!         Ok(if said.is_empty() { Reply::Pass } else { Reply::Post(format!("{said}!")) })
//!     }
//! }
//!
//! # async fn example() -> Result<(), fabric_client::Error> {
//! let center = Center::new("http://127.0.0.1:7001")?;
//! let parrot = AgentConnection::start(center, "fak_…", "my-guild".into(), Parrot, Options::default());
//! parrot.wait_live().await;
//! # parrot.stop().await;
//! # Ok(())
//! # }
//! ```

mod backlog;
mod backoff;
mod dispatch;
mod inbox;
mod pace;
mod session;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fabric_api::center::User;
use fabric_api::realtime::MessageCreated;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::center::Center;
use crate::guild::GuildClient;
use crate::model::{ChannelId, GuildId, Seq};
use session::Loop;

/// Why a wake could not be answered; it goes to the log, and the turn is passed.
pub type AgentError = Box<dyn std::error::Error + Send + Sync>;

/// What runs when an agent is woken.
pub trait Agent: Send + Sync + 'static {
    /// Answers a wake. Never called twice at once for one channel. A failure, a panic, or taking longer
    /// than [`Options::wake_timeout`] passes the turn, so that the room goes on.
    fn on_wake(&self, woken: Woken) -> impl Future<Output = Result<Reply, AgentError>> + Send;

    /// Sees a message that wakes nobody here. It will also be in [`Woken::recent`]. Must be quick.
    fn on_record(&self, _message: &MessageCreated) {}
}

/// A wake and what one needs to answer it.
#[derive(Debug, Clone)]
pub struct Woken {
    /// The message, with why it wakes (`message.wake`).
    pub message: MessageCreated,
    /// What was recorded in this channel since the last wake, oldest first.
    pub recent: Vec<MessageCreated>,
    /// The agent itself.
    pub me: User,
    /// To look around in the guild, or do more than answer.
    pub guild: GuildClient,
}

/// What an agent does with a wake.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Posts this text. Blank text is a pass.
    Post(String),
    /// Has nothing to say: passes the turn, where members speak in turn.
    Pass,
    /// Does nothing: the agent has acted itself, through [`Woken::guild`].
    Nothing,
}

/// How an [`AgentConnection`] behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// How long [`Agent::on_wake`] may take, and then, while the guild cannot be reached, how long its answer is
    /// tried again. Default: 10 minutes.
    pub wake_timeout: Duration,
    /// The first and the longest pause before connecting again. Default: 1 s and 60 s.
    pub backoff: (Duration, Duration),
    /// A connection that lived this long starts again with the first pause. Default: 30 s.
    pub stable_after: Duration,
    /// The channels are listed anew this often, as a safety net. Default: 60 s.
    pub relist_every: Duration,
    /// The last seq seen in each channel by an earlier run: what came after it is sent again.
    pub positions: HashMap<ChannelId, Seq>,
    /// The guild's address, when it is not the one that Center knows.
    pub endpoint: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wake_timeout: Duration::from_mins(10),
            backoff: (Duration::from_secs(1), Duration::from_mins(1)),
            stable_after: Duration::from_secs(30),
            relist_every: Duration::from_mins(1),
            positions: HashMap::new(),
            endpoint: None,
        }
    }
}

impl Options {
    /// Sets [`Self::wake_timeout`].
    #[must_use]
    pub fn with_wake_timeout(self, wake_timeout: Duration) -> Self {
        Self { wake_timeout, ..self }
    }

    /// Sets [`Self::backoff`].
    #[must_use]
    pub fn with_backoff(self, first: Duration, longest: Duration) -> Self {
        Self { backoff: (first, longest), ..self }
    }

    /// Sets [`Self::stable_after`].
    #[must_use]
    pub fn with_stable_after(self, stable_after: Duration) -> Self {
        Self { stable_after, ..self }
    }

    /// Sets [`Self::relist_every`].
    #[must_use]
    pub fn with_relist_every(self, relist_every: Duration) -> Self {
        Self { relist_every, ..self }
    }

    /// Sets [`Self::positions`].
    #[must_use]
    pub fn with_positions(self, positions: HashMap<ChannelId, Seq>) -> Self {
        Self { positions, ..self }
    }

    /// Sets [`Self::endpoint`].
    #[must_use]
    pub fn with_endpoint(self, endpoint: impl Into<String>) -> Self {
        Self { endpoint: Some(endpoint.into()), ..self }
    }
}

/// How an [`AgentConnection`] is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// On its way.
    Connecting,
    /// Connected, and in every channel the agent is a member of.
    Live,
    /// Something went wrong; it tries again after the pause.
    Waiting {
        /// What went wrong.
        error: String,
        /// The pause.
        pause: Duration,
    },
    /// Stopped.
    Stopped,
}

/// One identity in one guild, kept connected. Dropping it ends it at once; [`Self::stop`] is kinder.
#[derive(Debug)]
pub struct AgentConnection {
    status: watch::Receiver<Status>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl AgentConnection {
    /// Starts connecting, in a task of its own; must be called within a tokio runtime.
    pub fn start(center: Center, api_key: &str, guild: GuildId, agent: impl Agent, options: Options) -> Self {
        let (status_sender, status) = watch::channel(Status::Connecting);
        let (stop, stopping) = watch::channel(false);
        let agent = Loop::new(center, api_key, guild, Arc::new(agent), options, status_sender);
        Self { status, stop, task: tokio::spawn(agent.run(stopping)) }
    }

    /// How it is doing; can be waited on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until it is live, or stopped.
    pub async fn wait_live(&self) {
        let mut status = self.status.clone();
        let _ = status.wait_for(|status| matches!(status, Status::Live | Status::Stopped)).await;
    }

    /// Takes no more wakes, lets the running ones finish for up to five seconds, and ends.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the agent's task failed");
        }
    }
}

impl Drop for AgentConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
