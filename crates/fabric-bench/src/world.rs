//! A guild in this process: the real server, on a store in memory and a Center that a scenario can move.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use actix_socketio::{ClientLimits, Config as SocketConfig, HttpServer, Rate, SocketIo};
use actix_web::App;
use actix_web::dev::ServerHandle;
use async_trait::async_trait;
use fabric_api::realtime::NAMESPACE;
use fabric_client::GuildClient;
use fabric_domain::decisions::{CreateChannel, Limits, Post};
use fabric_domain::model::{
    Author, Caller, ChannelId, ChannelType, GuildId, GuildMember, PostOutcome, SettingsPatch, Timestamp,
    UserId, UserKind,
};
use fabric_domain::ports::{CenterError, Clock, Identity, IdentityCenter};
use fabric_domain::services::{Guild, Ports};
use fabric_realtime::{Gateway, Hub};
use fabric_testkit::{MemoryBytes, MemoryStore, StubCenter, TestClock, TestIds};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::{Outcome, ensure};

/// How long anything may take that is to happen at all.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long the parts of a stopped guild may be held by tasks that end in the background.
const GONE: Duration = Duration::from_secs(30);
/// How often a state is looked at that nobody tells of.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);

/// How many sockets a user may have, as in a guild node.
pub const SOCKETS_PER_USER: usize = 100;

/// The limits of a guild node, without the one on connections per address: all clients here have the same.
pub fn node_limits() -> SocketConfig {
    let mut config = SocketConfig::default();
    config.limits.event_rate = Some(Rate { per_second: 50, burst: 1_000 });
    config
}

/// Center as a table: a token is the user's id, with anything after a `~`, and lives as long as it is told to.
#[derive(Debug)]
pub struct Tokens {
    users: StubCenter,
    clock: Arc<TestClock>,
    ends: Mutex<HashMap<String, Timestamp>>,
}

impl Tokens {
    /// Lets a token end so many seconds from now. Others never end.
    pub fn end_after(&self, token: &str, seconds: u32) {
        self.ends.lock().insert(token.to_owned(), self.clock.now().plus_seconds(seconds));
    }
}

#[async_trait]
impl IdentityCenter for Tokens {
    async fn introspect(&self, token: &str) -> Result<Option<Identity>, CenterError> {
        let end = self.ends.lock().get(token).copied();
        if end.is_some_and(|end| end <= self.clock.now()) {
            return Ok(None);
        }
        let user = token.split_once('~').map_or(token, |(user, _)| user);
        let identity = self.users.introspect(user).await?;
        Ok(identity.map(|known| Identity { expires_at: end.unwrap_or(known.expires_at), ..known }))
    }

    async fn resolve_names(&self, names: &[String]) -> Result<HashMap<String, UserId>, CenterError> {
        self.users.resolve_names(names).await
    }

    async fn admin(&self) -> Option<UserId> {
        self.users.admin().await
    }

    async fn members(&self) -> Result<Arc<[GuildMember]>, CenterError> {
        self.users.members().await
    }

    async fn members_now(&self) -> Result<Arc<[GuildMember]>, CenterError> {
        self.users.members_now().await
    }
}

/// A running guild with a runtime of its own, so that the server's threads can be told from the clients'.
#[derive(Debug)]
pub struct World {
    runtime: Runtime,
    server: ServerHandle,
    address: SocketAddr,
    hub: Arc<Hub>,
    sockets: SocketIo,
    guild: Arc<Guild>,
    /// Center.
    pub center: Arc<Tokens>,
    /// The guild's time. It stands still until it is moved; timers of connections do not follow it.
    pub clock: Arc<TestClock>,
}

