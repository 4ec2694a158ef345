//! The use cases: one function each. Every one says who asks, chooses time and seed, and calls the store with a
//! [decision](crate::decisions); the store publishes what it committed, and nothing is sent for what did not commit.
//!
//! [`Guild`] is the whole application without its transports: HTTP and realtime are two thin ways in.

mod catching_up;
mod channels;
mod files;
mod health;
mod idempotency;
mod identity;
mod members;
mod messages;
mod people;
mod presence;
mod retention;
mod search;
mod turns;

use std::sync::Arc;

use thiserror::Error;

pub use files::{Swept, Upload};
pub use health::Health;
pub use idempotency::RequestKey;
pub use members::MemberView;
pub use messages::Page;
pub use search::{Find, Hit, Hits};
pub use turns::CommandRequest;

use crate::decisions::{Access, Change, ChannelAggregate, Limits};
use crate::model::{Caller, GuildId, Refusal, UserId};
use crate::ports::{
    BytesError, CenterError, Clock, ConnectedUsers, Decide, FileBytes, IdGenerator, IdentityCenter, Scope,
    Store, StoreError, UpdateError,
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

/// What a guild runs on.
pub struct Ports {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The bytes of files.
    pub files: Arc<dyn FileBytes>,
    /// Center.
    pub center: Arc<dyn IdentityCenter>,
    /// Who is connected.
    pub connected: Arc<dyn ConnectedUsers>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and seeds.
    pub ids: Arc<dyn IdGenerator>,
}

/// A guild: every use case is a method.
pub struct Guild {
    id: GuildId,
    limits: Limits,
    ports: Ports,
    uploads: Arc<files::Uploads>,
    people: people::People,
}

impl Guild {
    /// A guild on these ports.
    pub fn new(id: GuildId, limits: Limits, ports: Ports) -> Self {
        Self { id, limits, ports, uploads: Arc::default(), people: people::People::default() }
    }

    /// Its id, which is the node id.
    pub fn id(&self) -> &GuildId {
        &self.id
    }

    /// Its limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The one way to change a channel: decide under the store's lock, commit, publish. Should the turn have come to
    /// somebody for whom nobody waits, it goes on.
    async fn commit(&self, scope: Scope, decide: Decide) -> Result<Change, ServiceError> {
        let channel = scope.channel.clone();
        let change = self.ports.store.update(scope, decide).await?;
        if let Some(turn) = &change.turn {
            self.pass_over(&channel, turn).await;
        }
        Ok(change)
    }

    /// Commits what a decision says to a caller: the one place where it is found out what the caller is to the
    /// channel.
    async fn change(
        &self,
        caller: &Caller,
        scope: Scope,
        decide: impl Fn(Access<'_>) -> Result<Change, Refusal> + Send + Sync + 'static,
    ) -> Result<Change, ServiceError> {
        let (user, admin) = (caller.user_id.clone(), self.admin().await);
        let decide =
            move |channel: &ChannelAggregate| decide(Access { channel, user: &user, admin: admin.as_ref() });
        self.commit(scope, Arc::new(decide)).await
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
