//! Who is online, as everybody is told.

use fabric_domain::model::ChannelType;
use serde_json::Value;

use crate::client::Client;
use crate::world::{World, config};

/// The next presence of a user that a client is told.
async fn told(client: &mut Client, user: &str) -> bool {
    loop {
        let presence = client.event("presence").await;
        if presence["userId"] == user {
            assert!(matches!(presence["online"], Value::Bool(_)), "{presence}");
            return presence["online"] == true;
        }
    }
}

#[tokio::test]
async fn who_lost_their_connection_is_told_on_coming_back_who_came_and_went() {
    let world = World::start(config());
    world.channel(ChannelType::Report, &["alice", "bob", "carol"]).await;
    let mut bob = Client::connect(&world, "bob").await;
    assert!(told(&mut bob, "bob").await);
    let lost = bob.lose(&world).await;
    let carol = Client::connect(&world, "carol").await;
    let alice = Client::connect(&world, "alice").await;
    alice.leave_guild(&world).await;
    let mut bob = lost.back(&world, "bob").await;
    assert!(told(&mut bob, "carol").await);
    assert!(told(&mut bob, "alice").await);
    assert!(!told(&mut bob, "alice").await);
    drop(carol);
    world.stop().await;
}

#[tokio::test]
async fn of_many_sockets_at_once_the_first_and_the_last_are_told() {
    let world = World::start(config());
    world.channel(ChannelType::Report, &["alice", "bob"]).await;
    let mut bob = Client::connect(&world, "bob").await;
    for _ in 0..20 {
        let (a, b, c) = tokio::join!(
            Client::connect(&world, "alice"),
            Client::connect(&world, "alice"),
            Client::connect(&world, "alice"),
        );
        assert!(told(&mut bob, "alice").await, "she came");
        drop((a, b, c));
        while told(&mut bob, "alice").await {}
        world.has_sockets(1).await;
    }
    world.stop().await;
}
