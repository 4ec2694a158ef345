//! Namespaces, events, acknowledgements, rooms, and how a socket ends.

use std::time::Duration;

use actix_socketio::{EmitError, Outgoing, Recovery, SendError};
use serde_json::json;

use crate::{
    client::{DEADLINE, Frame, WS, Ws},
    server::{Server, config},
    session::Client,
};

#[actix_web::test]
async fn joins_namespaces_with_auth() {
    let mut server = Server::start(config());
    let mut ws = Ws::connect(server.address, WS, "").await.ok().unwrap();
    ws.read().await;
    ws.text("40{\"token\":\"early\"}").await;
    assert!(ws.read().await.starts_with("40{\"sid\":\""));
    assert_eq!(ws.read().await, "42[\"early\",1]");
    assert_eq!(server.next().await, "connect / {\"token\":\"early\"}");
    assert_eq!(server.next().await, "connected true");
    ws.text("40/custom,").await;
    assert!(ws.read().await.starts_with("40/custom,{\"sid\":\""));
    assert_eq!(server.next().await, "connect /custom {}");
    assert_eq!(server.next().await, "connected true");
    ws.text("42/custom,[\"message\",1]").await;
    assert_eq!(ws.read().await, "42/custom,[\"message-back\",1]");
    ws.text("41/custom,").await;
    server.saw("disconnected client namespace disconnect").await;
    ws.text("42[\"message\",2]").await;
    assert_eq!(ws.read().await, "42[\"message-back\",2]");
    ws.text("41").await;
    server.saw("disconnected client namespace disconnect").await;
    // The connection outlives its namespaces.
    ws.text("40").await;
    assert!(ws.read().await.starts_with("40{"));
    drop(ws);
    server.saw("disconnected transport close").await;
    server.stop().await;
}

