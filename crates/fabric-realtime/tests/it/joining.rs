//! Many channels at once (spec/4 section 2).

use fabric_domain::model::{ChannelId, ChannelType};
use serde_json::{Value, json};

use crate::client::Client;
use crate::world::{World, config};

/// Two channels of alice and bob with two messages each.
async fn two_channels(world: &World) -> [ChannelId; 2] {
    let mut channels = Vec::new();
    for _ in 0..2 {
        let channel = world.channel(ChannelType::Report, &["alice", "bob"]).await;
        for content in ["one", "two"] {
            world.post("alice", &channel, content).await;
        }
        channels.push(channel);
    }
    channels.try_into().unwrap()
}

/// The channel and seq of the next message.
async fn next(client: &mut Client) -> (Value, u64) {
    let created = client.event("message.created").await;
    (created["channelId"].clone(), created["seq"].as_u64().unwrap())
}

#[tokio::test]
async fn channels_are_joined_together_each_from_where_the_client_is() {
    let world = World::start(config());
    let [first, second] = two_channels(&world).await;
    let mut bob = Client::connect(&world, "bob").await;
    let answer = bob
        .ask(
            "join_channels",
            &json!({ "channels": [
                { "channelId": second, "sinceSeq": 1 },
                { "channelId": "no such channel" },
                { "channelId": first },
                { "channelId": second },
            ] }),
        )
        .await;
    assert_eq!(
        answer,
        json!({ "ok": true, "results": [
            { "channelId": second, "ok": true, "lastSeq": 2 },
            { "channelId": "no such channel", "ok": false, "error": "channel_not_found" },
            { "channelId": first, "ok": true, "lastSeq": 2 },
        ] })
    );
    assert_eq!(next(&mut bob).await, (json!(second), 2));
    world.post("alice", &first, "three").await;
    assert_eq!(next(&mut bob).await, (json!(first), 3));
    world.stop().await;
}

#[tokio::test]
async fn all_of_ones_channels_are_joined_at_once_on_asking_and_while_connecting() {
    let world = World::start(config());
    let [first, second] = two_channels(&world).await;
    let strange = world.channel(ChannelType::Report, &["alice", "carol"]).await;
    let since = json!({ first.as_str(): 1, second.as_str(): 2, "unknown": 7 });
    let mut asking = Client::connect(&world, "bob").await;
    let answer = asking.ask("join_channels", &json!({ "all": true, "sinceSeq": since })).await;
    assert_eq!(answer["results"].as_array().unwrap().len(), 2, "{answer}");
    let mut connecting =
        Client::connect_with(&world, "bob", &json!({ "join": "all", "sinceSeq": since })).await;
    for bob in [&mut asking, &mut connecting] {
        assert_eq!(next(bob).await, (json!(first), 2));
    }
    world.post("alice", &strange, "not for bob").await;
    world.post("alice", &second, "three").await;
    for bob in [&mut asking, &mut connecting] {
        assert_eq!(next(bob).await, (json!(second), 3));
    }
    world.stop().await;
}

#[tokio::test]
async fn what_does_not_say_which_channels_is_refused() {
    let world = World::start(config());
    world.channel(ChannelType::Report, &["alice"]).await;
    let mut alice = Client::connect(&world, "alice").await;
    let many: Vec<Value> = (0..1_001).map(|n| json!({ "channelId": format!("c{n}") })).collect();
    for payload in [
        json!({}),
        json!({ "all": false }),
        json!({ "channels": "all" }),
        json!({ "channels": [{}] }),
        json!({ "channels": [], "all": true }),
        json!({ "all": true, "sinceSeq": { "c": -1 } }),
        json!({ "channels": many }),
    ] {
        let answer = alice.ask("join_channels", &payload).await;
        assert_eq!(answer, json!({ "ok": false, "error": "validation_failed" }), "{payload}");
    }
    world.stop().await;
}
