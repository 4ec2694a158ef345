//! The in-memory store keeps the contract, too: it is what the contract means.

mod services;

use std::sync::Arc;

use fabric_domain::ports::{FileBytes, Publisher, Store};
use fabric_testkit::{MemoryBytes, MemoryStore, TestClock};

#[expect(clippy::unused_async, reason = "opening a real store waits")]
async fn open(publisher: Arc<dyn Publisher>) -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new(publisher)), ())
}

fabric_testkit::store_contract_tests!(open);

#[expect(clippy::unused_async, reason = "opening a real place waits")]
async fn open_bytes() -> (Arc<dyn FileBytes>, ()) {
    (Arc::new(MemoryBytes::new(Arc::new(TestClock::default()))), ())
}

fabric_testkit::file_bytes_contract_tests!(open_bytes);
