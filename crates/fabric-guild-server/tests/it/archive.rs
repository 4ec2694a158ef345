//! `export` and `import` of the built binary: a guild that moves while people write in it.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use fabric_api::guild::{CreateChannel, PostAnswer, PostMessage};
use fabric_archive::{BulkWriter as _, Part, Record};
use fabric_client::Range;
use fabric_client::model::{ChannelId, ChannelType, PresenceStatus, Seq};
use fabric_domain::model::{Channel, ChannelSettings, Message, MessageId, Timestamp};
use fabric_domain::ports::ChannelStore;
use fabric_store_seaorm::bulk::SqlBulkWriter;
use fabric_testkit::servers;
use parking_lot::Mutex;

use crate::load::{Load, OnFailure, settle};
use crate::oracle::{Oracle, turn};
use crate::report;
use crate::world::{NODE_ID, World, patiently};

/// How often an import is killed; `FABRIC_CRASH_ROUNDS` says otherwise for long runs.
const ROUNDS: u64 = 4;
/// Messages of the guild that is imported then.
const MESSAGES: u64 = 20_000;

/// From `SQLite` to `PostgreSQL`: what the new server answers is what the old one did, requests that are sent
/// again get their first answers, and the turn goes on where it stood.
#[tokio::test(flavor = "multi_thread")]
async fn a_guild_moves_to_another_database_and_nobody_notices() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (sqlite(folder.path()), servers::postgres().url);
    let (under_load, place) = (folder.path().join("under-load"), folder.path().join("archive"));
    let mut world = World::start(&old, &old).await;
    world.boot();
    let rooms = world.rooms().await;
    let channel = rooms.channel.clone();
    let begin = turn(&world.store().await.load(&channel).await.unwrap().unwrap());
    let oracle = Arc::new(Mutex::new(Oracle::default()));

    let mut load = Load::start(&world, &rooms, &oracle, "old", OnFailure::GoOn);
    load.acknowledged(60).await;
    world.run(&["export", "--to", text(&under_load)], &old).expect("an export beside a running server");
    load.acknowledged(1).await;
    load.stop().await;
    let events = eventful(&world).await;
    let before = answers(&world, [&channel, &events]).await;
    let told = world.run(&["export", "--to", text(&place)], &old).expect("an export of a quiet guild");
    assert!(told.contains("messages") && told.contains("exported"), "{told}");
    world.kill();

    // The one of a busy moment is as good as any.
    let elsewhere = tempfile::tempdir().unwrap();
    world.run(&["import", "--from", text(&under_load)], &sqlite(elsewhere.path())).expect("an import");

    let told = world.run(&["import", "--from", text(&place)], &new).expect("an import");
    assert!(told.contains("imported"), "{told}");
    world.move_to(&new);
    world.boot();
    assert_eq!(answers(&world, [&channel, &events]).await, before);

    let mut load = Load::start(&world, &rooms, &oracle, "new", OnFailure::GoOn);
    load.acknowledged(40).await;
    load.stop().await;
    settle(&world, &rooms, &oracle).await;
    let oracle = oracle.lock().clone();
    oracle.check(&world.store().await, &rooms, &world.ids, &begin).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_said_with_a_code_and_the_server_does_not_start_on_half_a_guild() {
    let folder = tempfile::tempdir().unwrap();
    let (url, place) = (sqlite(folder.path()), folder.path().join("archive"));
    let mut world = World::start(&url, &url).await;
    world.boot();
    let channel = world.channel().await;
    world.run(&["export", "--to", text(&place)], &url).expect("an export");
    let said = world.run(&["export", "--to", text(&place)], &url).unwrap_err();
    assert!(said.contains("(target_not_empty)"), "{said}");
    let said = world.run(&["import", "--from", text(&place)], &url).unwrap_err();
    assert!(said.contains("(database_not_empty)"), "{said}");
    world.users[0].channel(&channel).await.expect("the server goes on");
    world.kill();

    let other = other_in(folder.path());
    fs::write(place.join("channels.jsonl"), "{}\n").unwrap();
    let said = world.run(&["import", "--from", text(&place)], &other).unwrap_err();
    assert!(said.contains("channels.jsonl, line 1") && said.contains("(archive_damaged)"), "{said}");

    // An import into it has broken off.
    drop(SqlBulkWriter::begin(&other, true, 1, Timestamp(1)).await.unwrap());
    let said = world.run(&["serve"], &other).unwrap_err();
    assert!(said.contains("an import into this database has not ended"), "{said}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_leaves_nothing_half_and_is_begun_anew_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    killed(&sqlite(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_leaves_nothing_half_and_is_begun_anew_on_mariadb() {
    killed(&servers::mariadb().url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_leaves_nothing_half_and_is_begun_anew_on_postgres() {
    killed(&servers::postgres().url).await;
}

/// SIGKILL at any moment: while tables are made, while rows are loaded, while the mark is taken away.
async fn killed(url: &str) {
    let rounds = std::env::var("FABRIC_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let folder = tempfile::tempdir().unwrap();
    let (full, place) = (other_in(folder.path()), folder.path().join("archive"));
    let mut world = World::start(&full, &full).await;
    fill(&full).await;
    world.run(&["export", "--to", text(&place)], &full).expect("an export");
    let import = ["import", "--from", text(&place)];
    world.set("FILE_DIR", "elsewhere");
    let began = Instant::now();
    world.run(&import, &sqlite(folder.path())).expect("an import");
    let usual = began.elapsed();

    world.set("FILE_DIR", "there");
    let (chance, mut halves) = (RandomState::new(), 0);
    for round in 0..rounds.unwrap_or(ROUNDS) {
        // Anywhere in the usual time, and a little later.
        let percent = u32::try_from(chance.hash_one(round) % 120).unwrap();
        world.run_killed_after(usual * percent / 100, &import, url).await;
        let seen = folder.path().join(format!("seen-{round}"));
        match world.run(&["export", "--to", text(&seen)], url) {
            Ok(_) => {
                let messages = fs::read(seen.join("messages.jsonl")).unwrap();
                let all = fs::read(place.join("messages.jsonl")).unwrap();
                assert!(messages.is_empty() || messages == all, "half an archive was exported");
            }
            Err(said) if said.contains("(import_incomplete)") => {
                halves += 1;
            }
            // There were no tables yet, or not even a file for them.
            Err(said) => {
                assert!(
                    said.contains("(schema_too_old)") || said.contains("(storage_unavailable)"),
                    "{said}"
                );
            }
        }
    }
    report(&format!("{halves} of the imports that were killed had begun to write"));
    // The last one that was killed may have been complete.
    if let Err(said) = world.run(&import, url) {
        assert!(said.contains("(database_not_empty)"), "{said}");
    }
    let again = folder.path().join("again");
    world.run(&["export", "--to", text(&again)], url).expect("an export");
    for part in Part::ALL {
        let read = |folder: &Path| fs::read(folder.join(part.file())).unwrap();
        assert!(read(&again) == read(&place), "{part:?} has changed");
    }
    world.stop().await;
}

/// Enough messages that an import takes a while.
async fn fill(url: &str) {
    let mut load = SqlBulkWriter::begin(url, true, 1, Timestamp(1)).await.unwrap();
    let channel = Channel {
        id: "c".into(),
        guild_id: NODE_ID.into(),
        name: "a room".to_owned(),
        channel_type: ChannelType::General,
        purpose: None,
        is_public: true,
        closed: false,
        last_seq: Seq(MESSAGES),
        created_by: "u".into(),
        created_at: Timestamp(1),
        settings: ChannelSettings::default(),
        version: MESSAGES + 1,
        agent_run: 0,
    };
    load.write(Record::Channel { channel: Box::new(channel.clone()), turn: None }).await.unwrap();
    for seq in 1..=MESSAGES {
        let message = Message {
            id: MessageId::new(format!("m{seq:08}")),
            channel_id: channel.id.clone(),
            guild_id: channel.guild_id.clone(),
            seq: Seq(seq),
            author: "u".into(),
            content: format!("message {seq} of many"),
            mentions: Vec::new(),
            attachments: Vec::new(),
            reply_to: None,
            created_at: Timestamp(1),
            edited_at: None,
            deleted_at: None,
            ack: None,
        };
        let number = i64::try_from(seq).unwrap();
        let place = Record::SearchOrder { number, message: message.id.clone() };
        load.write(Record::Message(Box::new(message))).await.unwrap();
        load.write(place).await.unwrap();
    }
    load.finish().await.unwrap();
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("guild.db").display())
}

fn other_in(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("other.db").display())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path in UTF-8")
}

/// A channel with something of everything.
async fn eventful(world: &World) -> ChannelId {
    let (ada, ben) = (&world.users[0], &world.users[1]);
    let new = CreateChannel::new(ada.id().clone(), "events", ChannelType::General, world.ids[1..].to_vec());
    let channel = ada.create_channel(&new).await.unwrap().id;
    let mut ids = Vec::new();
    for content in ["a text", "another one", "🧵 <@nobody>"] {
        let answer = ada.post(&channel, &PostMessage::text(content), None).await.unwrap();
        let PostAnswer::Message(message) = answer else { panic!("{answer:?}") };
        ids.push(message.id);
    }
    ada.edit_message(&channel, &ids[0], "a better text 🧵").await.unwrap();
    ada.delete_message(&channel, &ids[1]).await.unwrap();
    ben.mark_read(&channel, Seq(2)).await.unwrap();
    ben.set_presence(&world.ids[1], PresenceStatus::Busy, Some("a tool")).await.unwrap();
    ada.close_channel(&channel).await.unwrap();
    channel
}

/// What everybody is answered, to everything.
async fn answers(world: &World, channels: [&ChannelId; 2]) -> Vec<String> {
    let mut answers = Vec::new();
    for (user, channel) in world.users.iter().flat_map(|user| channels.map(|channel| (user, channel))) {
        answers.push(format!("{:?}", patiently(|| user.channels()).await.unwrap()));
        let mut members = patiently(|| user.members(channel)).await.unwrap();
        for member in &mut members {
            // Names are Center's, and left out when it is slow.
            member.name = None;
        }
        answers.push(format!("{members:?}"));
        let turn = patiently(|| user.turn(channel)).await;
        answers.push(format!("{:?}", turn.map_err(|error| error.to_string())));
        let mut range = Range { from: Some(Seq(1)), to: None, limit: Some(100) };
        loop {
            let page = patiently(|| user.messages(channel, range)).await.unwrap();
            let last = page.messages.last().map(|message| message.seq);
            answers.push(format!("{page:?}"));
            match last {
                Some(last) => range.from = Some(last.next()),
                None => break,
            }
        }
        for id in &world.ids {
            answers.push(format!("{:?}", patiently(|| user.presence(id)).await.unwrap()));
        }
    }
    answers
}
