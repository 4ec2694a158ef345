//! The port [`FileStore`] on a database.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use fabric_domain::model::{ChannelId, File, FileId, Quota, Timestamp, Usage, UserId};
use fabric_domain::ports::{AddFileError, FileStore, StoreError, UpdateError};

use super::{SqlStore, limited};
use crate::commit::Write;
use crate::query::files;

#[async_trait]
impl FileStore for SqlStore {
    async fn add_file(&self, file: &File, quota: Quota) -> Result<(), AddFileError> {
        match self.submit(Write::AddFile { file: Arc::new(file.clone()), quota }).await {
            Ok(_) => Ok(()),
            Err(UpdateError::Refused(refusal)) => Err(refusal.into()),
            Err(UpdateError::Store(error)) => Err(error.into()),
            Err(error @ UpdateError::NoSuchChannel) => {
                Err(StoreError::Inconsistent(error.to_string()).into())
            }
        }
    }

    async fn file(&self, id: &FileId) -> Result<Option<File>, StoreError> {
        limited(files::find(&self.reads, id)).await
    }

    async fn channels_of_file(&self, id: &FileId) -> Result<Vec<ChannelId>, StoreError> {
        limited(files::channels(&self.reads, id)).await
    }

    async fn expired_files(
        &self,
        loose: Timestamp,
        attached: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<File>, StoreError> {
        limited(files::expired(&self.reads, loose, attached, limit)).await
    }

    async fn remove_file(&self, file: &File) -> Result<(), StoreError> {
        self.write(Write::RemoveFile(Arc::new(file.clone()))).await
    }

    async fn files_after(&self, after: Option<FileId>, limit: u32) -> Result<Vec<File>, StoreError> {
        limited(files::after(&self.reads, after.as_ref(), limit)).await
    }

    async fn known_files(&self, ids: &[FileId]) -> Result<HashSet<FileId>, StoreError> {
        limited(files::known(&self.reads, ids)).await
    }

    async fn file_usage(&self, user: &UserId) -> Result<Usage, StoreError> {
        limited(files::usage(&self.reads, user)).await
    }
}
