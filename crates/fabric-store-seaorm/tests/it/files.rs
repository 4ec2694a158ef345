//! What is in the folder of a `SQLite` database, and who may read it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use fabric_domain::decisions::{CreateChannel, Post};
use fabric_domain::model::{Author, ChannelType};
use fabric_store_seaorm::SqlStore;
use fabric_testkit::{Recorder, TestClock, TestGuild};

async fn open(folder: &Path) -> Arc<SqlStore> {
    let url = format!("sqlite://{}", folder.join("guild.db").display());
    let store = SqlStore::open(&url, true, Arc::new(TestClock::default()), Arc::new(Recorder::default()));
    Arc::new(store.await.unwrap())
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_database_is_for_its_owner_only_and_one_file_once_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let while_open = files(folder.path());
    assert_eq!(while_open, ["guild.db", "guild.db-shm", "guild.db-wal"]);
    for name in while_open {
        let mode = std::fs::metadata(folder.path().join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    store.close().await.unwrap();
    assert_eq!(files(folder.path()), ["guild.db"]);
}

#[tokio::test]
async fn the_permissions_of_a_database_that_is_there_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guild.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let store = open(folder.path()).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    store.close().await.unwrap();
}

/// Overwritten, not only given free.
#[tokio::test]
async fn what_was_erased_is_not_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let guild = TestGuild::on(Arc::clone(&store) as _, Arc::new(Recorder::default()));
    let alice = guild.human("alice");
    let new = CreateChannel::new("room", ChannelType::General);
    let id = guild.create_channel(&alice, new).await.unwrap().channel.id;
    // A short one shares a page with others; a long one has pages of its own.
    let texts =
        ["one that nobody is to find".to_owned(), "a long one that nobody is to find, ".repeat(2_000)];
    for text in &texts {
        let post = Post::text(text.clone());
        guild.guild.post(&Author::User(alice.clone()), &id, post, None).await.unwrap();
    }
    let kept = Post::text("one that stays");
    guild.guild.post(&Author::User(alice.clone()), &id, kept, None).await.unwrap();
    let page =
        guild.guild.messages(&alice, &id, fabric_domain::ports::SeqRange::default(), 10).await.unwrap();
    for message in &page.messages[..2] {
        guild.guild.edit(&alice, &id, &message.id, "short".to_owned()).await.unwrap();
        guild.guild.delete(&alice, &id, &message.id).await.unwrap();
    }
    guild.clock.advance_seconds(30 * 24 * 3_600);
    assert_eq!(guild.guild.erase_deleted().await.unwrap(), 4);
    store.close().await.unwrap();
    let bytes = std::fs::read(folder.path().join("guild.db")).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("one that stays"), "the test reads the right file");
    assert!(!has("that nobody is to find"));
}
