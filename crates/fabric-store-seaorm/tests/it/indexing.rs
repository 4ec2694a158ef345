//! The index for searching follows behind what is stored, and nobody notices.

use std::sync::Arc;
use std::time::Duration;

use fabric_domain::decisions::{CreateChannel, Post};
use fabric_domain::model::{Author, ChannelId, ChannelType, Message, PostOutcome};
use fabric_domain::ports::{Reader, Search, SearchStore};
use fabric_domain::rules::search::Query;
use fabric_store_seaorm::{Options, SqlStore, migrate};
use fabric_testkit::{Recorder, TestClock, TestGuild};
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use tokio::task::JoinSet;

use crate::archive::{export, import, parts};
use crate::databases::{self, Fresh, index_all};

on_each_database!(
    what_is_stored_is_indexed_by_itself_and_so_is_what_the_last_process_left,
    an_edit_takes_no_words_and_its_message_keeps_its_place,
    an_edited_message_whose_number_is_another_s_meanwhile_gets_a_new_one,
    an_edit_or_deletion_that_meets_the_indexer_is_never_lost,
    what_an_earlier_version_numbers_meanwhile_is_in_nobodys_way,
    going_back_before_the_tail_keeps_what_is_in_it,
    an_export_is_the_same_wherever_the_index_is,
    a_guild_that_was_imported_goes_on_after_its_last_message,
);

/// A guild with a channel, and its store, which is indexed by hand.
async fn by_hand(fresh: &Fresh) -> (Arc<SqlStore>, Arc<TestGuild>, ChannelId) {
    let published = Arc::new(Recorder::default());
    let store = fresh.store_that_is_indexed_by_hand(Arc::clone(&published) as _).await;
    let guild = TestGuild::on(Arc::clone(&store) as _, published);
    let new = CreateChannel::new("room", ChannelType::General);
    let id = guild.create_channel(&guild.human("alice"), new).await.unwrap().channel.id;
    (store, Arc::new(guild), id)
}

async fn post(guild: &TestGuild, id: &ChannelId, text: &str) -> Message {
    let author = Author::User(guild.human("alice"));
    match guild.guild.post(&author, id, Post::text(text), None).await.unwrap() {
        PostOutcome::Message(message) => *message,
        PostOutcome::Command(outcome) => panic!("a command: {outcome:?}"),
    }
}

/// Texts of what alice finds, the newest first.
async fn found(store: &SqlStore, text: &str) -> Vec<String> {
    let search = Search {
        query: Query::parse(text).unwrap(),
        reader: Reader { user: "alice".into(), reads_triage: false },
        channel: None,
        author: None,
        before: None,
        limit: 1_000,
    };
    let found = store.search(&search).await.unwrap().unwrap();
    found.into_iter().map(|message| message.content).collect()
}

