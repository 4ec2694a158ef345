//! The write path where transactions go side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fabric_domain::decisions::{Commit, CreateChannel, Event, Post};
use fabric_domain::model::{Author, ChannelId, ChannelType, Presence, Seq};
use fabric_domain::ports::{ChannelStore, Publisher, SeqRange};
use fabric_testkit::{Recorder, TestGuild};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::databases::Fresh;

on_each_database!(
    two_processes_on_one_channel_leave_no_gap,
    what_is_committed_is_with_the_publisher_when_the_fence_is_passed,
    long_texts_share_no_transaction_with_many_others,
    a_store_that_is_closed_has_done_and_told_what_it_acknowledged,
    a_publisher_that_hangs_in_one_channel_does_not_hold_up_writes_of_another_process,
);

async fn channel(guild: &TestGuild) -> ChannelId {
    let new =
        CreateChannel { members: vec!["bob".into()], ..CreateChannel::new("room", ChannelType::Discuss) };
    guild.create_channel(&guild.human("alice"), new).await.unwrap().channel.id
}

async fn post(guild: &TestGuild, id: &ChannelId, content: String) {
    let post = Post::text(content);
    guild.guild.post(&Author::User(guild.human("alice")), id, post, None).await.unwrap();
}

/// Two stores know nothing of each other, as two processes do. Each publishes its own commits in order, and
/// together they are all of them.
async fn two_processes_on_one_channel_leave_no_gap(fresh: Fresh) {
    const EACH: u64 = 100;
    const WRITERS: u64 = 20;
    let mut guilds = Vec::new();
    for process in 0..2 {
        let published = Arc::new(Recorder::default());
        let store = fresh.store(Arc::clone(&published) as _).await;
        let guild = TestGuild::on(store, published);
        guild.ids.begin_at(process * 1_000_000);
        guilds.push(Arc::new(guild));
    }
    let id = channel(&guilds[0]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for guild in &guilds {
        for writer in 0..WRITERS {
            let (guild, id) = (Arc::clone(guild), id.clone());
            tasks.spawn(async move {
                for n in 0..EACH / WRITERS {
                    post(&guild, &id, format!("{writer}/{n}")).await;
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut versions = Vec::new();
    for guild in &guilds {
        guild.store.published(&id).await.unwrap();
        let own: Vec<u64> = guild.published.take().iter().map(|commit| commit.version).collect();
        assert!(own.is_sorted(), "{own:?}");
        versions.extend(own);
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=2 * EACH + 1).collect::<Vec<_>>());
    let range = SeqRange { from: Some(Seq(1)), to: None };
    let page = guilds[0].store.page(&id, range, 1_000).await.unwrap();
    let seqs: Vec<u64> = page.iter().map(|message| message.seq.0).collect();
    assert_eq!(seqs, (1..=2 * EACH).collect::<Vec<_>>());
}

/// A publisher that lets through only so many commits.
struct Gate {
    open: Semaphore,
    newest: AtomicU64,
}

#[async_trait]
impl Publisher for Gate {
    async fn publish(&self, commit: Commit) {
        self.open.acquire().await.expect("it is never closed").forget();
        for event in commit.events {
            if let Event::MessageCreated { message, .. } = event {
                self.newest.store(message.seq.0, Ordering::SeqCst);
            }
        }
    }

    async fn presence(&self, _presence: Presence) {}
}

/// While a reader sees a message whose publication is still to come, the fence holds it.
async fn what_is_committed_is_with_the_publisher_when_the_fence_is_passed(fresh: Fresh) {
    let gate = Arc::new(Gate { open: Semaphore::new(1), newest: AtomicU64::new(0) });
    let store = fresh.store(Arc::clone(&gate) as _).await;
    let guild = Arc::new(TestGuild::on(Arc::clone(&store) as _, Arc::new(Recorder::default())));
    let id = channel(&guild).await;
    for n in 1..=5 {
        let posting = tokio::spawn({
            let (guild, id) = (Arc::clone(&guild), id.clone());
            async move { post(&guild, &id, n.to_string()).await }
        });
        // Committed, and seen by readers, but held by the gate.
        while store.load(&id).await.unwrap().unwrap().channel.last_seq < Seq(n) {
            tokio::task::yield_now().await;
        }
        let fence = store.published(&id);
        tokio::pin!(fence);
        assert!(timeout(Duration::ZERO, &mut fence).await.is_err(), "it must wait");
        assert_eq!(gate.newest.load(Ordering::SeqCst), n - 1);
        gate.open.add_permits(1);
        fence.await.unwrap();
        assert_eq!(gate.newest.load(Ordering::SeqCst), n);
        posting.await.unwrap();
    }
}

/// The words of a megabyte cost an index up to half a second; dozens of them in one transaction would be given up.
async fn long_texts_share_no_transaction_with_many_others(fresh: Fresh) {
    let gate = Arc::new(Gate { open: Semaphore::new(1), newest: AtomicU64::new(0) });
    let store = fresh.store(Arc::clone(&gate) as _).await;
    let guild = Arc::new(TestGuild::on(Arc::clone(&store) as _, Arc::new(Recorder::default())));
    let id = channel(&guild).await;
    let mut posts = tokio::task::JoinSet::new();
    let mut spawn = |text: String| {
        let (guild, id) = (Arc::clone(&guild), id.clone());
        posts.spawn(async move { post(&guild, &id, text).await });
    };
    let last_seq = async || store.load(&id).await.unwrap().unwrap().channel.last_seq.0;
    spawn("held by the gate, and all others behind it".to_owned());
    while last_seq().await < 1 {
        tokio::task::yield_now().await;
    }
    for _ in 0..4 {
        spawn("words ".repeat(100_000));
    }
    // Until they wait together; who comes later proves less, and nothing wrong.
    tokio::time::sleep(Duration::from_millis(500)).await;
    gate.open.add_permits(1);
    while last_seq().await < 2 {
        tokio::task::yield_now().await;
    }
    // Nothing more is committed before that is told.
    let together = last_seq().await - 1;
    assert!(together <= 2, "{together} texts of 600,000 bytes in one transaction");
    gate.open.add_permits(100);
    while let Some(done) = posts.join_next().await {
        done.unwrap();
    }
    assert_eq!(last_seq().await, 5);
}

/// Locks of the database are gone with the commit, before anything is published.
async fn a_publisher_that_hangs_in_one_channel_does_not_hold_up_writes_of_another_process(fresh: Fresh) {
    let gate = Arc::new(Gate { open: Semaphore::new(1), newest: AtomicU64::new(0) });
    let hanging = fresh.store(Arc::clone(&gate) as _).await;
    let guild = Arc::new(TestGuild::on(Arc::clone(&hanging) as _, Arc::new(Recorder::default())));
    let id = channel(&guild).await;
    let posting = tokio::spawn({
        let (guild, id) = (Arc::clone(&guild), id.clone());
        async move { post(&guild, &id, "held".to_owned()).await }
    });
    while hanging.load(&id).await.unwrap().unwrap().channel.last_seq < Seq(1) {
        tokio::task::yield_now().await;
    }
    let published = Arc::new(Recorder::default());
    let other = TestGuild::on(fresh.store(Arc::clone(&published) as _).await, published);
    other.ids.begin_at(1_000_000);
    post(&other, &id, "free".to_owned()).await;
    assert_eq!(hanging.load(&id).await.unwrap().unwrap().channel.last_seq, Seq(2));
    gate.open.add_permits(1);
    posting.await.unwrap();
}

/// Writes that wait when it is closed are carried out or refused; none is left open.
async fn a_store_that_is_closed_has_done_and_told_what_it_acknowledged(fresh: Fresh) {
    let published = Arc::new(Recorder::default());
    let store = fresh.store(Arc::clone(&published) as _).await;
    let guild = Arc::new(TestGuild::on(Arc::clone(&store) as _, published));
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(channel(&guild).await);
    }
    guild.published.take();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let (guild, id) = (Arc::clone(&guild), ids[n % ids.len()].clone());
        tasks.spawn(async move {
            let author = Author::User(guild.human("alice"));
            let post = Post::text(n.to_string());
            guild.guild.post(&author, &id, post, None).await.is_ok()
        });
    }
    let first = tasks.join_next().await.unwrap().unwrap();
    store.close().await.unwrap();
    let mut acknowledged = usize::from(first);
    while let Some(answer) = tasks.join_next().await {
        acknowledged += usize::from(answer.unwrap());
    }
    assert_eq!(guild.published.take().len(), acknowledged);
    let again = fresh.store(Arc::new(Recorder::default())).await;
    let mut stored = 0;
    for id in &ids {
        stored += again.load(id).await.unwrap().unwrap().channel.last_seq.0;
    }
    assert_eq!(stored, acknowledged as u64);
    assert!(acknowledged > 0);
    let late = Post::text("late");
    let late = guild.guild.post(&Author::User(guild.human("alice")), &ids[0], late, None).await;
    assert!(late.is_err());
}
