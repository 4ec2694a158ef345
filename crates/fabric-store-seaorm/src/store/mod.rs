//! The ports on a database.

mod files;
mod indexing;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fabric_domain::decisions::{Change, ChannelAggregate, ChannelSummary, ChannelView, NewChannel};
use fabric_domain::model::{
    ChannelId, Message, MessageId, MissedWake, Presence, Revision, Seq, Timestamp, UserId,
};
use fabric_domain::ports::{
    ChannelStore, Clock, Decide, MessageStore, PresenceStore, Publisher, Scope, Search, SearchStore,
    SeqRange, SettledWakes, StoreError, UpdateError,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::indexing::{Indexer, IndexerTask, Tail, Watched};
use crate::commit::{Answer, Lanes, Session, Write, Writer};
use crate::error::DatabaseError;
use crate::query::{self, Lock, channels, messages, presence, retention, wakes};
use crate::schema::connect::{Kind, Purpose, open, sqlite_writer};
use crate::schema::entity::{idempotency_key, owed_wake};
use crate::schema::migrate::{self, SchemaError};
use crate::search;

/// How many reads may run at once, and how many lanes may write at once.
const READERS: u32 = 8;
const WRITERS: u32 = 16;
/// How many of the readers may search.
const SEARCHERS: usize = 3;
/// How long a read may take.
const READ: Duration = Duration::from_secs(15);
/// How long an idempotency key is kept.
const KEY_LIFETIME: Duration = Duration::from_hours(24);
/// How long a wake is owed.
const WAKE_LIFETIME: Duration = Duration::from_hours(7 * 24);
/// The most wakes that one transaction notes as settled.
const SETTLED_AT_A_TIME: usize = 500;
/// The most expired keys, and wakes, that one transaction deletes, apart from those of the same millisecond.
const SWEPT_AT_A_TIME: u64 = 2_000;

/// Fabric's store on a SQL database.
#[derive(Clone)]
pub struct SqlStore {
    pub(crate) reads: DatabaseConnection,
    /// Bounds searches: they may take long, and must not take all readers.
    searches: Arc<Semaphore>,
    writes: Writes,
    indexer: Indexer,
    /// `None` where it was not wanted.
    indexing: Option<Arc<IndexerTask>>,
    clock: Arc<dyn Clock>,
}

/// How a store is opened, apart from where it is.
#[derive(Clone, Default)]
pub struct Options {
    /// Called with every statement.
    pub observer: Option<Observer>,
    /// Nothing is put into the index for searching unless [`SqlStore::index`] is called. What is found is the same.
    pub index_by_hand: bool,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("index_by_hand", &self.index_by_hand).finish_non_exhaustive()
    }
}

