//! The reconnecting loop.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use backon::BackoffBuilder;
use fabric_api::center::User;
use fabric_api::guild::ChannelRow;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, sleep, timeout};

use super::backoff::pauses;
use super::dispatch::Dispatcher;
use super::inbox::{Inbox, Verdict};
use super::pace::JoinPace;
use super::{Agent, Options, Status};
use crate::center::Center;
use crate::error::Error;
use crate::guild::GuildClient;
use crate::model::{ChannelId, GuildId, Seq};
use crate::realtime::{Event, Joined, Realtime};
use crate::session::Session;

/// Everything that outlives one connection.
pub(super) struct Loop<A> {
    center: Center,
    api_key: Arc<str>,
    guild: GuildId,
    options: Options,
    status: watch::Sender<Status>,
    session: Option<Session>,
    inbox: Arc<Mutex<Inbox>>,
    positions: HashMap<ChannelId, Seq>,
    dispatcher: Dispatcher<A>,
}

/// What one connection waits for besides events.
enum Step {
    Joined(ChannelId, Result<Joined, Error>),
    /// With the channels that were joined when the list was asked for: those that were joined since
    /// then are not missing from it.
    Listed(HashSet<ChannelId>, Result<Vec<ChannelRow>, Error>),
    Left(Result<(), Error>),
}

/// One connection.
struct Live {
    me: User,
    guild: GuildClient,
    socket: Realtime,
    joined: HashSet<ChannelId>,
    pace: JoinPace,
    steps: FuturesUnordered<BoxFuture<'static, Step>>,
}

impl<A: Agent> Loop<A> {
    pub(super) fn new(
        center: Center,
        api_key: &str,
        guild: GuildId,
        agent: Arc<A>,
        mut options: Options,
        status: watch::Sender<Status>,
    ) -> Self {
        let positions = std::mem::take(&mut options.positions);
        let inbox = Arc::<Mutex<Inbox>>::default();
        let dispatcher = Dispatcher::new(agent, options.wake_timeout, Arc::clone(&inbox));
        Self {
            center,
            api_key: api_key.into(),
            guild,
            options,
            status,
            session: None,
            inbox,
            positions,
            dispatcher,
        }
    }

    /// Connects again and again until it is told to stop.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (first, longest) = self.options.backoff;
        let mut backoff = pauses(first, longest).build();
        let stopped = async move {
            // A dropped sender is no stop: then the whole task is aborted.
            if stop.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::pin!(stopped);
        loop {
            self.status.send_replace(Status::Connecting);
            let started = Instant::now();
            let error = tokio::select! {
                error = self.connect_and_follow() => error,
                () = &mut stopped => break,
            };
            if started.elapsed() >= self.options.stable_after {
                backoff = pauses(first, longest).build();
            }
            // There is always another.
            let pause = backoff.next().unwrap_or(longest);
            tracing::warn!(guild = %self.guild, error = %error.report(), ?pause, "an agent is not connected");
            self.status.send_replace(Status::Waiting { error: error.report().to_string(), pause });
            tokio::select! {
                () = sleep(pause) => {}
                () = &mut stopped => break,
            }
        }
        let Self { status, dispatcher, .. } = self;
        dispatcher.finish().await;
        status.send_replace(Status::Stopped);
    }

    /// One connection, from sign-in to its end.
    async fn connect_and_follow(&mut self) -> Error {
        match self.connect().await {
            Ok((live, events)) => self.follow(live, events).await,
            Err(error) => error,
        }
    }

    async fn connect(&mut self) -> Result<(Live, crate::Events), Error> {
        let session = match &self.session {
            Some(session) => session.clone(),
            None => self.session.insert(self.center.agent_login(&self.api_key).await?).clone(),
        };
        let guild = match (&self.options.endpoint, session.guild(&self.guild)) {
            (Some(endpoint), _) => session.guild_at(&self.guild, endpoint)?,
            // Perhaps it joined the guild only now.
            (None, Err(Error::NotInGuild(_))) => {
                session.refresh_guilds().await?;
                session.guild(&self.guild)?
            }
            (None, guild) => guild?,
        };
        let (socket, events) = guild.connect().await?;
        let me = session.user();
        let (joined, pace, steps) = (HashSet::new(), JoinPace::default(), FuturesUnordered::new());
        let live = Live { me, guild, socket, joined, pace, steps };
        live.list();
        Ok((live, events))
    }

