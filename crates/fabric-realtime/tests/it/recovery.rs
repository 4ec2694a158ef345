//! Connection state recovery (spec/4 section 1).

use fabric_domain::model::ChannelType;

use crate::client::Client;
use crate::world::{World, config};

#[tokio::test]
async fn after_a_recovery_a_channel_that_was_left_can_be_joined_again_without_a_hole() {
    let world = World::start(config());
    let channel = world.channel(ChannelType::Report, &["alice", "bob"]).await;
    let mut bob = Client::connect(&world, "bob").await;
    bob.join(&channel, None).await;
    let first = world.post("alice", &channel, "before").await;
    bob.messages_until(first).await;
    let id = bob.id.clone();
    let mut bob = bob.lose(&world).await.back(&world, "bob").await;
    assert_eq!(bob.id, id, "recovered");
    let live = world.post("alice", &channel, "live").await;
    bob.messages_until(live).await;

    bob.leave(&channel).await;
    let missed = world.post("alice", &channel, "missed").await;
    bob.join(&channel, Some(live)).await;
    let last = world.post("alice", &channel, "live again").await;
    assert_eq!(bob.messages_until(last).await, [(missed, false), (last, false)]);
    world.stop().await;
}
