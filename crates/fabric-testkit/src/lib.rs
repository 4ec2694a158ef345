//! What tests of Fabric need: in-memory adapters, builders, and the store contract.
//!
//! - [`MemoryStore`]: the store ports on a mutex; the reference for what the contract means.
//! - [`MemoryBytes`]: the bytes of files, likewise.
//! - [`StubCenter`]: Center as a table of tokens.
//! - [`Recorder`]: a publisher that remembers, [`TestClock`] and [`TestIds`]: time and chance to choose.
//! - [`TestGuild`]: the whole application in-process, `restart()` included.
//! - [`store_contract_tests!`]: the suite that every store runs unchanged.
//! - [`servers`]: throw-away `MariaDB` and `PostgreSQL`.
//!
//! A dev-dependency only: it panics where a test would.

mod bytes;
mod center;
pub mod contract;
mod guild;
mod memory;
mod parts;
#[cfg(unix)]
pub mod servers;

pub use bytes::MemoryBytes;
pub use center::StubCenter;
pub use guild::TestGuild;
pub use memory::MemoryStore;
pub use parts::{NobodyConnected, Recorder, TestClock, TestIds};
