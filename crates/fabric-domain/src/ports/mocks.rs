//! Mocks of the ports that a use case meets, for tests of what happens when one of them fails in the middle.

use std::collections::HashSet;

use async_trait::async_trait;

use super::{
    AddFileError, ChannelStore, Decide, FileStore, MessageStore, PresenceStore, Scope, Search, SearchStore,
    SeqRange, SettledWakes, StoreError, UpdateError,
};
use crate::decisions::{Change, ChannelAggregate, ChannelSummary, ChannelView, NewChannel};
use crate::model::{
    ChannelId, File, FileId, Message, MessageId, MissedWake, Presence, Quota, Revision, Seq, Timestamp,
    Usage, UserId,
};

mockall::mock! {
    /// A complete store. A test says beforehand how each call ends.
    #[derive(Debug)]
    pub Store {}

    #[async_trait]
    impl ChannelStore for Store {
        async fn create(&self, new: NewChannel) -> Result<(), StoreError>;
        async fn update(&self, scope: Scope, decide: Decide) -> Result<Change, UpdateError>;
        async fn load(&self, id: &ChannelId) -> Result<Option<ChannelAggregate>, StoreError>;
        async fn view(&self, id: &ChannelId, user: &UserId) -> Result<Option<ChannelView>, StoreError>;
        async fn list(&self, user: &UserId) -> Result<Vec<ChannelSummary>, StoreError>;
        async fn summary(&self, id: &ChannelId, user: &UserId) -> Result<Option<ChannelSummary>, StoreError>;
        async fn due_turns(&self, now: Timestamp) -> Result<Vec<ChannelId>, StoreError>;
        async fn published(&self, channel: &ChannelId) -> Result<(), StoreError>;
        async fn missed_wakes(&self, id: &ChannelId, user: &UserId) -> Result<Vec<MissedWake>, StoreError>;
        async fn settle_wakes(&self, settled: Vec<SettledWakes>) -> Result<(), StoreError>;
        async fn mark_read(&self, id: &ChannelId, user: &UserId, seq: Seq) -> Result<(), StoreError>;
    }

    #[async_trait]
    impl MessageStore for Store {
        async fn message(&self, channel: &ChannelId, id: &MessageId) -> Result<Option<Message>, StoreError>;
        async fn page(&self, channel: &ChannelId, range: SeqRange, limit: u32) -> Result<Vec<Message>, StoreError>;
        async fn revisions(&self, message: &MessageId) -> Result<Vec<Revision>, StoreError>;
        async fn erase_deleted(&self, until: Timestamp) -> Result<usize, StoreError>;
    }

    #[async_trait]
    impl PresenceStore for Store {
        async fn set_presence(&self, presence: &Presence) -> Result<(), StoreError>;
        async fn presence(&self, user: &UserId) -> Result<Option<Presence>, StoreError>;
        async fn presences(&self) -> Result<Vec<Presence>, StoreError>;
        async fn ping(&self) -> Result<(), StoreError>;
    }

    #[async_trait]
    impl FileStore for Store {
        async fn add_file(&self, file: &File, quota: Quota) -> Result<(), AddFileError>;
        async fn file(&self, id: &FileId) -> Result<Option<File>, StoreError>;
        async fn channels_of_file(&self, id: &FileId) -> Result<Vec<ChannelId>, StoreError>;
        async fn expired_files(
            &self,
            loose: Timestamp,
            attached: Option<Timestamp>,
            limit: u32,
        ) -> Result<Vec<File>, StoreError>;
        async fn remove_file(&self, file: &File) -> Result<(), StoreError>;
        async fn files_after(&self, after: Option<FileId>, limit: u32) -> Result<Vec<File>, StoreError>;
        async fn known_files(&self, ids: &[FileId]) -> Result<HashSet<FileId>, StoreError>;
        async fn file_usage(&self, user: &UserId) -> Result<Usage, StoreError>;
    }

    #[async_trait]
    impl SearchStore for Store {
        async fn search(&self, search: &Search) -> Result<Option<Vec<Message>>, StoreError>;
    }
}
