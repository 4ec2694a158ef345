//! The whole application in-process.

use std::sync::Arc;

use fabric_domain::decisions::{ChannelSummary, CreateChannel, Limits};
use fabric_domain::model::{Caller, ChannelId, ChannelType, GuildId, UserId, UserKind};
use fabric_domain::ports::{FileBytes, Store};
use fabric_domain::services::{Guild, MemberView, Ports, ServiceError};

use crate::{MemoryBytes, MemoryStore, NobodyConnected, Recorder, StubCenter, TestClock, TestIds};

/// A guild whose surroundings a test can see and move.
pub struct TestGuild {
    /// The application.
    pub guild: Guild,
    /// What it publishes.
    pub published: Arc<Recorder>,
    /// Its Center.
    pub center: Arc<StubCenter>,
    /// Its time.
    pub clock: Arc<TestClock>,
    /// Its ids and seeds.
    pub ids: Arc<TestIds>,
    /// Its store.
    pub store: Arc<dyn Store>,
    /// The bytes of its files.
    pub files: Arc<dyn FileBytes>,
}

impl Default for TestGuild {
    fn default() -> Self {
        let published = Arc::new(Recorder::default());
        Self::on(Arc::new(MemoryStore::new(Arc::clone(&published) as _)), published)
    }
}

impl TestGuild {
    /// A guild on this store, which publishes to this recorder.
    pub fn on(store: Arc<dyn Store>, published: Arc<Recorder>) -> Self {
        Self::limited(store, published, Limits::default())
    }

    /// The same with other limits.
    pub fn limited(store: Arc<dyn Store>, published: Arc<Recorder>, limits: Limits) -> Self {
        let (clock, ids) = (Arc::new(TestClock::default()), Arc::new(TestIds::default()));
        let files = Arc::new(MemoryBytes::new(Arc::clone(&clock) as _));
        Self::build(store, files, published, Arc::new(StubCenter::new()), clock, ids, limits)
    }

    /// The same guild, its bytes kept elsewhere and within other limits.
    #[must_use]
    pub fn keeping(self, files: Arc<dyn FileBytes>, limits: Limits) -> Self {
        Self::build(self.store, files, self.published, self.center, self.clock, self.ids, limits)
    }

    /// The same guild after a restart: store and bytes remain, everything else begins anew.
    #[must_use]
    pub fn restart(self) -> Self {
        let (files, limits) = (Arc::clone(&self.files), self.guild.limits());
        self.keeping(files, limits)
    }

    fn build(
        store: Arc<dyn Store>,
        files: Arc<dyn FileBytes>,
        published: Arc<Recorder>,
        center: Arc<StubCenter>,
        clock: Arc<TestClock>,
        ids: Arc<TestIds>,
        limits: Limits,
    ) -> Self {
        let ports = Ports {
            store: Arc::clone(&store),
            files: Arc::clone(&files),
            center: Arc::clone(&center) as _,
            connected: Arc::new(NobodyConnected),
            clock: Arc::clone(&clock) as _,
            ids: Arc::clone(&ids) as _,
        };
        let guild = Guild::new(GuildId::new("guild"), limits, ports);
        Self { guild, published, center, clock, ids, store, files }
    }

    /// Creates a channel; whoever is named in it is known to Center, unless they were before.
    pub async fn create_channel(
        &self,
        creator: &Caller,
        new: CreateChannel,
    ) -> Result<ChannelSummary, ServiceError> {
        self.center.know(new.members.iter().chain(&new.wake_mapping));
        self.guild.create_channel(creator, new).await
    }

    /// Adds members to a channel; they are known to Center, unless they were before.
    pub async fn add_members(
        &self,
        caller: &Caller,
        id: &ChannelId,
        users: Vec<UserId>,
    ) -> Result<(ChannelType, Vec<MemberView>), ServiceError> {
        self.center.know(users.iter());
        self.guild.add_members(caller, id, users).await
    }

    /// A person with access to the guild.
    pub fn human(&self, id: &str) -> Caller {
        self.user(id, UserKind::Human)
    }

    /// An agent with access to the guild.
    pub fn agent(&self, id: &str) -> Caller {
        self.user(id, UserKind::Agent)
    }

    fn user(&self, id: &str, kind: UserKind) -> Caller {
        self.center.add(id, kind);
        Caller { user_id: id.into(), kind }
    }
}

impl std::fmt::Debug for TestGuild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestGuild").field("guild", &self.guild).finish_non_exhaustive()
    }
}