/// Called with every statement, on the task that made it: for metrics and audits.
pub type Observer = Arc<dyn Fn(&sea_orm::metric::Info<'_>) + Send + Sync>;

/// How this kind of database is written to.
#[derive(Clone)]
enum Writes {
    One(Writer),
    Lanes(Lanes),
}

impl SqlStore {
    /// Opens the database at `url` (`sqlite://path`, `mysql://…`, `postgres://…`). With `sync` pending
    /// migrations are run; without it a database on an old schema is refused. What is committed goes to
    /// `publisher`.
    pub async fn open(
        url: &str,
        sync: bool,
        clock: Arc<dyn Clock>,
        publisher: Arc<dyn Publisher>,
    ) -> Result<Self, SchemaError> {
        Self::open_with(url, sync, clock, publisher, Options::default()).await
    }

    /// As [`Self::open`], with options.
    pub async fn open_with(
        url: &str,
        sync: bool,
        clock: Arc<dyn Clock>,
        publisher: Arc<dyn Publisher>,
        Options { observer, index_by_hand }: Options,
    ) -> Result<Self, SchemaError> {
        migrate::prepare(url, sync).await?;
        let kind = Kind::of(url)?;
        // Opened first: it sets up the file.
        let mut reads = open(url, Purpose::Reading, READERS).await?;
        migrate::refuse_incomplete(&reads).await?;
        observe(&mut reads, observer.as_ref());
        let tail = Tail::new();
        let publisher = Arc::new(Watched { publisher, tail: Arc::clone(&tail) });
        let writes = match kind {
            Kind::Sqlite => {
                let session = Session::open(sqlite_writer(url)?, observer).await;
                let session = session.map_err(|error| StoreError::from(DatabaseError::from(error)))?;
                Writes::One(Writer::new(session, publisher))
            }
            Kind::MySql | Kind::Postgres => {
                let mut writes = open(url, Purpose::Writing, WRITERS).await?;
                observe(&mut writes, observer.as_ref());
                Writes::Lanes(Lanes::new(writes, publisher))
            }
        };
        let indexer = Indexer { reads: reads.clone(), writes: writes.clone(), tail };
        let indexing = (!index_by_hand).then(|| Arc::new(indexer.clone().start()));
        Ok(Self { reads, searches: Arc::new(Semaphore::new(SEARCHERS)), writes, indexer, indexing, clock })
    }

    /// Puts messages that were stored before into the index for searching: the oldest of those that are not in it yet,
    /// at most so many, and no more than fit into a transaction. Returns how many; 0 when there are none.
    ///
    /// The store does so by itself, if it was not [told otherwise](Options::index_by_hand).
    pub async fn index(&self, most: usize) -> Result<usize, StoreError> {
        self.indexer.index(most).await
    }

    /// Deletes idempotency keys that are older than 24 hours, and wakes that have been owed for a week.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (keys_end, wakes_end) = (now.minus(KEY_LIFETIME), now.minus(WAKE_LIFETIME));
        loop {
            // After a day without a sweep there are many. Small transactions let other writes through in between.
            let created_at = idempotency_key::Column::CreatedAt;
            let keys =
                query::oldest::<idempotency_key::Entity>(&self.reads, created_at, keys_end, SWEPT_AT_A_TIME)
                    .await?;
            let created_at = owed_wake::Column::CreatedAt;
            let wakes =
                query::oldest::<owed_wake::Entity>(&self.reads, created_at, wakes_end, SWEPT_AT_A_TIME)
                    .await?;
            let (keys_before, wakes_before) = (keys.unwrap_or(keys_end), wakes.unwrap_or(wakes_end));
            self.write(Write::Sweep { keys_before, wakes_before }).await?;
            if keys.is_none() && wakes.is_none() {
                return Ok(());
            }
        }
    }

    /// Commits and publishes every write that waits, and closes the database; `SQLite` merges its log into the file.
    /// Every call afterwards fails as if the database were unreachable.
    pub async fn close(&self) -> Result<(), StoreError> {
        if let Some(indexing) = &self.indexing {
            indexing.end();
        }
        match &self.writes {
            Writes::One(writer) => writer.drain().await,
            Writes::Lanes(lanes) => lanes.drain().await,
        }
        let reads = self.reads.close_by_ref().await;
        let writes = match &self.writes {
            Writes::One(writer) => writer.close().await,
            Writes::Lanes(lanes) => lanes.close().await,
        };
        reads.and(writes).map_err(|error| DatabaseError::from(error).into())
    }

    /// How many transactions were tried again so far, after a conflict with another one or a connection
    /// that failed. Always 0 on `SQLite`, which has one writer.
    pub fn retries(&self) -> u64 {
        match &self.writes {
            Writes::One(_) => 0,
            Writes::Lanes(lanes) => lanes.retries(),
        }
    }

    pub(crate) async fn submit(&self, write: Write) -> Answer {
        self.writes.submit(write).await
    }

    pub(crate) async fn write(&self, write: Write) -> Result<(), StoreError> {
        self.writes.write(write).await
    }

    /// One snapshot: everything that is read in it is of the same moment. Dropping it ends it.
    async fn snapshot(&self) -> Result<DatabaseTransaction, DatabaseError> {
        query::snapshot(&self.reads).await
    }
}

impl Writes {
    async fn submit(&self, write: Write) -> Answer {
        match self {
            Self::One(writer) => writer.submit(write).await,
            Self::Lanes(lanes) => lanes.submit(write).await,
        }
    }

    /// A write whose decision cannot refuse.
    async fn write(&self, write: Write) -> Result<(), StoreError> {
        match self.submit(write).await {
            Ok(_) => Ok(()),
            Err(UpdateError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::Inconsistent(error.to_string())),
        }
    }

    /// How many writes wait.
    fn waiting(&self) -> usize {
        match self {
            Self::One(writer) => writer.waiting(),
            Self::Lanes(lanes) => lanes.waiting(),
        }
    }
}

fn observe(connection: &mut DatabaseConnection, observer: Option<&Observer>) {
    if let Some(observer) = observer.cloned() {
        connection.set_metric_callback(move |info| observer(info));
    }
}

/// A read that fails after [`READ`], so that nobody waits for a server that has silently gone.
pub(crate) async fn limited<T>(
    read: impl Future<Output = Result<T, DatabaseError>> + Send,
) -> Result<T, StoreError> {
    let late = || Err(DatabaseError::Timeout("the database did not answer in time"));
    timeout(READ, read).await.unwrap_or_else(|_| late()).map_err(StoreError::from)
}

