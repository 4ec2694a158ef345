//! The disk is full, and then it is not.

use std::process::Command;
use std::sync::Arc;

use fabric_client::Range;
use fabric_domain::ports::ChannelStore;
use parking_lot::Mutex;

use crate::crash::sound;
use crate::load::{CLIENTS, Load, OnFailure, settle};
use crate::oracle::{Oracle, turn};
use crate::world::{World, patiently};

/// How large a file of the server may be, in blocks of 512 bytes: less than the log of `SQLite` grows to
/// before it is taken up into the database.
const BLOCKS: u32 = 4_096;

/// Writes are refused with a stable code, reads go on, and so does everything once there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_nothing_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("guild.db").display());
    let mut world = World::start(&url, &url).await;
    let pid = world.boot_with_small_files(BLOCKS);
    let rooms = world.rooms().await;
    let store = world.store().await;
    let begin = turn(&store.load(&rooms.channel).await.unwrap().unwrap());
    let oracle = Arc::new(Mutex::new(Oracle::default()));
    let mut load = Load::start(&world, &rooms, &oracle, "load", OnFailure::GoOn);
    load.acknowledged(1).await;
    load.failed(4 * CLIENTS).await;
    let page = patiently(|| world.users[0].messages(&rooms.channel, Range::default())).await;
    assert!(!page.expect("what is there can be read").messages.is_empty());

    let more = Command::new("prlimit").args(["--fsize=unlimited:unlimited", "--pid", &pid]).status();
    assert!(more.expect("prlimit is part of util-linux").success());
    load.acknowledged(200).await;
    load.stop().await;
    settle(&world, &rooms, &oracle).await;
    // What was acknowledged is in the files, not only in the memory of the server.
    world.kill();
    world.boot();
    let oracle = oracle.lock().clone();
    oracle.check(&store, &rooms, &world.ids, &begin).await;
    store.close().await.unwrap();
    world.stop().await;
    sound(&url).await;
}
