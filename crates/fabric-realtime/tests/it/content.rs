//! What clients write, however long or odd it is (spec/4 section 4).

use fabric_domain::model::ChannelType;
use serde_json::json;

use crate::client::Client;
use crate::world::{World, config};

/// As long as a packet of a megabyte can carry, with all the rest of the event.
const LONGEST: usize = 999_000;

#[tokio::test]
async fn who_reads_gets_the_ack_and_the_echo_of_the_longest_message_and_those_of_others() {
    let world = World::start(config());
    let channel = world.channel(ChannelType::Report, &["alice", "bob"]).await;
    let mut alice = Client::connect(&world, "alice").await;
    let mut bob = Client::connect(&world, "bob").await;
    for client in [&mut alice, &mut bob] {
        client.join(&channel, None).await;
    }
    for round in 0..3 {
        let content = "x".repeat(LONGEST - 200);
        // Nobody reads until all of these are on their way.
        for _ in 0..3 {
            world.post("bob", &channel, &content).await;
        }
        let answer = alice.ask("message.post", &json!({ "channelId": channel, "content": content })).await;
        let seq = (round + 1) * 4;
        assert_eq!(answer["seq"], seq, "{}", answer["error"]);
        for client in [&mut alice, &mut bob] {
            assert_eq!(client.messages_until(seq).await.len(), 4);
        }
    }
    world.stop().await;
}
