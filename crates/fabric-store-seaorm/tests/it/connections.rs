//! Connections that break in the worst moment: between asking for a commit and hearing of it.

use std::sync::Arc;

use fabric_domain::decisions::{ChannelPatch, CreateChannel, Post};
use fabric_domain::model::{Author, ChannelType, PresenceStatus, Seq};
use fabric_domain::ports::{ChannelStore, MessageStore, SeqRange};
use fabric_domain::services::RequestKey;
use fabric_store_seaorm::SqlStore;
use fabric_testkit::servers::{self, Database, Mode, Proxy};
use fabric_testkit::{Recorder, TestClock, TestGuild};

#[tokio::test]
async fn every_write_survives_a_lost_commit_on_mariadb() {
    every_write(servers::mariadb(), Mode::LosesCommit).await;
}

#[tokio::test]
async fn every_write_survives_a_lost_commit_on_postgres() {
    every_write(servers::postgres(), Mode::LosesCommit).await;
}

#[tokio::test]
async fn every_write_survives_a_lost_answer_to_its_commit_on_mariadb() {
    every_write(servers::mariadb(), Mode::LosesAnswer).await;
}

#[tokio::test]
async fn every_write_survives_a_lost_answer_to_its_commit_on_postgres() {
    every_write(servers::postgres(), Mode::LosesAnswer).await;
}

#[tokio::test]
async fn every_write_survives_a_commit_that_comes_late_on_mariadb() {
    every_write(servers::mariadb(), Mode::DelaysCommit).await;
}

#[tokio::test]
async fn every_write_survives_a_commit_that_comes_late_on_postgres() {
    every_write(servers::postgres(), Mode::DelaysCommit).await;
}

/// Each is acknowledged, done once, and published once and in order.
async fn every_write(database: Database, loses: Mode) {
    let proxy = Proxy::start(database.port).await;
    let published = Arc::new(Recorder::default());
    let url = database.through(proxy.port()).url;
    let clock = Arc::new(TestClock::default());
    let store = SqlStore::open(&url, true, clock, Arc::clone(&published) as _).await.unwrap();
    let store = Arc::new(store);
    let guild = Arc::new(TestGuild::on(Arc::clone(&store) as _, published));
    let (alice, bob) = (guild.human("alice"), guild.human("bob"));

    proxy.set(loses);
    let new =
        CreateChannel { members: vec!["bob".into()], ..CreateChannel::new("room", ChannelType::Discuss) };
    let id = guild.create_channel(&alice, new).await.unwrap().channel.id;
    assert_eq!(proxy.mode(), Mode::Open, "nothing was lost");

    proxy.set(loses);
    let patch = ChannelPatch { purpose: Some("a purpose".to_owned()), ..ChannelPatch::default() };
    guild.guild.patch_channel(&alice, &id, patch).await.unwrap();
    assert_eq!(proxy.mode(), Mode::Open, "nothing was lost");

    // Many at once, of which some share the transaction.
    proxy.set(loses);
    let mut posts = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (guild, id, author) = (Arc::clone(&guild), id.clone(), Author::User(alice.clone()));
        posts.spawn(async move {
            let post = Post::text(n.to_string());
            let key = RequestKey::parse(&n.to_string()).unwrap();
            guild.guild.post(&author, &id, post, Some(key)).await.unwrap();
        });
    }
    while let Some(done) = posts.join_next().await {
        done.unwrap();
    }
    assert_eq!(proxy.mode(), Mode::Open, "nothing was lost");

    proxy.set(loses);
    guild.guild.mark_read(&bob, &id, Seq(7)).await.unwrap();
    assert_eq!(proxy.mode(), Mode::Open, "nothing was lost");
    proxy.set(loses);
    guild.guild.set_presence(&bob, &bob.user_id, PresenceStatus::Busy, None).await.unwrap();
    assert_eq!(proxy.mode(), Mode::Open, "nothing was lost");

    store.published(&id).await.unwrap();
    let commits = guild.published.take();
    let versions: Vec<u64> = commits.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, (1..=18).collect::<Vec<_>>());
    assert!(!guild.published.take_presences().is_empty());
    let range = SeqRange { from: Some(Seq(1)), to: None };
    let messages = store.page(&id, range, 100).await.unwrap();
    let mut contents: Vec<u32> = messages.iter().map(|message| message.content.parse().unwrap()).collect();
    contents.sort_unstable();
    assert_eq!(contents, (0..16).collect::<Vec<_>>());
    let row = guild.guild.channel(&bob, &id).await.unwrap();
    assert_eq!((row.channel.last_seq, row.channel.version, row.unread_count), (Seq(16), 18, 9));
    assert_eq!(row.channel.purpose.as_deref(), Some("a purpose"));
    assert!(store.retries() > 0 || loses != Mode::LosesCommit);
}
