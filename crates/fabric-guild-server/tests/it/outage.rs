//! The database is taken away and given back.

use std::sync::Arc;
use std::time::Duration;

use fabric_client::{Error, Range};
use fabric_domain::ports::ChannelStore;
use fabric_testkit::servers::{self, Database, Mode, Proxy};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::load::{CLIENTS, Load, OnFailure, settle};
use crate::oracle::{Oracle, turn};
use crate::report;
use crate::world::World;

/// For how long it is away each time, or for longer.
const AWAY: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_guild_survives_the_absence_of_its_mariadb() {
    outage(servers::mariadb()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guild_survives_the_absence_of_its_postgres() {
    outage(servers::postgres()).await;
}

/// 503 with a stable code while it is away, no half-state, and nobody has to restart anything.
async fn outage(database: Database) {
    let proxy = Proxy::start(database.port).await;
    let mut world = World::start(&database.url, &database.through(proxy.port()).url).await;
    world.boot();
    let rooms = world.rooms().await;
    let store = world.store().await;
    let begin = turn(&store.load(&rooms.channel).await.unwrap().unwrap());
    let oracle = Arc::new(Mutex::new(Oracle::default()));
    let mut load = Load::start(&world, &rooms, &oracle, "load", OnFailure::GoOn);
    for away in [Mode::Refused, Mode::Silent, Mode::Refused] {
        load.acknowledged(40).await;
        proxy.set(away);
        let until = Instant::now() + AWAY;
        // Long enough that everybody who was in the middle of something has been answered.
        load.failed(2 * CLIENTS).await;
        let error = loop {
            let error = world.users[0].messages(&rooms.channel, Range::default()).await.unwrap_err();
            // Connections that have done nothing for a while may just be closed.
            if error.status().is_some_and(|status| status != 408) {
                break error;
            }
        };
        assert_unavailable(&error);
        tokio::time::sleep_until(until).await;
        proxy.set(Mode::Open);
    }
    load.acknowledged(40).await;
    load.stop().await;
    settle(&world, &rooms, &oracle).await;
    let oracle = oracle.lock().clone();
    assert!(oracle.answers() > 160, "{}", oracle.answers());
    oracle.check(&store, &rooms, &world.ids, &begin).await;
    let doubtful = world.log().matches("asking whether it happened").count();
    report(&format!("{} posts answered, {doubtful} commits settled afterwards", oracle.answers()));
    world.stop().await;
}

fn assert_unavailable(error: &Error) {
    assert_eq!((error.status(), error.code()), (Some(503), Some("storage_unavailable")), "{error}");
}
