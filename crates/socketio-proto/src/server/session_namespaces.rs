//! Namespaces, events, and the limits of what waits.

use super::*;
use crate::Rate;
use serde_json::json;

#[test]
fn who_never_joins_is_closed() {
    let mut limits = limits();
    limits.ping_interval = ms(60_000);
    let mut client = Client::websocket(limits.clone());
    assert_eq!(client.session.deadline(), Some(ms(10_000)));
    assert_eq!(closed(&client.at(10_000)), Some(DisconnectReason::ForcedServerClose));
    let mut client = Client::joined(limits.clone());
    assert_eq!(closed(&client.at(10_000)), None);
    // To be refused is not to join.
    let mut client = Client::websocket(limits);
    client.text("40/a,");
    client.session.refuse("/a", "no", None, client.now, &mut vec![]);
    assert_eq!(closed(&client.at(10_000)), Some(DisconnectReason::ForcedServerClose));
}

#[test]
fn connect_is_answered_before_anything_sent_meanwhile() {
    let mut client = Client::websocket(limits());
    client.text("40{\"token\":1}");
    assert_eq!(client.send("early").0, Ok(()));
    assert!(client.pulled().is_empty());
    assert!(!client.session.is_joined("/"));
    assert!(client.session.accept("/", "id", None, client.now, &mut vec![]));
    assert_eq!(client.pulled(), ["40{\"sid\":\"id\"}", "42[\"early\",1]"]);
    assert!(client.session.is_joined("/"));
}

#[test]
fn refusing_says_why_and_allows_another_try() {
    let mut client = Client::websocket(limits());
    client.text("40/a,");
    let data = json!({ "error": "x" });
    client.session.refuse("/a", "no", Some(&data), client.now, &mut vec![]);
    assert_eq!(client.pulled(), ["44/a,{\"message\":\"no\",\"data\":{\"error\":\"x\"}}"]);
    assert_eq!(client.text("40/a,").len(), 1);
    assert!(!client.session.is_closed());
}

#[test]
fn packets_out_of_place_close_the_connection() {
    for (text, reason) in [
        ("40", DisconnectReason::ForcedServerClose),
        ("42/b,[\"a\"]", DisconnectReason::ForcedServerClose),
        ("43/b,1[]", DisconnectReason::ForcedServerClose),
        ("41/b,", DisconnectReason::ForcedServerClose),
        ("44{\"message\":\"a\"}", DisconnectReason::ForcedServerClose),
        ("42{}", DisconnectReason::ParseError),
        ("42abc[\"a\"]", DisconnectReason::ParseError),
        ("42[\"a\"", DisconnectReason::ParseError),
        ("42[\"disconnect\"]", DisconnectReason::ParseError),
        ("40/c,[]", DisconnectReason::ParseError),
        ("4", DisconnectReason::ParseError),
        ("x", DisconnectReason::ParseError),
        ("bAAA=", DisconnectReason::ParseError),
    ] {
        let mut client = Client::joined(limits());
        let out = client.text(text);
        assert_eq!(closed(&out), Some(reason), "{text}");
        assert!(out.contains(&Output::Left { namespace: "/".into(), reason }), "{text}");
        assert!(matches!(client.pull().1, Pull::End { .. }), "{text}");
    }
    let mut client = Client::joined(limits());
    let out = client.handle(Input::Binary { conn: WS, bytes: Bytes::from_static(&[1]) });
    assert_eq!(closed(&out), Some(DisconnectReason::ParseError));
}

#[test]
fn events_and_acknowledgements_pass() {
    let mut client = Client::joined(limits());
    let [Output::Event { name, args, ack, size, .. }] = &client.text("421[\"a\",2]")[..] else { panic!() };
    assert_eq!((name.as_str(), args.as_slice(), *ack, *size), ("a", &[json!(2)][..], Some(1), 9));
    let mut out = vec![];
    let three = Encoded::ack("/", 1, &3).unwrap();
    client.session.acknowledge("/", &three, client.now, &mut out).unwrap();
    assert_eq!(client.pulled(), ["431[3]"]);
    assert!(matches!(&client.text("437[3]")[..], [Output::Ack { ack: 7, .. }]));
}

#[test]
fn either_side_leaves_a_namespace_and_the_connection_stays() {
    let mut client = Client::joined(limits());
    let reason = DisconnectReason::ClientNamespaceDisconnect;
    assert_eq!(client.text("41"), [Output::Left { namespace: "/".into(), reason }]);
    assert_eq!(client.send("a").0, Err(SendError::Closed));
    let mut client = Client::joined(limits());
    let mut out = vec![];
    client.session.leave("/", client.now, &mut out);
    let reason = DisconnectReason::ServerNamespaceDisconnect;
    assert_eq!(out[0], Output::Left { namespace: "/".into(), reason });
    assert_eq!(client.pulled(), ["41"]);
    assert!(!client.session.is_closed());
}

#[test]
fn disconnecting_says_goodbye_and_closes() {
    let mut client = Client::joined(limits());
    let mut out = vec![];
    client.session.disconnect(client.now, &mut out);
    assert_eq!(closed(&out), Some(DisconnectReason::ForcedServerClose));
    let left = out.iter().filter(|output| matches!(output, Output::Left { .. })).count();
    assert_eq!(left, 1);
    let (frames, end) = client.pull();
    assert_eq!(frames, ["41"]);
    assert!(matches!(end, Pull::End { code: 1000, .. }));
}

