//! The one write path: order, durability, refusals and idempotency keys.

use std::sync::Arc;
use std::time::Duration;

use fabric_domain::decisions::{Commit, Event};
use fabric_domain::model::{ChannelId, ChannelType, Refusal};
use fabric_domain::ports::Scope;
use fabric_domain::services::ServiceError;

use super::{Opened, all, assert_gapless, channel, post, try_post};
use crate::TestGuild;

fn created_seqs(commits: &[Commit]) -> Vec<u64> {
    commits
        .iter()
        .flat_map(|commit| &commit.events)
        .filter_map(|event| {
            if let Event::MessageCreated { message, .. } = event { Some(message.seq.0) } else { None }
        })
        .collect()
}

async fn race(guild: Arc<TestGuild>, channels: &[ChannelId], writers: usize, each: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..writers {
        let (guild, channel) = (Arc::clone(&guild), channels[writer % channels.len()].clone());
        tasks.spawn(async move {
            for n in 0..each {
                let user = ["alice", "bob", "carol"][(writer + n) % 3];
                post(&guild, user, &channel, &format!("{writer}/{n}")).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// 64 writers on one `discuss` channel.
pub async fn seq_is_gapless_under_concurrent_writers_on_one_channel(on: Opened) {
    let guild = Arc::new(on.guild());
    let id = channel(&guild, ChannelType::Discuss).await;
    race(Arc::clone(&guild), std::slice::from_ref(&id), 64, 8).await;
    let messages = all(&guild, &id).await;
    assert_gapless(&messages, 64 * 8);
    let mut contents: Vec<_> = messages.into_iter().map(|message| message.content).collect();
    contents.sort();
    contents.dedup();
    assert_eq!(contents.len(), 64 * 8, "no message is lost or doubled");
}

/// 64 writers on 64 channels.
pub async fn seq_is_gapless_under_concurrent_writers_on_many_channels(on: Opened) {
    let guild = Arc::new(on.guild());
    let mut ids = Vec::new();
    for _ in 0..64 {
        ids.push(channel(&guild, ChannelType::Discuss).await);
    }
    race(Arc::clone(&guild), &ids, 64, 8).await;
    for id in &ids {
        assert_gapless(&all(&guild, id).await, 8);
    }
}

/// Without gaps, and messages in the order of their seq.
pub async fn commits_are_published_in_the_order_of_their_versions(on: Opened) {
    let guild = Arc::new(on.guild());
    let id = channel(&guild, ChannelType::Discuss).await;
    race(Arc::clone(&guild), std::slice::from_ref(&id), 8, 8).await;
    let commits = guild.published.take();
    let versions: Vec<u64> = commits.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, (1..=65).collect::<Vec<_>>());
    assert_eq!(
        created_seqs(&commits),
        (1..=64).collect::<Vec<_>>(),
        "messages are committed in the order of their seq"
    );
}

/// A client that hangs up takes neither its message nor the message's delivery with it.
pub async fn what_is_committed_is_published_though_the_caller_has_gone(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    guild.published.take();
    for n in 0..20 {
        // Polled once, then dropped.
        let _ = tokio::time::timeout(Duration::ZERO, post(&guild, "alice", &id, &n.to_string())).await;
    }
    let last = post(&guild, "alice", &id, "last").await;
    let stored: Vec<u64> = all(&guild, &id).await.iter().map(|message| message.seq.0).collect();
    let published: Vec<u64> = created_seqs(&guild.published.take());
    assert_eq!(published, stored);
    assert_eq!(last.seq.0, stored.len() as u64);
}

/// Neither a message nor a version nor an event.
pub async fn a_refused_decision_writes_nothing(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::Discuss).await;
    guild.guild.close_channel(&guild.human("bob"), &id).await.unwrap();
    let before = guild.store.load(&id).await.unwrap();
    guild.published.take();
    for user in ["alice", "dave"] {
        let refused = try_post(&guild, user, &id, "late", Some("key")).await.unwrap_err();
        let expected = if user == "alice" { Refusal::ChannelClosed } else { Refusal::ChannelNotFound };
        assert!(matches!(refused, ServiceError::Refused(refusal) if refusal == expected));
    }
    assert_eq!(guild.store.load(&id).await.unwrap(), before);
    assert_eq!(guild.published.take(), []);
}

/// A bug is one request's misfortune.
pub async fn a_decision_that_panics_harms_nobody_else(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let store = Arc::clone(&guild.store);
    let scope = Scope::channel(&id);
    let failed = tokio::spawn(async move { store.update(scope, Arc::new(|_| panic!("a bug"))).await }).await;
    assert!(!matches!(failed, Ok(Ok(_))), "nothing was decided");
    post(&guild, "alice", &id, "life goes on").await;
}

/// Sixteen at once.
pub async fn one_idempotency_key_gives_one_message_even_when_requests_race(on: Opened) {
    let guild = Arc::new(on.guild());
    let id = channel(&guild, ChannelType::Discuss).await;
    guild.published.take();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (guild, id) = (Arc::clone(&guild), id.clone());
        tasks.spawn(async move { try_post(&guild, "alice", &id, "once", Some("k")).await.unwrap() });
    }
    let mut answers = Vec::new();
    while let Some(answer) = tasks.join_next().await {
        answers.push(answer.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "the same key gives the same answer");
    assert_eq!(all(&guild, &id).await.len(), 1);
    assert_eq!(guild.published.take().len(), 1, "nothing is delivered twice");

    let guild = Arc::into_inner(guild).unwrap().restart();
    let again = try_post(&guild, "alice", &id, "once", Some("k")).await.unwrap();
    assert_eq!(again, answers[0], "the answer survives a restart");
}

/// And to its route: the same key elsewhere is another request.
pub async fn an_idempotency_key_belongs_to_its_caller(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let other = channel(&guild, ChannelType::General).await;
    for (user, channel) in [("alice", &id), ("bob", &id), ("alice", &other)] {
        try_post(&guild, user, channel, "hi", Some("k")).await.unwrap();
    }
    assert_eq!((all(&guild, &id).await.len(), all(&guild, &other).await.len()), (2, 1));
}

/// 422, and nothing written.
pub async fn an_idempotency_key_with_another_body_is_refused(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    try_post(&guild, "alice", &id, "first", Some("k")).await.unwrap();
    let refused = try_post(&guild, "alice", &id, "second", Some("k")).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Refused(Refusal::IdempotencyKeyReused)));
    assert_eq!(all(&guild, &id).await.len(), 1);
}
