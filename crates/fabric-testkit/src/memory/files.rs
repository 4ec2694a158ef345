//! Rows of files.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;
use fabric_domain::model::{ChannelId, File, FileId, Message, Quota, Shelf, Timestamp, Usage, UserId};
use fabric_domain::ports::{AddFileError, FileStore, StoreError};

use super::{MemoryStore, State};

/// The rows, by id.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<FileId, File>);

impl Files {
    pub(super) fn wanted(&self, ids: &[FileId]) -> Vec<File> {
        ids.iter().filter_map(|id| self.0.get(id).cloned()).collect()
    }

    pub(super) fn attach(&mut self, message: &Message) {
        for kept in &message.attachments {
            if let Some(file) = self.0.get_mut(&kept.id) {
                file.shelf = Shelf::Attached(message.created_at);
            }
        }
    }

    fn usage(&self, user: Option<&UserId>) -> u64 {
        let counts = |file: &&File| user.is_none_or(|user| file.uploader == *user);
        self.0.values().filter(counts).map(|file| file.size).sum()
    }
}

impl State {
    /// Files of a deleted message that no other message has.
    pub(super) fn detach(&mut self, before: &Message, at: Timestamp) {
        for kept in &before.attachments {
            if self.shown_in(&kept.id).is_empty()
                && let Some(file) = self.files.0.get_mut(&kept.id)
            {
                file.shelf = Shelf::Loose(at);
            }
        }
    }

    fn shown_in(&self, id: &FileId) -> BTreeSet<ChannelId> {
        let messages = self.channels.iter().flat_map(|stored| &stored.messages);
        let has_it = |message: &&Message| message.attachments.iter().any(|kept| kept.id == *id);
        messages.filter(has_it).map(|message| message.channel_id.clone()).collect()
    }
}

#[async_trait]
impl FileStore for MemoryStore {
    async fn add_file(&self, file: &File, quota: Quota) -> Result<(), AddFileError> {
        let files = &mut self.state.lock().await.files;
        if files.0.contains_key(&file.id) {
            return Ok(());
        }
        let used = Usage { guild: files.usage(None), user: files.usage(Some(&file.uploader)) };
        quota.admits(used, file.size)?;
        files.0.insert(file.id.clone(), file.clone());
        Ok(())
    }

    async fn file(&self, id: &FileId) -> Result<Option<File>, StoreError> {
        Ok(self.state.lock().await.files.0.get(id).cloned())
    }

    async fn channels_of_file(&self, id: &FileId) -> Result<Vec<ChannelId>, StoreError> {
        Ok(self.state.lock().await.shown_in(id).into_iter().collect())
    }

    async fn expired_files(
        &self,
        loose: Timestamp,
        attached: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<File>, StoreError> {
        let state = self.state.lock().await;
        let since = |file: &File| match file.shelf {
            Shelf::Loose(since) => (since < loose).then_some((false, since)),
            Shelf::Attached(at) => attached.is_some_and(|before| at < before).then_some((true, at)),
        };
        let mut expired: Vec<_> = state
            .files
            .0
            .values()
            .filter_map(|file| since(file).map(|since| (since, file.clone())))
            .collect();
        expired.sort_by_key(|(since, file)| (*since, file.id.clone()));
        Ok(expired.into_iter().take(limit as usize).map(|(_, file)| file).collect())
    }

    async fn remove_file(&self, file: &File) -> Result<(), StoreError> {
        let files = &mut self.state.lock().await.files;
        if files.0.get(&file.id).is_some_and(|stored| stored.shelf == file.shelf) {
            files.0.remove(&file.id);
        }
        Ok(())
    }

    async fn files_after(&self, after: Option<FileId>, limit: u32) -> Result<Vec<File>, StoreError> {
        let state = self.state.lock().await;
        let is_later = |file: &&File| after.as_ref().is_none_or(|after| file.id > *after);
        Ok(state.files.0.values().filter(is_later).take(limit as usize).cloned().collect())
    }

    async fn known_files(&self, ids: &[FileId]) -> Result<HashSet<FileId>, StoreError> {
        let state = self.state.lock().await;
        Ok(ids.iter().filter(|id| state.files.0.contains_key(*id)).cloned().collect())
    }

    async fn file_usage(&self, user: &UserId) -> Result<Usage, StoreError> {
        let files = &self.state.lock().await.files;
        Ok(Usage { guild: files.usage(None), user: files.usage(Some(user)) })
    }
}
