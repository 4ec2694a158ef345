//! The same random work on every kind of store, the in-memory one included: every answer, every published
//! commit and everything that is read afterwards must be the same.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use fabric_domain::ports::Store;
use fabric_testkit::{MemoryStore, Recorder};

use crate::databases;
use crate::stepped::Stepped;
use crate::walk::Side;

/// Steps of a walk; `FABRIC_WALK_STEPS` says otherwise for long runs, `FABRIC_SEED` repeats one.
const STEPS: u32 = 400;

#[tokio::test]
async fn every_store_gives_the_same_answers_to_the_same_random_work() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("FABRIC_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let steps = number("FABRIC_WALK_STEPS").unwrap_or(STEPS.into());
    let fresh = [
        ("sqlite", databases::sqlite()),
        ("mariadb", databases::mariadb()),
        ("postgres", databases::postgres()),
    ];
    let published = Arc::new(Recorder::default());
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&published) as _));
    let mut first = Side::new("memory", memory, published, seed);
    let mut others = Vec::new();
    for (name, database) in &fresh {
        let published = Arc::new(Recorder::default());
        // A search in the walk is a search in the index, or in what is not in it yet, or in both.
        let store = Stepped::open(database, Arc::clone(&published) as _, 3).await;
        others.push(Side::new(name, store, published, seed));
    }
    for step in 0..steps {
        let expected = first.step().await;
        let commits = first.guild.published.take();
        for side in &mut others {
            let place = format!("{} at step {step} of FABRIC_SEED={seed}", side.name);
            assert_eq!(side.step().await, expected, "{place}");
            assert_eq!(side.guild.published.take(), commits, "{place}");
        }
    }
    let expected = first.everything().await;
    for side in &others {
        assert_eq!(side.everything().await, expected, "{} after FABRIC_SEED={seed}", side.name);
    }
}
