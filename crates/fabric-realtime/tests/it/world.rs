//! A guild in memory behind a real server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_socketio::{Config, HttpServer, Recovery, SocketIo};
use actix_web::App;
use actix_web::dev::ServerHandle;
use fabric_api::realtime::NAMESPACE;
use fabric_domain::decisions::{CreateChannel, Limits, Post};
use fabric_domain::model::{Author, Caller, ChannelId, ChannelType, GuildId, PostOutcome, Seq, UserKind};
use fabric_domain::ports::{ChannelStore, Clock, SeqRange};
use fabric_domain::services::{Guild, Ports};
use fabric_realtime::{Gateway, Hub};
use fabric_testkit::{MemoryBytes, MemoryStore, StubCenter, TestClock, TestIds};

/// Nothing here takes this long unless it is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) hub: Arc<Hub>,
    pub(crate) guild: Arc<Guild>,
    pub(crate) center: Arc<StubCenter>,
    store: Arc<MemoryStore>,
    server: ServerHandle,
}

/// A guild node's settings, without limits.
pub(crate) fn config() -> Config {
    let mut recovery = Recovery::default();
    (recovery.max_sockets, recovery.max_events) = (0, 0);
    let mut config = Config::default();
    config.recovery = Some(recovery);
    config
}

impl World {
    pub(crate) fn start(config: Config) -> Self {
        let hub = Hub::start();
        let center = Arc::new(StubCenter::new());
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let store = Arc::new(MemoryStore::new(Arc::clone(&hub) as _));
        let ports = Ports {
            store: Arc::clone(&store) as _,
            files: Arc::new(MemoryBytes::new(Arc::clone(&clock))),
            center: Arc::clone(&center) as _,
            connected: Arc::clone(&hub) as _,
            clock,
            ids: Arc::new(TestIds::default()),
        };
        let guild = Arc::new(Guild::new(GuildId::new("guild"), Limits::default(), ports));
        let gateway = Gateway::start(Arc::clone(&hub), Arc::clone(&guild), 100);
        let sockets = SocketIo::builder().config(config).namespace(NAMESPACE, gateway).build();
        let server = HttpServer::new(move || App::new().configure(sockets.configure()))
            // A slow machine is no hostile client.
            .client_request_timeout(Duration::ZERO)
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let address = server.addrs()[0];
        let server = server.run().unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self { address, hub, guild, center, store, server: handle }
    }

    pub(crate) async fn stop(self) {
        self.server.stop(false).await;
    }

    /// A channel of these users, who come to be if they are not there; the first one creates it.
    pub(crate) async fn channel(&self, channel_type: ChannelType, users: &[&str]) -> ChannelId {
        for user in users {
            self.center.add(user, UserKind::Human);
        }
        let new = CreateChannel {
            members: users[1..].iter().map(|&user| user.into()).collect(),
            ..CreateChannel::new("channel", channel_type)
        };
        self.guild.create_channel(&caller(users[0]), new).await.unwrap().channel.id
    }

    /// Posts as the REST route does; answers the seq.
    pub(crate) async fn post(&self, user: &str, channel: &ChannelId, content: &str) -> u64 {
        let post = Post::text(content);
        match self.guild.post(&Author::User(caller(user)), channel, post, None).await.unwrap() {
            PostOutcome::Message(message) => message.seq.0,
            other @ PostOutcome::Command(_) => panic!("{other:?}"),
        }
    }

    pub(crate) async fn delete(&self, user: &str, channel: &ChannelId, seq: u64) {
        let range = SeqRange { from: Some(Seq(seq)), to: Some(Seq(seq)) };
        let page = self.guild.messages(&caller(user), channel, range, 1).await.unwrap();
        self.guild.delete(&caller(user), channel, &page.messages[0].id).await.unwrap();
    }

    /// The wakes that a user has missed, as the store has it.
    pub(crate) async fn owed(&self, channel: &ChannelId, user: &str) -> Vec<u64> {
        let missed = self.store.missed_wakes(channel, &user.into()).await.unwrap();
        missed.into_iter().map(|wake| wake.seq.0).collect()
    }

    /// Waits until so many sockets are connected.
    pub(crate) async fn has_sockets(&self, count: usize) {
        eventually("the sockets", async || self.hub.socket_count() == count).await;
    }
}

pub(crate) fn caller(user: &str) -> Caller {
    Caller { user_id: user.into(), kind: UserKind::Human }
}

/// Looks again and again, for what nobody tells of.
pub(crate) async fn eventually(what: &str, check: impl AsyncFn() -> bool) {
    let coming = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, coming).await.unwrap_or_else(|_| panic!("waited for {what}"));
}
