//! One socket: handshake, events in order, acknowledgements, ends.

use fabric_api::Open;
use fabric_api::guild::{PostAnswer, PostMessage};
use fabric_client::model::Seq;
use fabric_client::{CloseReason, Error, Event, Events, GuildClient, Realtime};
use serde_json::json;
use tokio::time::timeout;

use crate::fake::{DEADLINE, Fake, Socket, created, message, row};

async fn pair() -> (Fake, Socket, Realtime, Events) {
    let fake = Fake::start(|_, _| None).await;
    let guild = GuildClient::with_token(&fake.url, "g".into(), "the-token").unwrap();
    let ((socket, auth), client) = tokio::join!(fake.connected(), guild.connect());
    assert_eq!(auth, json!({"token": "the-token"}));
    let (realtime, events) = client.unwrap();
    (fake, socket, realtime, events)
}

async fn end(events: &mut Events) -> CloseReason {
    timeout(DEADLINE, async {
        loop {
            if let Err(reason) = events.recv().await {
                return reason;
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn joins_and_reads_events_in_order() {
    let (_fake, mut server, socket, mut events) = pair().await;
    let channel = "c".into();
    let (asked, joined) = tokio::join!(server.joined(7), socket.join(&channel, Some(Seq(3))));
    assert_eq!(asked, ("c".to_owned(), Some(3)));
    assert_eq!(joined.unwrap().last_seq, Seq(7));
    server.event("message.created", created("c", 8, "you", "general", true)).await;
    server.event("news", json!(1)).await;
    let Event::MessageCreated(created) = events.recv().await.unwrap() else { panic!() };
    assert_eq!((created.message.seq, created.wakeup), (Seq(8), true));
    assert_eq!(events.recv().await.unwrap(), Event::Other { name: "news".into(), args: vec![json!(1)] });
}

#[tokio::test]
async fn a_refusal_is_a_typed_error() {
    let fake = Fake::start(|_, _| None).await;
    let guild = GuildClient::with_token(&fake.url, "g".into(), "bad").unwrap();
    let refuse = async {
        let mut socket = fake.socket().await;
        socket.open(60_000).await;
        socket.recv().await.unwrap();
        socket.send(r#"44/realtime,{"message":"no","data":{"error":"invalid_token"}}"#).await;
    };
    let ((), refused) = tokio::join!(refuse, guild.connect());
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::ConnectRefused { .. }), "{error:?}");
    assert_eq!(error.code(), Some("invalid_token"));
}

#[tokio::test]
async fn posts_over_the_socket_and_reads_either_answer() {
    let (_fake, mut server, socket, _events) = pair().await;
    let channel = "c".into();
    let stored = async {
        let (name, payload, id) = server.asked().await;
        assert_eq!(name, "message.post");
        assert_eq!(payload, json!({"channelId": "c", "idempotencyKey": "k", "content": "hi"}));
        server.answer(&id, message("c", 1, "me", "hi")).await;
        let (_, _, id) = server.asked().await;
        let refusal = json!({"statusCode": 409, "error": "channel_closed", "message": "", "requestId": "r"});
        server.answer(&id, refusal).await;
    };
    let post = async {
        let answer = socket.post(&channel, PostMessage::text("hi"), Some("k")).await.unwrap();
        assert!(matches!(answer, PostAnswer::Message(_)));
        socket.post(&channel, PostMessage::text("hi"), None).await.unwrap_err()
    };
    let ((), error) = tokio::join!(stored, post);
    assert_eq!((error.status(), error.code()), (Some(409), Some("channel_closed")));
}

#[tokio::test]
async fn pings_are_answered_and_silence_is_noticed() {
    let (_fake, mut server, _socket, _events) = pair().await;
    for _ in 0..3 {
        server.send("2").await;
        assert_eq!(server.recv().await.as_deref(), Some("3"));
    }

    let fake = Fake::start(|_, _| None).await;
    let guild = GuildClient::with_token(&fake.url, "g".into(), "t").unwrap();
    let handshake = async {
        let mut socket = fake.socket().await;
        socket.open(300).await;
        socket.accept().await;
        socket
    };
    let (_server, client) = tokio::join!(handshake, guild.connect());
    let (_socket, mut events) = client.unwrap();
    assert_eq!(end(&mut events).await, CloseReason::PingTimeout);
}

#[tokio::test]
async fn who_waits_for_an_answer_learns_why_there_is_none() {
    let (_fake, mut server, socket, mut events) = pair().await;
    let leaving = tokio::spawn(async move { socket.leave(&"c".into()).await });
    server.asked().await;
    server.send("41/realtime,").await;
    assert_eq!(end(&mut events).await, CloseReason::Server);
    let error = leaving.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed(CloseReason::Server)), "{error:?}");
}

#[tokio::test]
async fn every_kind_of_end_has_its_reason() {
    let (_fake, mut server, _socket, mut events) = pair().await;
    server.send("42/realtime,{broken").await;
    assert!(matches!(end(&mut events).await, CloseReason::Malformed(_)));

    let (_fake, server, socket, mut events) = pair().await;
    server.close().await;
    assert!(matches!(end(&mut events).await, CloseReason::Transport { .. }));
    assert!(matches!(socket.leave(&"c".into()).await, Err(Error::Closed(CloseReason::Transport { .. }))));

    let (_fake, mut server, socket, mut events) = pair().await;
    socket.close().await;
    assert_eq!(end(&mut events).await, CloseReason::Client);
    assert_eq!(server.recv().await.as_deref(), Some("41/realtime,"));
    assert_eq!(server.recv().await.as_deref(), Some("1"));
    assert_eq!(server.recv().await, None);
}

#[tokio::test]
async fn dropping_the_events_closes_the_socket() {
    let (_fake, mut server, _socket, events) = pair().await;
    drop(events);
    while server.recv().await.is_some() {}
}

#[tokio::test]
async fn a_late_reader_gets_everything_in_order() {
    const MANY: u64 = 5_000;
    let (_fake, mut server, socket, mut events) = pair().await;
    for n in 0..MANY {
        server.event("n", json!(n)).await;
    }
    // What is sent does not wait for what is read.
    socket.emit("hello", &json!({})).await.unwrap();
    assert_eq!(server.asked().await.0, "hello");
    for n in 0..MANY {
        let event = timeout(DEADLINE, events.recv()).await.unwrap().unwrap();
        assert_eq!(event, Event::Other { name: "n".into(), args: vec![json!(n)] });
    }
}

#[tokio::test]
async fn events_from_the_future_are_read_as_far_as_they_are_known() {
    let (_fake, mut server, _socket, mut events) = pair().await;
    let mut future = created("c", 8, "you", "salon", true);
    future["wake"] = json!({"reason": "full_moon", "hop": 0, "phase": 4});
    future["ack"] = json!({"command": "/sing", "byUserId": "you", "key": "c"});
    future["mood"] = json!("bright");
    server.send(format!(r#"42/realtime,["message.created",{future},"an argument more",7]"#)).await;
    let Event::MessageCreated(created) = events.recv().await.unwrap() else { panic!() };
    assert!(created.wakeup);
    assert_eq!(created.channel_type, Open::Other("salon".into()));
    assert_eq!(created.wake.unwrap().reason, Open::Other("full_moon".into()));
    assert_eq!(created.message.ack.unwrap().command, Open::Other("/sing".into()));

    server.event("presence", json!({"userId": "you", "status": "dancing", "online": true, "until": 3})).await;
    let Event::Presence(presence) = events.recv().await.unwrap() else { panic!() };
    assert_eq!((presence.status, presence.online), (Open::Other("dancing".into()), true));

    let joined =
        json!({"channelId": "d", "userId": "me", "xType": "salon", "occurredAt": "2026-01-01T00:00:00.000Z"});
    server.event("channel.joined", joined).await;
    assert!(
        matches!(events.recv().await.unwrap(), Event::ChannelJoined(joined) if joined.channel_id == "d".into())
    );

    let mut row = row("d");
    row["xType"] = json!("salon");
    row["state"] = json!("dreaming");
    row["settings"]["agentMentions"] = json!("whisper");
    row["settings"]["volume"] = json!(11);
    server.event("channel.updated", row).await;
    let Event::ChannelUpdated(row) = events.recv().await.unwrap() else { panic!() };
    assert_eq!(row.settings.agent_mentions, Open::Other("whisper".into()));
    assert_eq!(row.state, Some(Open::Other("dreaming".into())));

    server.event("moon.rose", json!({"phase": 4})).await;
    let Event::Other { name, args } = events.recv().await.unwrap() else { panic!() };
    assert_eq!((name.as_str(), args.len()), ("moon.rose", 1));
}
