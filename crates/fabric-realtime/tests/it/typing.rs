//! Who types (spec/4 section 2).

use fabric_domain::model::{ChannelId, ChannelType};
use serde_json::json;

use crate::client::Client;
use crate::world::{World, config};

/// Bob in a channel in which Alice types.
async fn typing(world: &World) -> (ChannelId, Client, Client) {
    let channel = world.channel(ChannelType::Report, &["alice", "bob"]).await;
    let mut alice = Client::connect(world, "alice").await;
    let mut bob = Client::connect(world, "bob").await;
    for client in [&mut alice, &mut bob] {
        client.join(&channel, None).await;
    }
    alice.ask("typing", &json!({ "channelId": channel, "typing": true })).await;
    assert_eq!(bob.event("typing").await["typing"], true);
    (channel, alice, bob)
}

// The clock of these worlds stands still: nothing expires.

#[tokio::test]
async fn typing_ends_with_the_message_however_it_is_posted_and_before_it() {
    let world = World::start(config());
    let (channel, _alice, mut bob) = typing(&world).await;
    let seq = world.post("alice", &channel, "done").await;
    let stopped = bob.event("typing").await;
    assert_eq!((&stopped["typing"], &stopped["userId"]), (&json!(false), &json!("alice")));
    assert_eq!(bob.messages_until(seq).await.len(), 1, "it came after that");
    world.stop().await;
}

#[tokio::test]
async fn the_message_of_another_ends_nothing() {
    let world = World::start(config());
    let (channel, mut alice, mut bob) = typing(&world).await;
    world.post("bob", &channel, "and I").await;
    alice.ask("typing", &json!({ "channelId": channel, "typing": false })).await;
    assert_eq!(bob.event("message.created").await["content"], "and I");
    assert_eq!(bob.event("typing").await["typing"], false);
    world.stop().await;
}

#[tokio::test]
async fn typing_ends_with_the_connection_and_when_the_channel_is_left() {
    let world = World::start(config());
    let (channel, mut alice, mut bob) = typing(&world).await;
    alice.leave(&channel).await;
    assert_eq!(bob.event("typing").await["typing"], false);
    alice.join(&channel, None).await;
    alice.ask("typing", &json!({ "channelId": channel, "typing": true })).await;
    assert_eq!(bob.event("typing").await["typing"], true);
    alice.lose(&world).await;
    assert_eq!(bob.event("typing").await["typing"], false);
    world.stop().await;
}
