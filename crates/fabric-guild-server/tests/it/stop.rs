//! SIGTERM under load: a clean stop.

use std::sync::Arc;

use fabric_domain::ports::ChannelStore;
use fabric_testkit::servers;
use parking_lot::Mutex;

use crate::load::{Load, OnFailure, settle};
use crate::oracle::{Oracle, turn};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_guild_on_sqlite_stops_cleanly_under_load_and_leaves_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guild.db");
    stop(&format!("sqlite://{}", path.display())).await;
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["guild.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guild_on_mariadb_stops_cleanly_under_load() {
    stop(&servers::mariadb().url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guild_on_postgres_stops_cleanly_under_load() {
    stop(&servers::postgres().url).await;
}

/// Exit code 0 in time, and everything that was acknowledged is there.
async fn stop(url: &str) {
    let mut world = World::start(url, url).await;
    world.boot();
    let rooms = world.rooms().await;
    let store = world.store().await;
    let begin = turn(&store.load(&rooms.channel).await.unwrap().unwrap());
    store.close().await.unwrap();
    let oracle = Arc::new(Mutex::new(Oracle::default()));
    for round in ["first", "second"] {
        let mut load = Load::start(&world, &rooms, &oracle, round, OnFailure::Stop);
        load.acknowledged(40).await;
        assert_eq!(world.terminate().await, Some(0));
        load.finished().await;
        world.boot();
    }
    settle(&world, &rooms, &oracle).await;
    let store = world.store().await;
    let oracle = oracle.lock().clone();
    oracle.check(&store, &rooms, &world.ids, &begin).await;
    store.close().await.unwrap();
    assert_eq!(world.terminate().await, Some(0));
    world.stop().await;
}