#[actix_web::test]
async fn refuses_with_message_and_data() {
    let server = Server::start(config());
    let mut ws = Ws::connect(server.address, WS, "").await.ok().unwrap();
    ws.read().await;
    ws.text("40/random").await;
    assert_eq!(ws.read().await, "44/random,{\"message\":\"Invalid namespace\"}");
    ws.text("40{\"token\":\"bad\"}").await;
    assert_eq!(ws.read().await, "44{\"message\":\"invalid_token\",\"data\":{\"error\":\"invalid_token\"}}");
    ws.text("40{\"token\":\"good\"}").await;
    assert!(ws.read().await.starts_with("40{"));
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn events_pass_both_ways_with_attachments_and_acknowledgements() {
    let server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    ws.text("42[\"message\",1,\"2\",{\"3\":[true]}]").await;
    assert_eq!(ws.read().await, "42[\"message-back\",1,\"2\",{\"3\":[true]}]");
    ws.text("42456[\"any\",1,\"2\"]").await;
    assert_eq!(ws.read().await, "43456[1,\"2\"]");
    let placeholders = "{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}";
    ws.text(&format!("452-[\"message\",{placeholders}]")).await;
    ws.binary(&[1, 2, 3]).await;
    ws.binary(&[4]).await;
    assert_eq!(ws.read().await, format!("452-[\"message-back\",{placeholders}]"));
    assert_eq!(ws.next().await, Frame::Binary(vec![1, 2, 3]));
    assert_eq!(ws.next().await, Frame::Binary(vec![4]));
    ws.text(&format!("452-789[\"binary-ack\",{placeholders}]")).await;
    ws.binary(&[1]).await;
    ws.binary(&[2]).await;
    assert_eq!(ws.read().await, format!("462-789[{placeholders}]"));
    assert_eq!(ws.next().await, Frame::Binary(vec![1]));
    assert_eq!(ws.next().await, Frame::Binary(vec![2]));
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn the_server_asks_and_waits_for_the_answer() {
    let mut server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    ws.text("42[\"ask\",60000]").await;
    assert_eq!(ws.read().await, "420[\"asked\",1]");
    ws.text("437[\"nobody asked\"]").await;
    ws.text("430[\"yes\"]").await;
    server.saw("answer Ok(([String(\"yes\")], []))").await;
    ws.text("42[\"ask\",60000]").await;
    assert_eq!(ws.read().await, "421[\"asked\",1]");
    ws.text("461-1[{\"_placeholder\":true,\"num\":0}]").await;
    ws.binary(&[7]).await;
    server
        .saw("answer Ok(([Object {\"_placeholder\": Bool(true), \"num\": Number(0)}], [b\"\\x07\"]))")
        .await;
    ws.text("42[\"ask\",1]").await;
    server.saw("answer Err(Timeout)").await;
    ws.text("42[\"ask\",60000]").await;
    ws.text("41").await;
    server.saw("answer Err(Send(Closed))").await;
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn events_of_one_socket_keep_their_order_and_others_do_not_wait() {
    let mut server = Server::start(config());
    let mut slow = Ws::joined(server.address).await;
    let mut fast = Ws::joined(server.address).await;
    slow.text("42[\"wait\"]").await;
    for n in 0..50 {
        slow.text(&format!("42[\"message\",{n}]")).await;
    }
    server.saw("event wait []").await;
    fast.text("42[\"message\",\"fast\"]").await;
    assert_eq!(fast.read().await, "42[\"message-back\",\"fast\"]");
    server.gate.notify_one();
    for n in 0..50 {
        assert_eq!(slow.read().await, format!("42[\"message-back\",{n}]"));
    }
    drop((slow, fast));
    server.stop().await;
}

#[actix_web::test]
async fn a_slow_handler_stops_the_reading_and_not_the_memory() {
    let mut config = config();
    config.inbox_events = 5;
    let mut server = Server::start(config);
    let mut ws = Ws::joined(server.address).await;
    ws.text("42[\"wait\"]").await;
    for n in 0..500 {
        ws.text(&format!("42[\"message\",{n}]")).await;
    }
    server.saw("event wait []").await;
    server.gate.notify_one();
    for n in 0..500 {
        assert_eq!(ws.read().await, format!("42[\"message-back\",{n}]"));
    }
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn rooms_reach_their_members_once() {
    let mut server = Server::start(config());
    let mut members = Vec::new();
    for rooms in [&["a"][..], &["a", "b"], &["b"], &[]] {
        let mut ws = Ws::joined(server.address).await;
        for room in rooms {
            ws.text(&format!("421[\"join\",\"{room}\"]")).await;
            assert_eq!(ws.read().await, format!("431[\"{room}\"]"));
        }
        members.push(ws);
    }
    let root = server.io.of("/").unwrap();
    assert_eq!((root.len(), root.room_count()), (4, 2));
    let event = |name: &str| Outgoing::event("/", name, &json!(1)).unwrap();
    assert_eq!(root.to("a").send(&event("a")), 2);
    assert_eq!(root.to("a").to("b").send(&event("ab")), 3);
    assert_eq!(root.to("b").except("a").send(&event("b-a")), 1);
    assert_eq!(root.all().except("a").send(&event("-a")), 2);
    assert_eq!(root.to("nobody").send(&event("none")), 0);
    assert_eq!(root.all().send(&event("all")), 4);
    let expected: [&[&str]; 4] =
        [&["a", "ab", "all"], &["a", "ab", "all"], &["ab", "b-a", "-a", "all"], &["-a", "all"]];
    for (ws, names) in members.iter_mut().zip(expected) {
        for name in names {
            assert_eq!(ws.read().await, format!("42[\"{name}\",1]"));
        }
    }
    let [first, second, ..] = &mut members[..] else { panic!() };
    first.text("427[\"shout\",\"hi\"]").await;
    assert_eq!(first.read().await, "437[3]");
    assert_eq!(second.read().await, "42[\"shout\",\"hi\"]");
    second.text("421[\"leave\",\"a\"]").await;
    assert_eq!(second.read().await, "431[\"a\"]");
    assert_eq!(root.to("a").sockets().len(), 1);
    let id = root.to("a").sockets()[0].id().to_owned();
    assert_eq!(root.to(id.clone()).send(&event("direct")), 1);
    assert_eq!(root.socket(&id).unwrap().rooms(), ["a"]);
    drop(members);
    server.saw("disconnected transport close").await;
    server.stop().await;
}

#[actix_web::test]
async fn sockets_carry_data() {
    let server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    for n in 0..3 {
        ws.text("421[\"data\"]").await;
        assert_eq!(ws.read().await, format!("431[{n}]"));
    }
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn every_end_has_its_reason_and_comes_once() {
    let mut hasty = config();
    hasty.limits.ping_interval = Duration::from_millis(200);
    hasty.limits.ping_timeout = Duration::from_secs(2);
    let mut server = Server::start(hasty);
    let mut ws = Ws::joined(server.address).await;
    assert_eq!(ws.closed().await, (1000, "ping timeout".into()));
    server.saw("disconnected ping timeout").await;
    server.stop().await;

    let mut server = Server::start(config());
    let address = server.address;
    let mut ws = Ws::joined(address).await;
    ws.text("42[\"leave-me\"]").await;
    assert_eq!(ws.read().await, "41");
    server.saw("disconnected server namespace disconnect").await;
    let mut ws = Ws::joined(address).await;
    ws.text("42[\"close-me\"]").await;
    assert_eq!(ws.read().await, "41");
    assert_eq!(ws.closed().await, (1000, "forced server close".into()));
    server.saw("disconnected server namespace disconnect").await;
    let mut ws = Ws::joined(address).await;
    ws.text("42{}").await;
    assert_eq!(ws.closed().await, (1002, "parse error".into()));
    server.saw("disconnected parse error").await;
    let mut ws = Ws::joined(address).await;
    ws.text("42[\"panic\"]").await;
    ws.closed().await;
    server.saw("disconnected server namespace disconnect").await;
    let mut ws = Ws::joined(address).await;
    server.io.close().await;
    server.saw("disconnected server shutting down").await;
    assert_eq!(ws.closed().await, (1001, "server shutting down".into()));
    assert_eq!(Ws::connect(address, WS, "").await.err(), Some(503));
    assert!(server.log.try_recv().is_err());
    server.stop().await;
}

#[actix_web::test]
async fn who_leaves_while_joining_is_disconnected_once() {
    let mut server = Server::start(config());
    let mut ws = Ws::connect(server.address, WS, "").await.ok().unwrap();
    ws.read().await;
    ws.text("40{\"token\":\"wait\"}").await;
    server.saw("connect / {\"token\":\"wait\"}").await;
    drop(ws);
    tokio::time::timeout(DEADLINE, async {
        while server.io.connection_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    server.gate.notify_one();
    // Never told that it joined, and yet cleaned up.
    assert_eq!(server.next().await, "disconnected transport close");
    server.stop().await;
}

#[actix_web::test]
async fn a_socket_that_is_gone_does_not_speak_for_the_next_one() {
    let mut server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    let root = server.io.of("/").unwrap();
    let old = root.all().sockets().remove(0);
    ws.text("41").await;
    server.saw("disconnected client namespace disconnect").await;
    ws.text("40").await;
    assert!(ws.read().await.starts_with("40{"));
    let event = Outgoing::event("/", "late", &json!(1)).unwrap();
    assert_eq!(old.send(&event), Err(SendError::Closed));
    assert!(!old.send_volatile(&event));
    assert!(!old.join("a"));
    old.disconnect(false);
    ws.text("421[\"still here\"]").await;
    assert_eq!(ws.read().await, "431[]");
    assert_eq!((root.len(), root.room_count()), (1, 0));
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn a_client_that_comes_back_gets_what_it_missed_once_and_in_order() {
    let mut recovering = config();
    recovering.recovery = Some(Recovery::default());
    let mut server = Server::start(recovering);
    let address = server.address;
    let root = server.io.of("/").unwrap();
    let tell = |room: &str, n: u64| {
        let event = Outgoing::event("/", "n", &n).unwrap();
        let all = if room.is_empty() { root.all() } else { root.to(room) };
        all.send(&event)
    };
    let connect = async |auth: &serde_json::Value| {
        let mut ws = Ws::connect(address, WS, "").await.ok().unwrap();
        ws.read().await;
        ws.text(&format!("40{auth}")).await;
        let text = ws.read().await;
        let answer: serde_json::Value = serde_json::from_str(&text[2..]).unwrap();
        (ws, answer)
    };
    let (mut ws, first) = connect(&json!({})).await;
    ws.text("421[\"join\",\"a\"]").await;
    assert_eq!(ws.read().await, "431[\"a\"]");
    ws.text("421[\"data\"]").await;
    assert_eq!(ws.read().await, "431[0]");
    assert_eq!(tell("a", 1), 1);
    assert_eq!(ws.read().await, "42[\"n\",1,\"1\"]");
    drop(ws);
    server.saw("disconnected transport close").await;
    tell("a", 2);
    tell("b", 3);
    tell("", 4);
    // Refused is not forgotten: it may try again with a better token.
    let mut auth = json!({ "pid": first["pid"], "offset": "1", "token": "bad" });
    let mut ws = Ws::connect(address, WS, "").await.ok().unwrap();
    ws.read().await;
    ws.text(&format!("40{auth}")).await;
    assert!(ws.read().await.starts_with("44"));
    auth["token"] = json!("good");
    ws.text(&format!("40{auth}")).await;
    let text = ws.read().await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text[2..]).unwrap(), first);
    assert_eq!(ws.read().await, "42[\"n\",2,\"2\"]");
    assert_eq!(ws.read().await, "42[\"n\",4,\"4\"]");
    assert_eq!(tell("a", 5), 1);
    assert_eq!(ws.read().await, "42[\"n\",5,\"5\"]");
    ws.text("421[\"data\"]").await;
    assert_eq!(ws.read().await, "431[1]");
    // While it is there, nobody else can be it; nor after it said goodbye.
    auth["offset"] = json!("5");
    let (other, answer) = connect(&auth).await;
    assert_ne!(answer["sid"], first["sid"]);
    drop(other);
    server.saw("disconnected transport close").await;
    ws.text("41").await;
    server.saw("disconnected client namespace disconnect").await;
    let (third, answer) = connect(&auth).await;
    assert_ne!(answer["sid"], first["sid"]);
    drop((ws, third));
    server.stop().await;
}

#[actix_web::test]
async fn a_long_reply_that_waits_for_its_reader_never_overflows_the_queue() {
    let mut small = config();
    small.limits.queue_events = 60;
    let server = Server::start(small);
    let mut ws = Ws::joined(server.address).await;
    ws.text("421[\"count-to\",5000]").await;
    for n in 1..=5_000 {
        assert_eq!(ws.read().await, format!("42[\"n\",{n}]"));
    }
    assert_eq!(ws.read().await, "431[5000]");
    // Who goes away meanwhile is not waited for.
    ws.text("42[\"count-to\",20000]").await;
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn what_is_sent_to_one_socket_is_recovered_too() {
    let mut recovering = config();
    recovering.recovery = Some(Recovery::default());
    let mut server = Server::start(recovering);
    let root = server.io.of("/").unwrap();
    let mut client = Client::connect(server.address, None).await;
    let first = client.id.clone();
    let handle = root.socket(&first).unwrap();
    client.emit("echo", &1).await;
    let (name, args) = client.event().await;
    assert_eq!((name.as_str(), args.values()), ("echo", &[json!([1]), json!("1")][..]));

    // Emitted and lost on the way; emitted before the server knows; emitted while the client is away.
    client.emit("echo", &2).await;
    server.saw("event echo [2]").await;
    let recovery = client.lose();
    server.saw("disconnected transport close").await;
    handle.emit("late", &3).unwrap();
    assert!(!handle.emit_volatile("outdated", &4).unwrap());
    let other = Client::connect(server.address, None).await;
    let mut client = Client::connect(server.address, Some(&recovery)).await;
    assert_eq!((client.id.as_str(), client.recovered), (first.as_str(), true));
    let mut missed = Vec::new();
    for _ in 0..2 {
        let (name, args) = client.event().await;
        missed.push((name, args.values().to_vec()));
    }
    let echo = ("echo".to_owned(), vec![json!([2]), json!("2")]);
    assert_eq!(missed, [echo, ("late".to_owned(), vec![json!(3), json!("3")])]);

    // Whoever kept the socket still speaks to the same client, until that leaves for good.
    handle.emit("again", &5).unwrap();
    assert_eq!(client.event().await.0, "again");
    client.leave().await;
    server.saw("disconnected client namespace disconnect").await;
    assert!(matches!(handle.emit("gone", &6), Err(EmitError::Send(SendError::Closed))));
    drop((client, other));
    server.stop().await;
}

#[actix_web::test]
async fn without_a_log_of_this_server_nothing_gets_an_offset() {
    let mut own = config();
    let mut recovery = Recovery::default();
    recovery.max_events = 0;
    own.recovery = Some(recovery);
    let server = Server::start(own);
    let mut client = Client::connect(server.address, None).await;
    let root = server.io.of("/").unwrap();
    assert_eq!(root.all().emit("all", &1).unwrap(), 1);
    assert_eq!(client.event().await.1.len(), 1);
    root.socket(&client.id).unwrap().emit("one", &1).unwrap();
    assert_eq!(client.event().await.1.len(), 1);
    drop(client);
    server.stop().await;
}

#[actix_web::test]
async fn handlers_may_use_the_spawn_of_actix() {
    let server = Server::start(config());
    let mut client = Client::connect(server.address, None).await;
    for _ in 0..3 {
        client.emit("spawn", &()).await;
        let (name, args) = client.event().await;
        assert_eq!((name.as_str(), args.get::<String>(0).unwrap().as_str()), ("spawned", "spawned"));
    }
    drop(client);
    server.stop().await;
}
