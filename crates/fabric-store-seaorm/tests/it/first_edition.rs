//! A database and an archive from the first edition of the turn rules: what ran, goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fabric_domain::decisions::TurnRecord;
use fabric_domain::model::{Seq, UserId};
use fabric_domain::ports::ChannelStore;
use fabric_store_seaorm::{SqlStore, migrate};
use fabric_testkit::Recorder;
use sea_orm::ConnectionTrait;
use serde_json::Value;

use crate::archive::import_of;
use crate::databases::{Fresh, sqlite_at};

on_each_database!(an_archive_of_the_first_edition_is_imported_with_its_running_turns);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/first-edition").join(name)
}

/// What the first edition answered of each channel's turn, by name.
fn views() -> BTreeMap<String, Value> {
    serde_json::from_str(&std::fs::read_to_string(fixture("turns.json")).unwrap()).unwrap()
}

/// The turns of those channels now, by name.
async fn turns(store: &SqlStore) -> BTreeMap<String, TurnRecord> {
    let mut turns = BTreeMap::new();
    for (name, view) in views() {
        let id = view["channelId"].as_str().unwrap().into();
        let channel = store.load(&id).await.unwrap().expect("the channel is there");
        turns.insert(name, channel.turn.expect("it has turns"));
    }
    turns
}

fn users(list: &Value) -> Vec<UserId> {
    list.as_array().unwrap().iter().map(|user| user.as_str().unwrap().into()).collect()
}

/// "A running turn keeps its speaker, frames and deadline."
fn assert_carried_over(turns: &BTreeMap<String, TurnRecord>) {
    for (name, view) in views() {
        let TurnRecord { state, since, deadline, wake_seq } = &turns[&name];
        let id = |user: Option<&UserId>| user.map_or(Value::Null, |user| user.as_str().into());
        assert_eq!(id(state.active()), view["activeSpeaker"], "{name}");
        assert_eq!(id(state.cursor()), view["cursor"], "{name}");
        assert_eq!(state.turn(), view["turn"].as_u64().unwrap(), "{name}");
        assert_eq!(state.order(), users(&view["order"]), "{name}");
        assert_eq!(state.bypass(), users(&view["bypass"]), "{name}");
        let frames = state.frames().iter().map(|frame| (frame.queue().to_vec(), frame.position() as u64));
        let told = view["frames"].as_array().unwrap().iter();
        let told = told.map(|frame| (users(&frame["queue"]), frame["position"].as_u64().unwrap()));
        assert_eq!(frames.collect::<Vec<_>>(), told.collect::<Vec<_>>(), "{name}");
        assert_eq!(wake_seq.map(|seq| seq.0), view["wakeSeq"].as_u64(), "{name}");
        assert_eq!(deadline.is_some(), view["deadline"].is_string(), "{name}");
        let is_leased = name.starts_with("at-root") || name.starts_with("in-frames");
        let seconds = since.zip(*deadline).map(|(since, deadline)| (deadline.0 - since.0) / 1000);
        let expected = if is_leased { 604_800 } else { 900 };
        assert!(seconds.is_none_or(|seconds| seconds == expected), "{name}: {seconds:?}");
    }
    // Who spoke last, and who has passed since, as far as the first edition knew.
    let heard = |name: &str| {
        let state = &turns[name].state;
        (state.last_author().is_some(), state.declined().len())
    };
    assert_eq!(heard("idle"), (false, 0));
    assert_eq!(heard("at-root"), (true, 1));
    assert_eq!(heard("jumped"), (true, 1));
    assert_eq!(heard("in-frames"), (false, 0));
}

/// A copy of the database, which the tests may change.
fn copy() -> (tempfile::TempDir, Fresh) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("guild.sqlite"), folder.path().join("guild.db")).unwrap();
    let fresh = sqlite_at(folder.path());
    (folder, fresh)
}

#[tokio::test]
async fn a_database_of_the_first_edition_is_opened_with_its_running_turns() {
    let (_folder, fresh) = copy();
    let store = fresh.store(Arc::new(Recorder::default())).await;
    assert_carried_over(&turns(&store).await);
}

#[tokio::test]
async fn a_speaker_whom_no_message_had_woken_is_woken_by_the_newest_of_somebody_else() {
    let (_folder, fresh) = copy();
    let connection = fresh.connect().await;
    let unwoken = "UPDATE channels SET turn = REPLACE(turn, '\"wake_seq\":4', '\"wake_seq\":null') WHERE name = 'jumped'";
    connection.execute_unprepared(unwoken).await.unwrap();
    connection.close().await.unwrap();
    let store = fresh.store(Arc::new(Recorder::default())).await;
    let jumped = &turns(&store).await["jumped"];
    // The four messages: hello, the /ack of a pass, a queue jump, the /ack of another pass.
    assert_eq!(jumped.wake_seq, Some(Seq(4)));
}

#[tokio::test]
async fn going_back_to_the_first_edition_keeps_running_turns_too() {
    let (_folder, fresh) = copy();
    let store = fresh.store(Arc::new(Recorder::default())).await;
    let before = turns(&store).await;
    store.close().await.unwrap();
    let is_applied = |line: &String| line.starts_with("applied") && line.ends_with("_turns");
    while migrate::down(&fresh.url).await.unwrap().iter().any(is_applied) {}
    let stored = fresh.turn_documents().await;
    assert!(!stored.is_empty());
    for document in stored {
        let state = &document["state"];
        assert!(state["round"].is_array() && state["passStreak"].is_u64(), "{document}");
        for word in ["lastAuthor", "declined", "summoned"] {
            assert!(state.get(word).is_none(), "{document}");
        }
    }
    let again = fresh.store(Arc::new(Recorder::default())).await;
    assert_eq!(turns(&again).await, before);
}

async fn an_archive_of_the_first_edition_is_imported_with_its_running_turns(fresh: Fresh) {
    import_of("fabric-dev", &fresh, &fixture("archive")).await.unwrap();
    let store = fresh.store(Arc::new(Recorder::default())).await;
    assert_carried_over(&turns(&store).await);
}
