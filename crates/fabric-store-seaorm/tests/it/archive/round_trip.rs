//! What goes into an archive comes out of it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use fabric_archive::{BulkWriter as _, Part, Record};
use fabric_domain::decisions::{CreateChannel, Post};
use fabric_domain::model::{Author, ChannelId, ChannelType, Message, PostOutcome, Seq, Timestamp};
use fabric_domain::ports::{Clock, MessageStore, Publisher, SeqRange};
use fabric_domain::rules::search::Query;
use fabric_domain::services::Find;
use fabric_store_seaorm::bulk::{SqlBulkWriter, TABLES};
use fabric_store_seaorm::migrate;
use fabric_testkit::{MemoryBytes, Recorder};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::task::JoinSet;

use super::{export, export_with, import, import_with, no_bytes, parts, unusual, walked};
use crate::databases::{self, Fresh};
use crate::walk::Side;

on_each_database!(
    an_export_beside_writers_is_of_one_moment,
    no_table_is_forgotten,
    an_empty_guild_moves_too,
    a_search_finds_in_the_order_of_storing_also_after_a_move,
    former_texts_whose_numbers_have_gaps_move_too,
    long_messages_move_a_few_at_once,
);

/// Steps before the move, and after it.
const BEFORE: u32 = 250;
const AFTER: u32 = 60;
/// Long messages: more of them than are taken at once.
const LONG: u64 = 5;

#[tokio::test]
async fn a_guild_moves_from_sqlite_to_each_database_and_goes_on() {
    moves("sqlite", databases::sqlite).await;
}

#[tokio::test]
async fn a_guild_moves_from_mariadb_to_each_database_and_goes_on() {
    moves("mariadb", databases::mariadb).await;
}

#[tokio::test]
async fn a_guild_moves_from_postgres_to_each_database_and_goes_on() {
    moves("postgres", databases::postgres).await;
}

