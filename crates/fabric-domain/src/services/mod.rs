//! The use cases: one function each. Every one checks who asks and calls the store with a pure decision; the
//! store publishes what it committed, and nothing is sent for what did not commit.
//!
//! [`Guild`] is the whole application without its transports: HTTP and realtime are two thin ways in.

mod access;
mod channels;
mod files;
mod members;
mod messages;
mod presence;
mod retention;
mod search;
mod turns;

use std::sync::Arc;

use thiserror::Error;

pub use channels::{ChannelPatch, CreateChannel};
pub use files::{Swept, Upload};
pub use members::MemberView;
pub use messages::{Page, Post, RequestKey};
pub use search::{Find, Hit, Hits};

use crate::decisions::Change;
use crate::model::{FileRules, GuildId, Refusal, UserId};
use crate::ports::{
    BytesError, CenterError, Clock, Decide, Entropy, FileBytes, IdentityCenter, Online, Scope, Store,
    StoreError, UpdateError,
};

/// Why a use case did not succeed.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The request is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed; nothing was written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The place of the files' bytes failed.
    #[error(transparent)]
    Files(#[from] BytesError),
    /// Center could not be asked.
    #[error(transparent)]
    Center(#[from] CenterError),
}

impl From<UpdateError> for ServiceError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::NoSuchChannel => Self::Refused(Refusal::ChannelNotFound),
            UpdateError::Refused(refusal) => Self::Refused(refusal),
            UpdateError::Store(error) => Self::Store(error),
        }
    }
}

/// Configured limits of a guild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most characters of a message.
    pub content_max_chars: usize,
    /// How long after posting a message may be edited, in seconds; 0 = for ever.
    pub edit_window_seconds: u32,
    /// How long texts of deleted messages are kept out of sight before they are erased, in days; 0 = not at
    /// all.
    pub retention_days: u32,
    /// Those of files.
    pub files: FileRules,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            content_max_chars: 1_000_000,
            edit_window_seconds: 900,
            retention_days: 30,
            files: FileRules::default(),
        }
    }
}

/// What a guild runs on.
pub struct Ports {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The bytes of files.
    pub files: Arc<dyn FileBytes>,
    /// Center.
    pub center: Arc<dyn IdentityCenter>,
    /// Who is connected.
    pub online: Arc<dyn Online>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and seeds.
    pub entropy: Arc<dyn Entropy>,
}

/// A guild: every use case is a method.
pub struct Guild {
    id: GuildId,
    limits: Limits,
    ports: Ports,
    uploads: Arc<files::Uploads>,
}

impl Guild {
    /// A guild on these ports.
    pub fn new(id: GuildId, limits: Limits, ports: Ports) -> Self {
        Self { id, limits, ports, uploads: Arc::default() }
    }

    /// Its id, which is the node id.
    pub fn id(&self) -> &GuildId {
        &self.id
    }

    /// Its limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What it runs on.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The one way to change a channel: decide under the store's lock, commit, publish.
    async fn commit(&self, scope: Scope, decide: Decide) -> Result<Change, ServiceError> {
        Ok(self.ports.store.update(scope, decide).await?)
    }

    /// Center's admin, who may manage every channel and read every `triage`.
    async fn admin(&self) -> Option<UserId> {
        self.ports.center.admin().await
    }
}

impl std::fmt::Debug for Guild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guild").field("id", &self.id).field("limits", &self.limits).finish_non_exhaustive()
    }
}