/// Waits until no message is left out of the index.
async fn indexed(fresh: &Fresh) {
    let connection = fresh.connect().await;
    let left = "SELECT COUNT(*) AS count FROM search_tail";
    let left = Statement::from_string(connection.get_database_backend(), left);
    let waiting = async {
        loop {
            let row = connection.query_one_raw(left.clone()).await.unwrap().unwrap();
            if row.try_get::<i64>("", "count").unwrap() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("the tail is indexed");
}

async fn what_is_stored_is_indexed_by_itself_and_so_is_what_the_last_process_left(fresh: Fresh) {
    let (store, guild, id) = by_hand(&fresh).await;
    for n in 0..7 {
        post(&guild, &id, &format!("word {n}")).await;
    }
    let before = found(&store, "word").await;
    assert_eq!(before.len(), 7);
    drop(guild);
    store.close().await.unwrap();

    let published = Arc::new(Recorder::default());
    let store = fresh.store(Arc::clone(&published) as _).await;
    indexed(&fresh).await;
    assert_eq!(found(&store, "word").await, before);
    let guild = TestGuild::on(Arc::clone(&store) as _, published);
    guild.ids.begin_at(1_000);
    let last = post(&guild, &id, "another word").await;
    indexed(&fresh).await;
    assert_eq!(found(&store, "word").await.len(), 8);
    assert_eq!(found(&store, "another").await, ["another word"]);
    guild.guild.edit(&guild.human("alice"), &id, &last.id, "edited word".to_owned()).await.unwrap();
    indexed(&fresh).await;
    assert_eq!((found(&store, "edited").await.len(), found(&store, "another").await.len()), (1, 0));
}

async fn count(fresh: &Fresh, table: &str) -> i64 {
    let connection = fresh.connect().await;
    let query = format!("SELECT COUNT(*) AS count FROM {table}");
    let query = Statement::from_string(connection.get_database_backend(), query);
    connection.query_one_raw(query).await.unwrap().unwrap().try_get("", "count").unwrap()
}

/// Whoever edits holds a lock for which others wait, and words take their time.
async fn an_edit_takes_no_words_and_its_message_keeps_its_place(fresh: Fresh) {
    let (store, guild, id) = by_hand(&fresh).await;
    let alice = guild.human("alice");
    let mut messages = Vec::new();
    for n in 0..4 {
        messages.push(post(&guild, &id, &format!("word {n}")).await.id);
    }
    index_all(&store).await;
    for text in ["a first word", "a second word"] {
        guild.guild.edit(&alice, &id, &messages[1], text.to_owned()).await.unwrap();
    }
    assert_eq!((count(&fresh, "search_documents").await, count(&fresh, "search_tail").await), (3, 1));
    let expected = ["word 3", "word 2", "a second word", "word 0"];
    assert_eq!(found(&store, "word").await, expected);
    index_all(&store).await;
    assert_eq!((count(&fresh, "search_documents").await, count(&fresh, "search_tail").await), (4, 0));
    assert_eq!(found(&store, "word").await, expected);
    for former in ["1", "first"] {
        assert_eq!(found(&store, former).await, [] as [&str; 0]);
    }
    // Of a deleted one there are no words to be taken.
    guild.guild.delete(&alice, &id, &messages[1]).await.unwrap();
    assert_eq!(count(&fresh, "search_tail").await, 0);
    assert_eq!(found(&store, "word").await, ["word 3", "word 2", "word 0"]);
}

async fn an_edited_message_whose_number_is_another_s_meanwhile_gets_a_new_one(fresh: Fresh) {
    let (store, guild, id) = by_hand(&fresh).await;
    let edited = post(&guild, &id, "word 1").await;
    index_all(&store).await;
    for n in 2..5 {
        post(&guild, &id, &format!("word {n}")).await;
    }
    // As an earlier version would have numbered it, which knows no tail.
    let taken = "UPDATE search_documents SET number = (SELECT MIN(number) FROM search_tail)";
    fresh.connect().await.execute_unprepared(taken).await.unwrap();
    guild.guild.edit(&guild.human("alice"), &id, &edited.id, "word 1 edited".to_owned()).await.unwrap();
    for _ in 0..2 {
        let mut all = found(&store, "word").await;
        all.sort();
        assert_eq!(all, ["word 1 edited", "word 2", "word 3", "word 4"]);
        index_all(&store).await;
    }
}

/// On `SQLite` nobody can write while a transaction does. So the texts are read before it, and their words taken; what
/// was edited since is left for the next time.
#[tokio::test]
async fn words_are_taken_while_others_write() {
    let (fresh, published) = (databases::sqlite(), Arc::new(Recorder::default()));
    let (told, mut texts_are_read) = tokio::sync::mpsc::unbounded_channel();
    let observer = Arc::new(move |info: &sea_orm::metric::Info<'_>| {
        if info.statement.sql.contains("content, deleted_at FROM messages") {
            let _ = told.send(());
        }
    });
    let options = Options { observer: Some(observer), index_by_hand: true };
    let clock = Arc::new(TestClock::default());
    let store = SqlStore::open_with(&fresh.url, true, clock, Arc::clone(&published) as _, options).await;
    let store = Arc::new(store.unwrap());
    let guild = TestGuild::on(Arc::clone(&store) as _, published);
    let new = CreateChannel::new("room", ChannelType::General);
    let id = guild.create_channel(&guild.human("alice"), new).await.unwrap().channel.id;
    post(&guild, &id, "a former text").await;

    // Somebody else has the lock for as long as it takes.
    let connection = fresh.connect().await;
    let editing = connection.begin().await.unwrap();
    editing.execute_unprepared("UPDATE messages SET content = 'a later text'").await.unwrap();
    let indexing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.index(usize::MAX).await }
    });
    let read = tokio::time::timeout(Duration::from_secs(20), texts_are_read.recv()).await;
    assert_eq!(read, Ok(Some(())), "the lock is not waited for");
    editing.commit().await.unwrap();
    assert_eq!(indexing.await.unwrap().unwrap(), 1);
    assert_eq!(count(&fresh, "search_tail").await, 1, "the words were those of the former text");
    for _ in 0..2 {
        assert_eq!(found(&store, "text").await, ["a later text"]);
        assert_eq!(found(&store, "former").await, [] as [&str; 0]);
        index_all(&store).await;
    }
    assert_eq!(count(&fresh, "search_tail").await, 0);
}

