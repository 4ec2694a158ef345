//! Wakes outside of turns are owed until they have arrived (spec/2 section 8).

use std::time::Duration;

use actix_socketio::Config;
use fabric_domain::model::{ChannelId, ChannelType};

use crate::client::Client;
use crate::world::{World, config, eventually};

/// Pings come fast, so that what has arrived is soon known. A pong may take as long as it likes.
fn lively() -> Config {
    let mut config = config();
    config.limits.ping_interval = Duration::from_millis(50);
    config
}

/// What a fresh socket gets from joining without `sinceSeq`.
async fn owed_on_joining(world: &World, channel: &ChannelId) -> Vec<u64> {
    let mut bob = Client::connect(world, "bob").await;
    bob.join(channel, None).await;
    // Mentions somebody else, so that it is no wake itself.
    let marker = world.post("alice", channel, "marker for <@carol>").await;
    let mut messages = bob.messages_until(marker).await;
    assert_eq!(messages.pop(), Some((marker, false)));
    assert!(messages.iter().all(|(_, wakes)| *wakes), "only what is owed comes again: {messages:?}");
    bob.lose(world).await;
    messages.into_iter().map(|(seq, _)| seq).collect()
}

async fn in_general(world: &World) -> (ChannelId, Client) {
    let channel = world.channel(ChannelType::General, &["alice", "bob", "carol"]).await;
    let mut bob = Client::connect(world, "bob").await;
    bob.join(&channel, None).await;
    (channel, bob)
}

#[tokio::test]
async fn a_wake_on_a_connection_that_is_lost_comes_again() {
    let world = World::start(config());
    let (channel, bob) = in_general(&world).await;
    let wake = world.post("alice", &channel, "to all").await;
    bob.lose(&world).await;
    assert_eq!(owed_on_joining(&world, &channel).await, [wake]);
    assert_eq!(owed_on_joining(&world, &channel).await, [wake], "what a join sent may be lost as well");
    world.stop().await;
}

#[tokio::test]
async fn a_wake_that_is_on_its_way_to_a_socket_is_not_sent_again_when_that_socket_joins_again() {
    let world = World::start(config());
    let (channel, mut bob) = in_general(&world).await;
    let wake = world.post("alice", &channel, "to all").await;
    bob.leave(&channel).await;
    let missed = world.post("alice", &channel, "to all again").await;
    for _ in 0..2 {
        bob.join(&channel, None).await;
    }
    let marker = world.post("alice", &channel, "marker for <@carol>").await;
    assert_eq!(bob.messages_until(marker).await, [(wake, true), (missed, true), (marker, false)]);
    bob.lose(&world).await;
    assert_eq!(owed_on_joining(&world, &channel).await, [wake, missed], "and yet it is owed");
    world.stop().await;
}

#[tokio::test]
async fn a_wake_before_a_ping_that_was_answered_does_not_come_again() {
    let world = World::start(lively());
    let (channel, mut bob) = in_general(&world).await;
    let wake = world.post("alice", &channel, "to all").await;
    bob.messages_until(wake).await;
    let answering = tokio::spawn(async move {
        bob.closed().await;
        bob
    });
    eventually("the wake to be settled", async || world.owed(&channel, "bob").await.is_empty()).await;
    answering.abort();
    assert!(answering.await.is_err(), "dropped, and with it the connection");
    world.has_sockets(0).await;
    assert_eq!(owed_on_joining(&world, &channel).await, [0; 0]);
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_has_proved_nothing() {
    let mut fast = lively();
    // Long enough for whoever does answer.
    fast.limits.ping_timeout = Duration::from_secs(8);
    let world = World::start(fast);
    let (channel, mut bob) = in_general(&world).await;
    bob.answers_pings = false;
    let wake = world.post("alice", &channel, "to all").await;
    bob.closed().await;
    world.has_sockets(0).await;
    assert_eq!(owed_on_joining(&world, &channel).await, [wake]);
    world.stop().await;
}

#[tokio::test]
async fn a_message_that_was_deleted_meanwhile_wakes_nobody() {
    let world = World::start(config());
    let (channel, bob) = in_general(&world).await;
    bob.leave_guild(&world).await;
    let (kept, deleted) =
        (world.post("alice", &channel, "to all").await, world.post("alice", &channel, "no, wait").await);
    world.delete("alice", &channel, deleted).await;
    assert_eq!(owed_on_joining(&world, &channel).await, [kept]);
    world.stop().await;
}

#[tokio::test]
async fn who_leaves_by_their_own_word_had_got_their_wakes() {
    let world = World::start(config());
    let (channel, mut bob) = in_general(&world).await;
    let wake = world.post("alice", &channel, "to all").await;
    bob.messages_until(wake).await;
    bob.leave_guild(&world).await;
    assert_eq!(owed_on_joining(&world, &channel).await, [0; 0]);
    let later = world.post("alice", &channel, "to all again").await;
    assert_eq!(owed_on_joining(&world, &channel).await, [later]);
    world.stop().await;
}

#[tokio::test]
async fn who_comes_back_says_what_arrived_and_is_owed_the_rest() {
    let world = World::start(config());
    let (channel, mut bob) = in_general(&world).await;
    let got = world.post("alice", &channel, "one").await;
    bob.messages_until(got).await;
    let lost_on_the_way = world.post("alice", &channel, "two").await;
    let lost = bob.lose(&world).await;
    let missed = world.post("alice", &channel, "three").await;
    let mut bob = lost.back(&world, "bob").await;
    assert_eq!(bob.messages_until(missed).await, [(lost_on_the_way, true), (missed, true)]);
    // Nobody knows that these came through.
    bob.lose(&world).await;
    assert_eq!(owed_on_joining(&world, &channel).await, [lost_on_the_way, missed]);
    world.stop().await;
}

#[tokio::test]
async fn what_a_recovery_sent_is_settled_by_a_pong() {
    let world = World::start(lively());
    let (channel, mut bob) = in_general(&world).await;
    let seen = world.post("alice", &channel, "for <@carol>").await;
    bob.messages_until(seen).await;
    let lost = bob.lose(&world).await;
    let missed = world.post("alice", &channel, "to all").await;
    let mut bob = lost.back(&world, "bob").await;
    assert_eq!(bob.messages_until(missed).await, [(missed, true)]);
    let answering = tokio::spawn(async move { bob.closed().await });
    eventually("the wake to be settled", async || world.owed(&channel, "bob").await.is_empty()).await;
    answering.abort();
    world.stop().await;
}

#[tokio::test]
async fn since_seq_settles_what_a_client_has_and_nothing_that_is_to_come() {
    let world = World::start(config());
    let (channel, bob) = in_general(&world).await;
    let wakes = [world.post("alice", &channel, "one").await, world.post("alice", &channel, "two").await];
    bob.lose(&world).await;
    let mut bob = Client::connect(&world, "bob").await;
    bob.join(&channel, Some(wakes[0])).await;
    bob.lose(&world).await;
    assert_eq!(owed_on_joining(&world, &channel).await, [wakes[1]]);
    let mut bob = Client::connect(&world, "bob").await;
    bob.join(&channel, Some(1_000)).await;
    bob.lose(&world).await;
    let later = world.post("alice", &channel, "three").await;
    assert_eq!(owed_on_joining(&world, &channel).await, [later]);
    world.stop().await;
}