#[test]
fn a_client_that_does_not_read_is_closed_and_its_queue_freed() {
    let mut client = Client::joined(limits());
    for _ in 0..10 {
        assert_eq!(client.send("a").0, Ok(()));
    }
    let (sent, out) = client.send("a");
    assert_eq!(sent, Err(SendError::QueueFull));
    assert_eq!(closed(&out), Some(DisconnectReason::QueueFull));
    assert_eq!(client.send("a").0, Err(SendError::Closed));
    assert_eq!(client.pull(), (vec![], Pull::End { code: 1008, reason: "queue full" }));
    // While the CONNECT is not answered as well.
    let mut client = Client::websocket(limits());
    client.text("40");
    let sent: Vec<_> = (0..11).map(|_| client.send("a").0).collect();
    assert_eq!(sent[9], Ok(()));
    assert_eq!(sent[10], Err(SendError::QueueFull));
    // By polling it is told with its next poll.
    let mut client = Client::polling();
    client.post("40");
    client.session.accept("/", "id", None, client.now, &mut vec![]);
    while client.send("a").0.is_ok() {}
    assert_eq!(answer(&client.poll(), 2).unwrap(), "1");
}

#[test]
fn volatile_is_sent_only_when_it_leaves_at_once() {
    let mut client = Client::joined(limits());
    let event = Outgoing::event("/", "v", &1).unwrap();
    assert!(client.session.send_volatile(&event, client.now, &mut vec![]));
    assert!(!client.session.send_volatile(&event, client.now, &mut vec![]));
    assert_eq!(client.pulled(), ["42[\"v\",1]"]);
}

#[test]
fn who_sends_too_fast_is_read_more_slowly() {
    let mut limits = limits();
    limits.event_rate = Some(Rate { per_second: 10, burst: 3 });
    let mut client = Client::joined(limits);
    // The CONNECT counts, too.
    for _ in 0..2 {
        assert_eq!(client.text("42[\"a\"]").len(), 1);
        assert_eq!(client.session.paused_until(client.now), None);
    }
    assert_eq!(client.text("42[\"a\"]").len(), 1);
    assert_eq!(client.session.paused_until(client.now), Some(ms(100)));
    client.now = ms(100);
    assert_eq!(client.session.paused_until(client.now), None);
    assert_eq!(client.text("42[\"a\"]").len(), 1);
    assert_eq!(client.session.paused_until(client.now), Some(ms(200)));
}

#[test]
fn who_sends_far_too_much_at_once_is_closed() {
    let mut limits = limits();
    limits.event_rate = Some(Rate { per_second: 10, burst: 3 });
    let mut client = Client::joined(limits);
    for _ in 0..5 {
        assert_eq!(closed(&client.text("42[\"a\"]")), None);
    }
    assert_eq!(closed(&client.text("42[\"a\"]")), Some(DisconnectReason::RateLimit));
    assert_eq!(client.pull().1, Pull::End { code: 1008, reason: "rate limit" });
}

/// Its pong is behind what it has sent.
#[test]
fn who_is_read_more_slowly_has_as_much_longer_for_its_pong() {
    let mut limits = limits();
    limits.event_rate = Some(Rate { per_second: 1, burst: 3 });
    let mut client = Client::joined(limits);
    client.at(300);
    for _ in 0..4 {
        client.text("42[\"a\"]");
    }
    let until = client.session.paused_until(client.now).unwrap();
    assert!(until > ms(1_000));
    client.now = until + ms(199);
    assert_eq!(closed(&client.handle(Input::Time)), None);
    client.now += ms(1);
    assert_eq!(closed(&client.handle(Input::Time)), Some(DisconnectReason::PingTimeout));
}

#[test]
fn namespaces_of_one_connection_are_bounded() {
    let mut limits = limits();
    limits.max_namespaces = 2;
    let mut client = Client::joined(limits);
    assert_eq!(client.text("40/a,").len(), 1);
    assert_eq!(closed(&client.text("40/b,")), Some(DisconnectReason::ForcedServerClose));
}

#[test]
fn a_broken_websocket_is_closed_with_its_code() {
    let mut client = Client::joined(limits());
    let out = client.handle(Input::WebSocketBroken { conn: WS, code: 1009 });
    assert_eq!(closed(&out), Some(DisconnectReason::TransportError));
    assert!(matches!(client.pull().1, Pull::End { code: 1009, .. }));
    assert_eq!(client.text("42[\"a\"]"), []);
}

#[test]
fn a_closed_session_is_forgotten_when_its_websocket_is_done() {
    let mut client = Client::joined(limits());
    client.session.disconnect(client.now, &mut vec![]);
    assert_eq!(client.session.deadline(), Some(ms(30_000)));
    assert_eq!(client.pulled(), ["41"]);
    assert_eq!(client.handle(Input::WebSocketClosed { conn: WS }), [Output::Forget]);
    assert_eq!(client.session.deadline(), None);
}
