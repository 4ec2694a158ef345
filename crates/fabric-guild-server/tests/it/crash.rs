//! SIGKILL under load: acknowledged means durable.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use fabric_domain::ports::ChannelStore;
use fabric_testkit::servers;
use parking_lot::Mutex;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::load::{Load, OnFailure, settle};
use crate::oracle::{Oracle, turn};
use crate::report;
use crate::world::World;

/// How often the server is killed; `FABRIC_CRASH_ROUNDS` says otherwise for long runs, `FABRIC_SEED` repeats the
/// moments of one.
const ROUNDS: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_a_crash_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    crash(&format!("sqlite://{}", folder.path().join("guild.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_a_crash_on_mariadb() {
    crash(&servers::mariadb().url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_a_crash_on_postgres() {
    crash(&servers::postgres().url).await;
}

async fn crash(db_url: &str) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let rounds = number("FABRIC_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("FABRIC_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let kind = db_url.split(':').next().unwrap_or_default();
    report(&format!("{kind}: {rounds} rounds of FABRIC_SEED={seed}"));
    let mut world = World::start(db_url, db_url).await;
    world.boot();
    let rooms = world.rooms().await;
    let store = world.store().await;
    let begin = turn(&store.load(&rooms.channel).await.unwrap().unwrap());
    let oracle = Arc::new(Mutex::new(Oracle::default()));
    let mut lost = 0;
    for round in 0..rounds {
        let mut load = Load::start(&world, &rooms, &oracle, &format!("r{round}"), OnFailure::Stop);
        // A different moment each time: after so many answers, and so much later.
        let dice = splitmix(seed.wrapping_add(round));
        load.acknowledged(1 + usize::try_from(dice % 60).unwrap()).await;
        tokio::time::sleep(Duration::from_micros(dice / 60 % 20_000)).await;
        world.kill();
        load.finished().await;
        world.boot();
        lost += oracle.lock().unknown().len();
        settle(&world, &rooms, &oracle).await;
        let known = oracle.lock().clone();
        known.check(&store, &rooms, &world.ids, &begin).await;
        oracle.lock().deeds.checked();
    }
    let known = oracle.lock().clone();
    let (posts, deeds) = (known.answers(), known.deeds.answers());
    report(&format!(
        "{kind}: {posts} posts and {deeds} amendments answered, {lost} posts only when they were asked again"
    ));
    store.close().await.unwrap();
    world.stop().await;
    sound(db_url).await;
}

/// The same numbers everywhere, far from each other.
fn splitmix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `SQLite` finds nothing wrong with its file. The others check theirs when they start, after their own faults.
pub(crate) async fn sound(db_url: &str) {
    if db_url.starts_with("sqlite:") {
        let connection = sea_orm::Database::connect(db_url).await.unwrap();
        let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA integrity_check");
        let row = connection.query_one_raw(check).await.unwrap().expect("an answer");
        assert_eq!(row.try_get::<String>("", "integrity_check").unwrap(), "ok");
    }
}