/// Two processes index at once, while everything that they index is edited.
async fn an_edit_or_deletion_that_meets_the_indexer_is_never_lost(fresh: Fresh) {
    const MESSAGES: usize = 48;
    const EDITS: usize = 6;
    let (store, guild, id) = by_hand(&fresh).await;
    let other = fresh.store_that_is_indexed_by_hand(Arc::new(Recorder::default())).await;
    let mut messages = Vec::new();
    for n in 0..MESSAGES {
        messages.push(post(&guild, &id, &format!("word m{n} e0")).await);
    }
    let mut editors = JoinSet::new();
    for (n, message) in messages.into_iter().enumerate() {
        let (guild, id) = (Arc::clone(&guild), id.clone());
        editors.spawn(async move {
            let alice = guild.human("alice");
            for edit in 1..=EDITS {
                let text = format!("word m{n} e{edit}");
                guild.guild.edit(&alice, &id, &message.id, text).await.unwrap();
            }
            if n % 4 == 0 {
                guild.guild.delete(&alice, &id, &message.id).await.unwrap();
            }
        });
    }
    let mut indexers = JoinSet::new();
    for store in [Arc::clone(&store), other] {
        indexers.spawn(async move {
            // It may have to give way, and is asked again.
            while !matches!(store.index(2).await, Ok(0)) {
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(done) = editors.join_next().await {
        done.unwrap();
    }
    while let Some(done) = indexers.join_next().await {
        done.unwrap();
    }
    let expected = (0..MESSAGES).rev().filter(|n| n % 4 != 0).map(|n| format!("word m{n} e{EDITS}"));
    assert_eq!(found(&store, "word").await, expected.collect::<Vec<_>>());
    for edit in 0..EDITS {
        assert_eq!(found(&store, &format!("e{edit}")).await, [] as [&str; 0], "a text from before an edit");
    }
}

/// It knows no tail, and gives its messages the next numbers of the index.
async fn what_an_earlier_version_numbers_meanwhile_is_in_nobodys_way(fresh: Fresh) {
    let (store, guild, id) = by_hand(&fresh).await;
    post(&guild, &id, "word 1").await;
    index_all(&store).await;
    for n in 2..5 {
        post(&guild, &id, &format!("word {n}")).await;
    }
    let connection = fresh.connect().await;
    let words = if fresh.url.starts_with("sqlite") { ("", "") } else { (", words", ", 'zzword'") };
    let insert = format!(
        "INSERT INTO search_documents (message_id, channel_id, author{}) VALUES ('theirs', '{id}', 'bob'{})",
        words.0, words.1
    );
    connection.execute_unprepared(&insert).await.unwrap();
    index_all(&store).await;
    let mut all = found(&store, "word").await;
    all.sort();
    assert_eq!(all, ["word 1", "word 2", "word 3", "word 4"]);
    post(&guild, &id, "word 5").await;
    assert_eq!(found(&store, "word").await[0], "word 5");
    index_all(&store).await;
    assert_eq!(found(&store, "word").await[0], "word 5");
}

async fn going_back_before_the_tail_keeps_what_is_in_it(fresh: Fresh) {
    let (store, guild, id) = by_hand(&fresh).await;
    for n in 0..300 {
        post(&guild, &id, &format!("word {n}")).await;
    }
    assert_eq!(store.index(7).await.unwrap(), 4, "a power of two");
    let gone = post(&guild, &id, "word that goes").await;
    guild.guild.delete(&guild.human("alice"), &id, &gone.id).await.unwrap();
    let before = found(&store, "word").await;
    assert_eq!(before.len(), 300);
    store.close().await.unwrap();
    let is_there = |line: &String| line.starts_with("applied") && line.ends_with("_search_tail");
    while migrate::down(&fresh.url).await.unwrap().iter().any(is_there) {}
    migrate::up(&fresh.url).await.unwrap();
    let store = fresh.store_that_is_indexed_by_hand(Arc::new(Recorder::default())).await;
    assert_eq!(store.index(usize::MAX).await.unwrap(), 0);
    assert_eq!(found(&store, "word").await, before);
}

async fn an_export_is_the_same_wherever_the_index_is(fresh: Fresh) {
    let (store, guild, id) = by_hand(&fresh).await;
    for n in 0..9 {
        post(&guild, &id, &format!("word {n}")).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut archives = Vec::new();
    for place in ["none", "some", "all"] {
        let folder = folder.path().join(place);
        export(&fresh, &folder).await.unwrap();
        archives.push(parts(&folder));
        store.index(if place == "none" { 4 } else { usize::MAX }).await.unwrap();
        if place == "some" {
            index_all(&store).await;
        }
    }
    assert_eq!(archives[0], archives[1]);
    assert_eq!(archives[0], archives[2]);
}

async fn a_guild_that_was_imported_goes_on_after_its_last_message(target: Fresh) {
    let (source, folder) = (databases::sqlite(), tempfile::tempdir().unwrap());
    let (_store, guild, id) = by_hand(&source).await;
    for n in 0..5 {
        post(&guild, &id, &format!("word {n}")).await;
    }
    export(&source, &folder.path().join("archive")).await.unwrap();
    import(&target, &folder.path().join("archive")).await.unwrap();
    let published = Arc::new(Recorder::default());
    let store = target.store_that_is_indexed_by_hand(Arc::clone(&published) as _).await;
    assert_eq!(store.index(usize::MAX).await.unwrap(), 0, "an import leaves no tail");
    let guild = TestGuild::on(Arc::clone(&store) as _, published);
    guild.ids.begin_at(1_000);
    let expected = ["word 5", "word 4", "word 3", "word 2", "word 1", "word 0"];
    post(&guild, &id, "word 5").await;
    assert_eq!(found(&store, "word").await, expected);
    index_all(&store).await;
    assert_eq!(found(&store, "word").await, expected);
}

#[tokio::test]
async fn what_is_committed_late_keeps_its_place_on_mariadb() {
    committed_late(databases::mariadb()).await;
}

#[tokio::test]
async fn what_is_committed_late_keeps_its_place_on_postgres() {
    committed_late(databases::postgres()).await;
}

/// Where transactions go side by side, a later one may be committed, and even indexed, first. Whoever has seen two
/// messages never sees them in another order.
async fn committed_late(fresh: Fresh) {
    let (store, guild, id) = by_hand(&fresh).await;
    let connection = fresh.connect().await;
    let late = connection.begin().await.unwrap();
    let rows = [
        format!(
            "INSERT INTO messages (id, channel_id, guild_id, seq, author, content, mentions, created_at) \
             VALUES ('late', '{id}', 'guild', 99, 'bob', 'word late', '[]', 1)"
        ),
        "INSERT INTO search_tail (message_id) VALUES ('late')".to_owned(),
    ];
    for row in &rows {
        late.execute_unprepared(row).await.unwrap();
    }
    post(&guild, &id, "word early").await;
    index_all(&store).await;
    assert_eq!(found(&store, "word").await, ["word early"]);
    late.commit().await.unwrap();
    assert_eq!(found(&store, "word").await, ["word early", "word late"]);
    index_all(&store).await;
    assert_eq!(found(&store, "word").await, ["word early", "word late"]);
}
