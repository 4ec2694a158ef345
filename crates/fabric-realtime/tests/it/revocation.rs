//! Whoever is shut out at Center is out of the guild soon (spec/5 section 4).

use fabric_domain::model::ChannelType;
use serde_json::json;

use crate::client::Client;
use crate::world::{World, config};

#[tokio::test]
async fn who_is_revoked_loses_the_open_socket_and_nobody_else_does() {
    let world = World::start(config());
    let channel = world.channel(ChannelType::Report, &["alice", "bob", "carol"]).await;
    let mut alice = Client::connect(&world, "alice").await;
    let mut bob = Client::connect(&world, "bob").await;
    for client in [&mut alice, &mut bob] {
        client.join(&channel, None).await;
    }
    world.center.revoke("bob");
    bob.closed().await;
    world.has_sockets(1).await;
    let seq = world.post("carol", &channel, "who is there?").await;
    assert_eq!(alice.messages_until(seq).await, [(seq, false)]);
    world.stop().await;
}

#[tokio::test]
async fn while_center_is_away_nobody_is_shut_out() {
    let world = World::start(config());
    let channel = world.channel(ChannelType::Report, &["alice", "bob"]).await;
    let mut alice = Client::connect(&world, "alice").await;
    let mut bob = Client::connect(&world, "bob").await;
    alice.join(&channel, None).await;
    world.center.set_down(true);
    assert_eq!(bob.ask("session.refresh", &json!({ "token": "bob" })).await["error"], "center_unavailable");
    world.center.revoke("bob");
    world.center.set_down(false);
    bob.closed().await;
    let seq = world.post("alice", &channel, "still there").await;
    assert_eq!(alice.messages_until(seq).await, [(seq, false)]);
    world.stop().await;
}