impl std::fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl ChannelStore for SqlStore {
    async fn create(&self, new: NewChannel) -> Result<(), StoreError> {
        self.write(Write::Create(Arc::new(new))).await
    }

    async fn update(&self, scope: Scope, decide: Decide) -> Result<Change, UpdateError> {
        let write = Write::Update { scope: Arc::new(scope), decide, now: self.clock.now() };
        match self.submit(write).await? {
            Some(change) => Ok(*change),
            None => Err(StoreError::Inconsistent("an update without an answer".to_owned()).into()),
        }
    }

    async fn load(&self, id: &ChannelId) -> Result<Option<ChannelAggregate>, StoreError> {
        limited(async {
            let snapshot = self.snapshot().await?;
            channels::aggregate(&snapshot, &Scope::channel(id), Lock::Free).await
        })
        .await
    }

    async fn view(&self, id: &ChannelId, user: &UserId) -> Result<Option<ChannelView>, StoreError> {
        limited(channels::view(&self.reads, id, user)).await
    }

    async fn list(&self, user: &UserId) -> Result<Vec<ChannelSummary>, StoreError> {
        limited(channels::list(&self.reads, user)).await
    }

    async fn summary(&self, id: &ChannelId, user: &UserId) -> Result<Option<ChannelSummary>, StoreError> {
        limited(channels::summary(&self.reads, id, user)).await
    }

    async fn due_turns(&self, now: Timestamp) -> Result<Vec<ChannelId>, StoreError> {
        limited(channels::due_turns(&self.reads, now)).await
    }

    async fn published(&self, channel: &ChannelId) -> Result<(), StoreError> {
        self.write(Write::Fence(Some(channel.clone()))).await
    }

    async fn missed_wakes(&self, id: &ChannelId, user: &UserId) -> Result<Vec<MissedWake>, StoreError> {
        limited(wakes::missed(&self.reads, id, user)).await
    }

    async fn settle_wakes(&self, mut settled: Vec<SettledWakes>) -> Result<(), StoreError> {
        // Always in the same order, so that two calls cannot deadlock; and few, so that others do not wait long.
        settled.sort_unstable_by(|one, other| (&one.channel, &one.user).cmp(&(&other.channel, &other.user)));
        for some in settled.chunks(SETTLED_AT_A_TIME) {
            self.write(Write::SettleWakes(some.into())).await?;
        }
        Ok(())
    }

    async fn mark_read(&self, id: &ChannelId, user: &UserId, seq: Seq) -> Result<(), StoreError> {
        self.write(Write::MarkRead { channel: id.clone(), user: user.clone(), seq }).await
    }
}

#[async_trait]
impl MessageStore for SqlStore {
    async fn message(&self, channel: &ChannelId, id: &MessageId) -> Result<Option<Message>, StoreError> {
        limited(messages::one(&self.reads, channel, id)).await
    }

    async fn page(
        &self,
        channel: &ChannelId,
        range: SeqRange,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        limited(messages::page(&self.reads, channel, range, limit)).await
    }

    async fn revisions(&self, message: &MessageId) -> Result<Vec<Revision>, StoreError> {
        limited(messages::revisions(&self.reads, message)).await
    }

    async fn erase_deleted(&self, until: Timestamp) -> Result<usize, StoreError> {
        let due = limited(retention::due(&self.reads, until)).await?;
        let count = due.len();
        if count > 0 {
            self.write(Write::Erase(due.into())).await?;
        }
        Ok(count)
    }
}

#[async_trait]
impl SearchStore for SqlStore {
    async fn search(&self, search: &Search) -> Result<Option<Vec<Message>>, StoreError> {
        limited(async {
            // The semaphore is never closed.
            let _turn = self.searches.acquire().await;
            search::search(&self.snapshot().await?, search).await
        })
        .await
    }
}

#[async_trait]
impl PresenceStore for SqlStore {
    async fn set_presence(&self, presence: &Presence) -> Result<(), StoreError> {
        self.write(Write::Presence(Arc::new(presence.clone()))).await
    }

    async fn presence(&self, user: &UserId) -> Result<Option<Presence>, StoreError> {
        limited(presence::one(&self.reads, user)).await
    }

    async fn presences(&self) -> Result<Vec<Presence>, StoreError> {
        limited(presence::all(&self.reads)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        limited(async {
            self.reads.execute_unprepared("SELECT 1").await?;
            Ok(())
        })
        .await
    }
}
