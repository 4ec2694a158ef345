//! What a service needs from its surroundings, in the domain's words. One trait a file.
//!
//! # Adding a port
//!
//! Name it after what the domain wants, not after who provides it; look-ups return
//! `Result<Option<T>, E>`; time and randomness are parameters; document what a caller may rely on, and
//! write that as a contract test in `fabric-testkit` before the second adapter appears.

mod center;
mod clock;
mod connected;
mod files;
#[cfg(feature = "mocks")]
mod mocks;
mod publisher;
mod search;
mod store;

#[cfg(feature = "mocks")]
pub use center::MockIdentityCenter;
pub use center::{CenterError, Identity, IdentityCenter};
pub use clock::{Clock, IdGenerator};
pub use connected::ConnectedUsers;
pub use files::{AddFileError, ByteSource, BytesError, Draft, FileBytes, FileStore, Listing, StoredBytes};
#[cfg(feature = "mocks")]
pub use files::{MockDraft, MockFileBytes};
#[cfg(feature = "mocks")]
pub use mocks::MockStore;
pub use publisher::Publisher;
pub use search::{Reader, Search, SearchStore};
pub use store::{
    ChannelStore, Decide, ERASED_AT_ONCE, MessageStore, PAGE_BYTES, PresenceStore, Scope, SeqRange,
    SettledWakes, Store, StoreError, UpdateError, fitting,
};