impl World {
    /// Starts a guild. Not to be called from within another runtime.
    pub fn start(config: SocketConfig) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("server")
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime: {error}"))?;
        let clock = Arc::new(TestClock::default());
        let center =
            Arc::new(Tokens { users: StubCenter::new(), clock: Arc::clone(&clock), ends: Mutex::default() });
        let (server, address, hub, sockets, guild) = runtime.block_on(async {
            let hub = Hub::start();
            let ports = Ports {
                store: Arc::new(MemoryStore::new(Arc::clone(&hub) as _)),
                files: Arc::new(MemoryBytes::new(Arc::clone(&clock) as _)),
                center: Arc::clone(&center) as _,
                connected: Arc::clone(&hub) as _,
                clock: Arc::clone(&clock) as _,
                ids: Arc::new(TestIds::default()),
            };
            let guild = Arc::new(Guild::new(GuildId::new("bench"), Limits::default(), ports));
            let gateway = Gateway::start(Arc::clone(&hub), Arc::clone(&guild), SOCKETS_PER_USER);
            let sockets = SocketIo::builder().config(config).namespace(NAMESPACE, gateway).build();
            let (server, address) = serve(&sockets)?;
            Ok::<_, String>((server, address, hub, sockets, guild))
        })?;
        Ok(Self { runtime, server, address, hub, sockets, guild, center, clock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its application.
    pub fn guild(&self) -> &Arc<Guild> {
        &self.guild
    }

    /// The runtime that the server's own work belongs to.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Sockets that are in the namespace.
    pub fn socket_count(&self) -> usize {
        self.hub.socket_count()
    }

    /// Connections, whether or not they are in the namespace.
    pub fn connection_count(&self) -> usize {
        self.sockets.connection_count()
    }

    /// A user of the guild. Adding one twice is harmless.
    pub fn user(&self, name: &str) -> Caller {
        self.center.users.add(name, UserKind::Human);
        caller(name)
    }

    /// A channel of these users; the first one creates it.
    pub async fn channel(&self, channel_type: ChannelType, users: &[String]) -> Outcome<ChannelId> {
        self.channel_with(channel_type, users, SettingsPatch::default()).await
    }

    /// A channel with settings of its own.
    pub async fn channel_with(
        &self,
        channel_type: ChannelType,
        users: &[String],
        settings: SettingsPatch,
    ) -> Outcome<ChannelId> {
        let Some((creator, others)) = users.split_first() else { return Err("a channel of nobody".into()) };
        let new = CreateChannel {
            members: others.iter().map(|user| user.as_str().into()).collect(),
            settings,
            ..CreateChannel::new("bench", channel_type)
        };
        let made = self.guild.create_channel(&caller(creator), new).await;
        made.map(|summary| summary.channel.id).map_err(|error| format!("create a channel: {error}"))
    }

    /// Posts as the REST route does; answers the seq once it is committed.
    pub async fn post(&self, user: &str, channel: &ChannelId, content: impl Into<String>) -> Outcome<u64> {
        post_as(&self.guild, user, channel, content).await
    }

    /// The client that other programs use.
    pub fn client(&self, token: &str) -> Outcome<GuildClient> {
        GuildClient::with_token(&format!("http://{}", self.address), "bench".into(), token)
            .map_err(|error| format!("no client: {error}"))
    }

    /// Waits until exactly so many sockets and connections are left.
    pub async fn settles_at(&self, sockets: usize, connections: usize) -> Outcome {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = (self.socket_count(), self.connection_count());
            if now == (sockets, connections) {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "{} sockets and {} connections are left, {sockets} and {connections} were expected",
                now.0,
                now.1
            );
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Ends the guild, and checks that nothing of it is left: every session that was forgotten somewhere (in
    /// a room, in a table) holds its connection, which holds the server, which holds the hub. With
    /// `by_itself` the hub must be gone before the runtime is: no task keeps it.
    pub fn stop(self, by_itself: bool) -> Outcome {
        let Self { runtime, server, hub, sockets, guild, center, .. } = self;
        runtime.block_on(async {
            sockets.close().await;
            server.stop(true).await;
        });
        let left: [(&str, Weak<dyn Send + Sync>); 2] = [
            ("hub", Arc::downgrade(&(hub as Arc<dyn Send + Sync>))),
            ("guild", Arc::downgrade(&(guild as Arc<dyn Send + Sync>))),
        ];
        drop((server, sockets, center));
        let ended = if by_itself { runtime.block_on(all_gone(&left)) } else { Ok(()) };
        runtime.shutdown_timeout(Duration::from_secs(5));
        ended?;
        let patient = tokio::runtime::Builder::new_current_thread().enable_time().build();
        patient.map_err(|error| format!("no runtime: {error}"))?.block_on(all_gone(&left))
    }
}

async fn all_gone(left: &[(&str, Weak<dyn Send + Sync>)]) -> Outcome {
    let until = Instant::now() + GONE;
    for (name, part) in left {
        while part.strong_count() > 0 {
            ensure!(Instant::now() < until, "the {name} is still held after the server stopped");
            tokio::time::sleep(GLANCE).await;
        }
    }
    Ok(())
}

/// Posts as the REST route does; answers the seq once it is committed.
pub(crate) async fn post_as(
    guild: &Guild,
    user: &str,
    channel: &ChannelId,
    content: impl Into<String>,
) -> Outcome<u64> {
    let post = Post::text(content);
    match guild.post(&Author::User(caller(user)), channel, post, None).await {
        Ok(PostOutcome::Message(message)) => Ok(message.seq.0),
        Ok(other) => Err(format!("a post was answered {other:?}")),
        Err(error) => Err(format!("a post failed: {error}")),
    }
}

/// A user, as the services see them.
pub(crate) fn caller(user: &str) -> Caller {
    Caller { user_id: user.into(), kind: UserKind::Human }
}

fn serve(sockets: &SocketIo) -> Outcome<(ServerHandle, SocketAddr)> {
    let routes = sockets.clone();
    let mut limits = ClientLimits::default();
    // All clients have one address here.
    limits.per_address = 0;
    let server = HttpServer::new(move || App::new().configure(routes.configure()))
        .client_limits(limits)
        .workers(2)
        .backlog(2_048)
        .disable_signals()
        .shutdown_timeout(1)
        .bind(("127.0.0.1", 0))
        .map_err(|error| format!("cannot listen: {error}"))?;
    let address = server.addrs().first().copied().ok_or("no address")?;
    let server = server.run().map_err(|error| format!("cannot listen: {error}"))?;
    let handle = server.handle();
    tokio::spawn(server);
    Ok((handle, address))
}
