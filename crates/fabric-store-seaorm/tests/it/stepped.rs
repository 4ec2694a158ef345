//! A store that indexes a few messages at each search, and finds the same before and after it.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use fabric_domain::decisions::{Change, ChannelAggregate, ChannelSummary, ChannelView, NewChannel};
use fabric_domain::model::{
    ChannelId, File, FileId, Message, MessageId, MissedWake, Presence, Quota, Revision, Seq, Timestamp,
    Usage, UserId,
};
use fabric_domain::ports::{
    AddFileError, ChannelStore, Decide, FileStore, MessageStore, PresenceStore, Publisher, Scope, Search,
    SearchStore, SeqRange, SettledWakes, StoreError, UpdateError,
};
use fabric_store_seaorm::SqlStore;

use crate::databases::Fresh;

/// The store, and how many messages it indexes at each search.
pub(crate) struct Stepped {
    store: Arc<SqlStore>,
    step: usize,
}

impl Stepped {
    pub(crate) async fn open(fresh: &Fresh, publisher: Arc<dyn Publisher>, step: usize) -> Arc<Self> {
        Arc::new(Self { store: fresh.store_that_is_indexed_by_hand(publisher).await, step })
    }
}

#[async_trait]
impl SearchStore for Stepped {
    async fn search(&self, search: &Search) -> Result<Option<Vec<Message>>, StoreError> {
        let before = self.store.search(search).await?;
        let mut left = self.step;
        while left > 0 {
            match self.store.index(left).await? {
                0 => break,
                indexed => left -= indexed,
            }
        }
        assert_eq!(self.store.search(search).await?, before, "another {} messages were indexed", self.step);
        Ok(before)
    }
}

/// Methods that the store itself has.
macro_rules! as_the_store {
    ($port:ident: $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $port for Stepped {
            $(
                async fn $name(&self, $($argument: $type),*) -> $answer {
                    self.store.$name($($argument),*).await
                }
            )*
        }
    };
}

as_the_store!(ChannelStore:
    fn create(new: NewChannel) -> Result<(), StoreError>;
    fn update(scope: Scope, decide: Decide) -> Result<Change, UpdateError>;
    fn load(id: &ChannelId) -> Result<Option<ChannelAggregate>, StoreError>;
    fn view(id: &ChannelId, user: &UserId) -> Result<Option<ChannelView>, StoreError>;
    fn list(user: &UserId) -> Result<Vec<ChannelSummary>, StoreError>;
    fn summary(id: &ChannelId, user: &UserId) -> Result<Option<ChannelSummary>, StoreError>;
    fn due_turns(now: Timestamp) -> Result<Vec<ChannelId>, StoreError>;
    fn published(channel: &ChannelId) -> Result<(), StoreError>;
    fn missed_wakes(id: &ChannelId, user: &UserId) -> Result<Vec<MissedWake>, StoreError>;
    fn settle_wakes(settled: Vec<SettledWakes>) -> Result<(), StoreError>;
    fn mark_read(id: &ChannelId, user: &UserId, seq: Seq) -> Result<(), StoreError>;
);

as_the_store!(MessageStore:
    fn message(channel: &ChannelId, id: &MessageId) -> Result<Option<Message>, StoreError>;
    fn page(channel: &ChannelId, range: SeqRange, limit: u32) -> Result<Vec<Message>, StoreError>;
    fn revisions(message: &MessageId) -> Result<Vec<Revision>, StoreError>;
    fn erase_deleted(until: Timestamp) -> Result<usize, StoreError>;
);

as_the_store!(PresenceStore:
    fn set_presence(presence: &Presence) -> Result<(), StoreError>;
    fn presence(user: &UserId) -> Result<Option<Presence>, StoreError>;
    fn presences() -> Result<Vec<Presence>, StoreError>;
    fn ping() -> Result<(), StoreError>;
);

as_the_store!(FileStore:
    fn add_file(file: &File, quota: Quota) -> Result<(), AddFileError>;
    fn file(id: &FileId) -> Result<Option<File>, StoreError>;
    fn channels_of_file(id: &FileId) -> Result<Vec<ChannelId>, StoreError>;
    fn expired_files(until: Timestamp, attached_until: Option<Timestamp>, limit: u32) -> Result<Vec<File>, StoreError>;
    fn remove_file(file: &File) -> Result<(), StoreError>;
    fn files_after(after: Option<FileId>, limit: u32) -> Result<Vec<File>, StoreError>;
    fn known_files(ids: &[FileId]) -> Result<HashSet<FileId>, StoreError>;
    fn file_usage(user: &UserId) -> Result<Usage, StoreError>;
);