    async fn follow(&mut self, mut live: Live, mut events: crate::Events) -> Error {
        let every = self.options.relist_every;
        let mut relist = interval_at(Instant::now() + every, every);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.take(&mut live, event),
                    Err(reason) => return Error::Closed(reason),
                },
                Some(step) = live.steps.next() => {
                    if let Err(error) = self.step(&mut live, step) {
                        return error;
                    }
                    if live.steps.is_empty() && *self.status.borrow() != Status::Live {
                        self.status.send_replace(Status::Live);
                    }
                }
                _ = relist.tick() => live.list(),
            }
        }
    }

    fn take(&mut self, live: &mut Live, event: Event) {
        match event {
            Event::MessageCreated(created) => {
                let at = self.positions.entry(created.message.channel_id.clone()).or_default();
                *at = created.message.seq.max(*at);
                let verdict = self.inbox.lock().judge(&live.me.id, &created);
                match verdict {
                    Verdict::Drop => {}
                    Verdict::Record => self.dispatcher.record(*created),
                    Verdict::Dispatch => self.dispatcher.wake(*created, &live.me, &live.guild),
                }
            }
            Event::ChannelJoined(joined) if joined.user_id == live.me.id => {
                self.join(live, &joined.channel_id);
            }
            Event::ChannelLeft(left) if left.user_id == live.me.id => self.leave(live, &left.channel_id),
            Event::SessionExpiring(_) => live.refresh(),
            _ => {}
        }
    }

    fn step(&mut self, live: &mut Live, step: Step) -> Result<(), Error> {
        match step {
            Step::Joined(channel, Ok(_)) if !live.joined.contains(&channel) => {
                // Left while the join waited for its turn.
                live.leave(channel);
                Ok(())
            }
            Step::Joined(channel, Ok(joined)) => {
                // Where nothing was asked for, we begin at the end; else the replay itself counts.
                self.positions.entry(channel).or_insert(joined.last_seq);
                Ok(())
            }
            Step::Joined(channel, Err(Error::EventRefused { code, .. })) => {
                // Left, or removed, in the meantime.
                tracing::debug!(%channel, code, "a channel could not be joined");
                live.joined.remove(&channel);
                Ok(())
            }
            Step::Left(Ok(()) | Err(Error::EventRefused { .. })) => Ok(()),
            Step::Joined(_, Err(error)) | Step::Left(Err(error)) | Step::Listed(_, Err(error)) => Err(error),
            Step::Listed(before, Ok(rows)) => {
                let mine: HashSet<_> =
                    rows.into_iter().filter(|row| row.is_member == Some(true)).map(|row| row.id).collect();
                for gone in before.difference(&mine) {
                    self.leave(live, gone);
                    live.leave(gone.clone());
                }
                for channel in mine {
                    if !live.joined.contains(&channel) {
                        self.join(live, &channel);
                    }
                }
                Ok(())
            }
        }
    }

    fn join(&self, live: &mut Live, channel: &ChannelId) {
        live.joined.insert(channel.clone());
        let (socket, pace, channel) = (live.socket.clone(), live.pace.clone(), channel.clone());
        let since = self.positions.get(&channel).copied();
        live.steps.push(Box::pin(async move {
            let _turn = pace.turn().await;
            let joined = socket.join(&channel, since).await;
            Step::Joined(channel, joined)
        }));
    }

    fn leave(&mut self, live: &mut Live, channel: &ChannelId) {
        live.joined.remove(channel);
        self.positions.remove(channel);
        self.dispatcher.forget(channel);
    }
}

impl Live {
    /// Lists the channels, in the background.
    fn list(&self) {
        let (guild, before) = (self.guild.clone(), self.joined.clone());
        self.steps.push(Box::pin(async move { Step::Listed(before, guild.channels().await) }));
    }

    /// Has the server take the socket out of a channel.
    fn leave(&self, channel: ChannelId) {
        let socket = self.socket.clone();
        self.steps.push(Box::pin(async move { Step::Left(socket.leave(&channel).await) }));
    }

    /// Gives the server a fresh token. Where that fails, it disconnects us, and we come back.
    fn refresh(&self) {
        let (guild, socket) = (self.guild.clone(), self.socket.clone());
        tokio::spawn(async move {
            let refreshing = async { socket.refresh_session(&guild.fresh_token().await?).await };
            if let Ok(Err(error)) = timeout(std::time::Duration::from_secs(55), refreshing).await {
                tracing::warn!(error = %error.report(), "a session could not be refreshed");
            }
        });
    }
}