/// Everything that can be read is the same after the move, an export of it has the same bytes, and from then
/// on everything is answered as where it comes from.
async fn moves(name: &'static str, source: fn() -> Fresh) {
    let seed = std::env::var("FABRIC_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(name));
    let (source, folder) = (source(), tempfile::tempdir().unwrap());
    let mut before = walked(name, &source, seed, BEFORE).await;
    let nested = unusual(&mut before).await;
    let place = folder.path().join("archive");
    let files = Arc::clone(&before.guild.files);
    let summary = export_with(&source, files.as_ref(), &place).await.unwrap();
    let bytes = parts(&place);
    for part in Part::ALL {
        assert!(summary.of(part) > 0, "no {part:?} with FABRIC_SEED={seed}");
    }
    assert!(bytes["channels"].contains(r#""frames":[{"queue":["#), "no nested frame");

    let targets = [
        ("sqlite", databases::sqlite()),
        ("mariadb", databases::mariadb()),
        ("postgres", databases::postgres()),
    ];
    let mut moved = Vec::new();
    for (target, fresh) in &targets {
        let way = format!("from {name} to {target} with FABRIC_SEED={seed}");
        let files = no_bytes();
        assert_eq!(import_with(fresh, Arc::clone(&files), &place).await.unwrap(), summary, "{way}");
        let again = folder.path().join(target);
        assert_eq!(export_with(fresh, files.as_ref(), &again).await.unwrap(), summary, "{way}");
        assert_eq!(parts(&again), bytes, "{way}");

        let published = Arc::new(Recorder::default());
        let store = fresh.store(Arc::clone(&published) as Arc<dyn Publisher>).await;
        let after = before.beside(target, store, files, published);
        assert_eq!(after.everything().await, before.everything().await, "{way}");
        assert_eq!(kept_files(&after).await, kept_files(&before).await, "{way}");
        moved.push((way, after));
    }

    before.guild.published.take();
    for step in 0..AFTER {
        let expected = (before.step().await, before.guild.published.take());
        for (way, after) in &mut moved {
            let found = (after.step().await, after.guild.published.take());
            assert_eq!(found, expected, "step {step}, {way}");
        }
    }
    for (way, after) in &mut moved {
        let speaker = |side: &Side| {
            let (store, nested) = (Arc::clone(&side.guild.store), nested.clone());
            async move { store.load(&nested).await.unwrap().unwrap().turn }
        };
        assert_eq!(speaker(after).await, speaker(&before).await, "{way}");
        assert_eq!(after.everything().await, before.everything().await, "{way}");
    }
}

impl Side {
    /// The same guild on another store, at the same moment.
    fn beside(
        &mut self,
        name: &'static str,
        store: Arc<fabric_store_seaorm::SqlStore>,
        files: Arc<MemoryBytes>,
        published: Arc<Recorder>,
    ) -> Self {
        let mut other = Self::new(name, store, published, 0);
        let limits = other.guild.guild.limits();
        other.guild = other.guild.keeping(files, limits);
        other.dice = self.dice.clone();
        other.channels.clone_from(&self.channels);
        // Both go on with these numbers.
        for side in [&*self, &other] {
            side.guild.ids.begin_at(1_000_000);
        }
        let now = other.guild.clock.now();
        other.guild.clock.advance_seconds((self.guild.clock.now().0 - now.0) / 1_000);
        other
    }
}

/// Rows of files, their bytes, and the sums.
async fn kept_files(side: &Side) -> Vec<String> {
    let (store, bytes) = (&side.guild.store, &side.guild.files);
    let mut seen = Vec::new();
    for file in store.files_after(None, 1_000).await.unwrap() {
        let mut read = 0;
        if let Some(mut source) = bytes.read(&file.id, 0..file.size).await.unwrap() {
            while let Some(chunk) = source.next().await.unwrap() {
                assert!(chunk.iter().all(|byte| *byte == 7), "{file:?}");
                read += chunk.len();
            }
        }
        let usage = store.file_usage(&file.uploader).await.unwrap();
        seen.push(format!("{file:?} {read} {usage:?} {:?}", store.channels_of_file(&file.id).await.unwrap()));
    }
    seen
}

async fn an_export_beside_writers_is_of_one_moment(fresh: Fresh) {
    let mut side = walked("source", &fresh, 7, 30).await;
    let id = unusual(&mut side).await;
    let files = Arc::clone(&side.guild.files);
    let guild = Arc::new(side.guild);
    let mut writers = JoinSet::new();
    for user in ["a", "b", "ç"] {
        let (guild, id) = (Arc::clone(&guild), id.clone());
        writers.spawn(async move {
            let author = Author::User(guild.human(user));
            loop {
                let post = Post::text("on and on <@A>");
                guild.guild.post(&author, &id, post, None).await.unwrap();
            }
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    for n in 0..5 {
        // Members, turn, messages and counters that are not of the same moment are refused on the way out.
        let place = folder.path().join(n.to_string());
        let messages = export_with(&fresh, files.as_ref(), &place).await.unwrap().of(Part::Messages);
        assert!(messages >= last, "{messages} after {last}");
        last = messages;
    }
    assert!(writers.try_join_next().is_none(), "a writer has stopped");
    writers.shutdown().await;
    let target = databases::sqlite();
    import(&target, &folder.path().join("4")).await.unwrap();
}

/// Whoever adds a table has to say whether an archive holds it.
async fn no_table_is_forgotten(fresh: Fresh) {
    fresh.store(Arc::new(Recorder::default())).await;
    let connection = fresh.connect().await;
    let query = match connection.get_database_backend() {
        DbBackend::Sqlite => "SELECT name AS name FROM sqlite_master WHERE type = 'table'",
        DbBackend::Postgres => "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
        _ => "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()",
    };
    let query = Statement::from_string(connection.get_database_backend(), query);
    let tables = connection.query_all_raw(query).await.unwrap();
    let tables: BTreeSet<String> = tables.iter().map(|row| row.try_get("", "name").unwrap()).collect();
    let archived: BTreeSet<String> = TABLES.iter().map(|table| (*table).to_owned()).collect();
    // Those of the index for searching are made from the messages.
    let others: Vec<&String> =
        tables.difference(&archived).filter(|table| !table.starts_with("search_")).collect();
    assert!(archived.is_subset(&tables), "{tables:?}");
    // Sums of another table, the list of migrations, and the mark of an import.
    assert_eq!(others, ["file_usage", "seaql_migrations", "unfinished_imports"]);
}

async fn an_empty_guild_moves_too(fresh: Fresh) {
    fresh.store(Arc::new(Recorder::default())).await;
    let folder = tempfile::tempdir().unwrap();
    // An empty folder is as good as none.
    export(&fresh, folder.path()).await.unwrap();
    let target = databases::sqlite();
    let summary = import(&target, folder.path()).await.unwrap();
    assert_eq!(summary.bytes, 0);
    target.store(Arc::new(Recorder::default())).await;
}

/// Also where the clock was set back meanwhile, so that ids are in another order.
async fn a_search_finds_in_the_order_of_storing_also_after_a_move(target: Fresh) {
    let (source, folder) = (databases::sqlite(), tempfile::tempdir().unwrap());
    let store = source.store(Arc::new(Recorder::default())).await;
    let before = Side::new("before", store, Arc::new(Recorder::default()), 7);
    let user = before.guild.human("a");
    let mut rooms = Vec::new();
    for name in ["one", "two"] {
        let room = before.guild.create_channel(&user, CreateChannel::new(name, ChannelType::General)).await;
        rooms.push(room.unwrap().channel.id);
    }
    for (text, room) in [("word 1", 1), ("word 2", 0), ("word 3", 1), ("word 4", 0)] {
        post(&before, &rooms[room], text).await;
        before.guild.clock.advance_seconds(-3_600);
    }
    assert_eq!(found(&before).await, ["word 4", "word 3", "word 2", "word 1"]);

    export(&source, &folder.path().join("archive")).await.unwrap();
    import(&target, &folder.path().join("archive")).await.unwrap();
    let store = target.store(Arc::new(Recorder::default())).await;
    let after = Side::new("after", store, Arc::new(Recorder::default()), 7);
    assert_eq!(found(&after).await, found(&before).await);
    // Numbers go on where they were.
    after.guild.ids.begin_at(1_000_000);
    post(&after, &rooms[1], "word 5").await;
    assert_eq!(found(&after).await, ["word 5", "word 4", "word 3", "word 2", "word 1"]);
}

/// As those of a guild whose former texts somebody has erased by hand.
async fn former_texts_whose_numbers_have_gaps_move_too(target: Fresh) {
    let (source, folder) = (databases::sqlite(), tempfile::tempdir().unwrap());
    let store = source.store(Arc::new(Recorder::default())).await;
    let side = Side::new("before", store, Arc::new(Recorder::default()), 7);
    let user = side.guild.human("a");
    let new = CreateChannel::new("room", ChannelType::General);
    let room = side.guild.create_channel(&user, new).await.unwrap().channel.id;
    let author = Author::User(user.clone());
    let outcome = side.guild.guild.post(&author, &room, Post::text("text 0"), None).await.unwrap();
    let PostOutcome::Message(message) = outcome else { unreachable!("it is a message") };
    for n in 1..=3 {
        side.guild.guild.edit(&user, &room, &message.id, format!("text {n}")).await.unwrap();
    }
    let connection = source.connect().await;
    connection.execute_unprepared("DELETE FROM message_revisions WHERE number = 1").await.unwrap();

    let (place, again) = (folder.path().join("archive"), folder.path().join("again"));
    export(&source, &place).await.unwrap();
    import(&target, &place).await.unwrap();
    export(&target, &again).await.unwrap();
    assert_eq!(parts(&again), parts(&place));
    let store = target.store(Arc::new(Recorder::default())).await;
    let texts = store.revisions(&message.id).await.unwrap().into_iter().map(|former| former.content);
    assert_eq!(texts.collect::<Vec<_>>(), ["text 0", "text 2"]);
}

/// Their words are taken in several goes, among those of short ones; and so they are by the migration.
async fn long_messages_move_a_few_at_once(target: Fresh) {
    let (source, folder) = (databases::sqlite(), tempfile::tempdir().unwrap());
    let mut load = SqlBulkWriter::begin(&source.url, true, 1, Timestamp(1)).await.unwrap();
    // A channel and a message as the server makes them.
    let other = databases::sqlite();
    let store = other.store(Arc::new(Recorder::default())).await;
    let made = Side::new("made", store, Arc::new(Recorder::default()), 7);
    let new = CreateChannel::new("room", ChannelType::General);
    let mut room = made.guild.create_channel(&made.guild.human("a"), new).await.unwrap().channel;
    post(&made, &room.id, "one").await;
    let message = made.guild.store.page(&room.id, SeqRange::default(), 1).await.unwrap().remove(0);
    room.last_seq = Seq(LONG * 3);
    load.write(Record::Channel { channel: Box::new(room.clone()), turn: None }).await.unwrap();
    let channel = room.id.clone();
    let user = "a".into();
    load.write(Record::Member { channel, position: 0, user, wake_mapped: false, settled: Seq::ZERO })
        .await
        .unwrap();
    for seq in 1..=LONG * 3 {
        let filling = if seq % 3 == 0 { "ü".repeat(500_000) } else { String::new() };
        let content = format!("word {seq} {filling}");
        let message = Message { id: format!("m{seq:04}").into(), seq: Seq(seq), content, ..message.clone() };
        let number = i64::try_from(seq).unwrap();
        let place = Record::SearchOrder { number, message: message.id.clone() };
        load.write(Record::Message(Box::new(message))).await.unwrap();
        load.write(place).await.unwrap();
    }
    load.finish().await.unwrap();

    let (place, again) = (folder.path().join("archive"), folder.path().join("again"));
    export(&source, &place).await.unwrap();
    import(&target, &place).await.unwrap();
    export(&target, &again).await.unwrap();
    assert_eq!(parts(&again), parts(&place));
    let store = target.store(Arc::new(Recorder::default())).await;
    let after = Side::new("after", store, Arc::new(Recorder::default()), 7);
    let newest: Vec<u64> = (1..=LONG * 3).rev().take(9).collect();
    assert_eq!(found_numbers(&after).await, newest);

    while migrate::down(&target.url)
        .await
        .unwrap()
        .iter()
        .any(|line| line.starts_with("applied") && line.contains("search"))
    {}
    migrate::up(&target.url).await.unwrap();
    assert_eq!(found_numbers(&after).await, newest);
}

async fn found_numbers(side: &Side) -> Vec<u64> {
    let second = |text: String| text.split(' ').nth(1).unwrap().parse().unwrap();
    found(side).await.into_iter().map(second).collect()
}

async fn post(side: &Side, room: &ChannelId, text: &str) {
    let author = Author::User(side.guild.human("a"));
    side.guild.guild.post(&author, room, Post::text(text), None).await.unwrap();
}

async fn found(side: &Side) -> Vec<String> {
    let find =
        Find { query: Query::parse("word").unwrap(), channel: None, author: None, before: None, limit: 9 };
    let hits = side.guild.guild.search(&side.guild.human("a"), find).await.unwrap();
    hits.hits.into_iter().map(|hit| hit.message.content).collect()
}
