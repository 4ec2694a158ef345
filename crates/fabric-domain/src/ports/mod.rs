//! What a service needs from its surroundings, in the domain's words. One trait a file.
//!
//! # Adding a port
//!
//! Name it after what the domain wants, not after who provides it; look-ups return
//! `Result<Option<T>, E>`; time and randomness are parameters; document what a caller may rely on, and
//! write that as a contract test in `fabric-testkit` before the second adapter appears.

mod center;
mod clock;
mod files;
mod online;
mod publisher;
mod search;
mod store;

#[cfg(feature = "mocks")]
pub use center::MockIdentityCenter;
pub use center::{CenterError, Identity, IdentityCenter};
pub use clock::{Clock, Entropy};
pub use files::{AddFileError, ByteSource, BytesError, Draft, FileBytes, FileStore, Listing, StoredBytes};
#[cfg(feature = "mocks")]
pub use files::{MockFileBytes, MockFileStore};
pub use online::Online;
#[cfg(feature = "mocks")]
pub use publisher::MockPublisher;
pub use publisher::Publisher;
#[cfg(feature = "mocks")]
pub use search::MockSearchStore;
pub use search::{Reader, Search, SearchStore};
pub use store::{
    ChannelStore, Decide, ERASED_AT_ONCE, MessageStore, OwedWake, PAGE_BYTES, PresenceStore, Scope, SeqRange,
    SettledWakes, Store, StoreError, UpdateError, fitting,
};
#[cfg(feature = "mocks")]
pub use store::{MockChannelStore, MockMessageStore, MockPresenceStore};
