//! A client told by hand what arrives, and a client that talks to a server session.

use std::{collections::VecDeque, sync::Arc};

use super::*;
use crate::{
    Outgoing, SessionLimits,
    packet::DecodeError,
    server::{Input, Output, ServerSession, Transport},
};
use serde_json::json;

const OPEN: &str = r#"0{"sid":"s","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn events(session: &mut ClientSession) -> Vec<ClientEvent> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

fn texts(session: &mut ClientSession) -> Vec<String> {
    let text = |transmit| match transmit {
        Transmit::Text(text) => text,
        Transmit::Binary(bytes) => format!("{bytes:?}"),
        Transmit::Close => "close".to_owned(),
    };
    std::iter::from_fn(|| session.poll_transmit()).map(text).collect()
}

fn session() -> ClientSession {
    ClientSession::new(&ClientLimits::default(), Duration::ZERO)
}

/// In `/`, after the handshake was taken.
fn joined() -> ClientSession {
    let mut session = session();
    session.handle_text(OPEN, ms(0));
    session.connect("/", Map::new(), None).unwrap();
    session.handle_text(r#"40{"sid":"id","pid":"p"}"#, ms(0));
    let _ = (events(&mut session), texts(&mut session));
    session
}

fn closed(session: &mut ClientSession) -> Option<CloseReason> {
    events(session).into_iter().find_map(|event| match event {
        ClientEvent::Closed(reason) => Some(reason),
        _ => None,
    })
}

#[test]
fn nothing_is_said_before_the_handshake() {
    let mut session = session();
    session.connect("/a", map(json!({"token": "t"})), None).unwrap();
    assert_eq!(texts(&mut session), [""; 0]);
    session.handle_text(OPEN, ms(5));
    assert_eq!(events(&mut session), [ClientEvent::Opened { sid: "s".into() }]);
    assert_eq!(texts(&mut session), [r#"40/a,{"token":"t"}"#]);
    assert!(matches!(session.emit("/a", "e", &1), Err(ClientError::NotConnected(_))));
    assert!(matches!(session.connect("/a", Map::new(), None), Err(ClientError::AlreadyConnected(_))));
    session.handle_text(r#"40/a,{"sid":"id"}"#, ms(5));
    let connected = ClientEvent::Connected { namespace: "/a".into(), sid: "id".into(), recovered: false };
    assert_eq!(events(&mut session), [connected]);
    assert!(session.is_connected("/a") && session.recovery("/a").is_none());
}

#[test]
fn a_refused_namespace_may_be_asked_for_again() {
    let mut session = session();
    session.handle_text(OPEN, ms(0));
    session.connect("/", Map::new(), None).unwrap();
    session.handle_text(r#"44{"message":"no","data":{"error":"invalid_token"}}"#, ms(0));
    let data = Some(json!({"error": "invalid_token"}));
    let refused = ClientEvent::Refused { namespace: "/".into(), message: "no".into(), data };
    assert_eq!(events(&mut session)[1], refused);
    session.connect("/", Map::new(), None).unwrap();
    assert_eq!(texts(&mut session), ["40", "40"]);
}

#[test]
fn events_and_acknowledgements_pass_both_ways_with_attachments() {
    let mut session = joined();
    session.emit("/", "several", &(1, "two")).unwrap();
    assert_eq!(session.emit_with_ack("/", "ask", &Bytes::from_static(&[7])).unwrap(), 0);
    assert_eq!(session.emit_with_ack("/", "ask", &json!({"a": 1})).unwrap(), 1);
    session.acknowledge("/", 12, &json!("yes")).unwrap();
    assert_eq!(
        texts(&mut session),
        [
            r#"42["several",1,"two"]"#,
            r#"451-0["ask",{"_placeholder":true,"num":0}]"#,
            r#"b"\x07""#,
            r#"421["ask",{"a":1}]"#,
            r#"4312["yes"]"#,
        ]
    );
    session.handle_text(r#"451-5["pic",{"_placeholder":true,"num":0}]"#, ms(0));
    assert_eq!(session.poll_event(), None);
    session.handle_binary(Bytes::from_static(&[1, 2]));
    let Some(ClientEvent::Event { name, args, ack: Some(5), .. }) = session.poll_event() else { panic!() };
    assert_eq!((name.as_str(), args.get::<Bytes>(0).unwrap().as_ref()), ("pic", &[1, 2][..]));
    session.handle_text(r#"431[{"ok":true},2]"#, ms(0));
    let Some(ClientEvent::Acknowledged { ack: 1, args, .. }) = session.poll_event() else { panic!() };
    assert_eq!(args.get::<u8>(1).unwrap(), 2);
}

#[test]
fn pings_are_answered_and_missed_when_they_stay_away() {
    let mut session = joined();
    assert_eq!(session.deadline(), Some(ms(500)));
    session.handle_text("2", ms(300));
    assert_eq!((texts(&mut session), events(&mut session)), (vec!["3".into()], vec![ClientEvent::Pinged]));
    assert_eq!(session.deadline(), Some(ms(800)));
    // Only pings prove that the server's heart beats.
    session.handle_text(r#"42["e"]"#, ms(700));
    session.handle_timeout(ms(799));
    assert!(!session.is_closed());
    session.handle_timeout(ms(800));
    assert_eq!(closed(&mut session), Some(CloseReason::PingTimeout));
    assert_eq!(session.deadline(), None);
}

#[test]
fn a_server_that_does_not_open_is_not_waited_for() {
    let mut session = session();
    session.connect("/", Map::new(), None).unwrap();
    session.handle_timeout(ms(19_999));
    assert!(!session.is_closed());
    session.handle_timeout(ms(20_000));
    assert_eq!(closed(&mut session), Some(CloseReason::OpenTimeout));
    assert_eq!(texts(&mut session), ["close"]);
    assert!(matches!(session.connect("/a", Map::new(), None), Err(ClientError::Closed)));
}

#[test]
fn what_has_no_place_ends_the_session() {
    let misplaced = CloseReason::Protocol(ProtocolError::OutOfPlace);
    for text in
        [OPEN, "5", "3", "2probe", r#"40{"sid":"again"}"#, r#"40/x,{"sid":"x"}"#, r#"44{"message":"x"}"#]
    {
        let mut session = joined();
        session.handle_text(text, ms(0));
        assert_eq!(closed(&mut session), Some(misplaced.clone()), "{text}");
        assert_eq!(texts(&mut session), ["close"]);
    }
    for (text, error) in [("x", DecodeError::Type), ("42{}", DecodeError::Payload), ("4", DecodeError::Type)]
    {
        let mut session = joined();
        session.handle_text(text, ms(0));
        let reason = CloseReason::Protocol(ProtocolError::Decode(error));
        assert_eq!(closed(&mut session), Some(reason), "{text}");
    }
    let mut session = session();
    session.handle_text("2", ms(0));
    assert_eq!(closed(&mut session), Some(misplaced));
    let mut session = joined();
    session.handle_binary(Bytes::new());
    assert!(matches!(
        closed(&mut session),
        Some(CloseReason::Protocol(ProtocolError::Decode(DecodeError::Order)))
    ));
}

#[test]
fn both_sides_can_leave_and_close() {
    let mut session = joined();
    session.handle_text("41", ms(0));
    assert_eq!(events(&mut session), [ClientEvent::Disconnected { namespace: "/".into() }]);
    assert_eq!(session.recovery("/"), None);
    session.connect("/", Map::new(), None).unwrap();
    session.handle_text(r#"40{"sid":"id"}"#, ms(0));
    session.disconnect("/").unwrap();
    // What was on its way is not told.
    session.handle_text(r#"42["late"]"#, ms(0));
    session.handle_text("41", ms(0));
    assert_eq!(events(&mut session).len(), 1);
    session.connect("/", Map::new(), None).unwrap();
    session.handle_text(r#"40{"sid":"id"}"#, ms(0));
    let _ = (texts(&mut session), events(&mut session));
    session.close();
    assert_eq!(texts(&mut session), ["41", "1", "close"]);
    assert_eq!(closed(&mut session), Some(CloseReason::Client));
    session.close();
    session.handle_text("1", ms(0));
    assert_eq!(session.poll_event(), None);
    let mut session = joined();
    session.handle_text("1", ms(0));
    assert_eq!(closed(&mut session), Some(CloseReason::Server));
    let mut session = joined();
    session.handle_closed(Some(1001), "going");
    let reason = CloseReason::Transport { code: Some(1001), reason: "going".into() };
    assert_eq!((closed(&mut session), session.poll_transmit()), (Some(reason), None));
}

#[test]
fn a_lost_connection_can_be_recovered() {
    let mut session = joined();
    for text in [r#"42["n",1,"7"]"#, r#"42["n",2]"#, r#"423["asked","no offset"]"#] {
        session.handle_text(text, ms(0));
    }
    session.handle_closed(None, "lost");
    let recovery = session.recovery("/").unwrap().clone();
    assert_eq!((recovery.pid.as_str(), recovery.offset.as_deref()), ("p", Some("7")));
    for (pid, recovered) in [("p", true), ("q", false)] {
        let mut session = ClientSession::new(&ClientLimits::default(), ms(0));
        session.connect("/", map(json!({"token": "t"})), Some(&recovery)).unwrap();
        session.handle_text(OPEN, ms(0));
        assert_eq!(texts(&mut session), [r#"40{"offset":"7","pid":"p","token":"t"}"#]);
        session.handle_text(&format!(r#"40{{"sid":"id","pid":"{pid}"}}"#), ms(0));
        let connected = ClientEvent::Connected { namespace: "/".into(), sid: "id".into(), recovered };
        assert_eq!(events(&mut session)[1], connected);
        let offset = session.recovery("/").unwrap().offset.as_deref();
        assert_eq!(offset, recovered.then_some("7"));
    }
}

/// Lets a client and a server talk until neither has anything more to say.
fn talk(client: &mut ClientSession, server: &mut ServerSession, now: Moment) -> Vec<Output> {
    let mut told = Vec::new();
    loop {
        let mut frames = VecDeque::new();
        server.pull(0, usize::MAX, &mut frames);
        let quiet = frames.is_empty();
        for frame in frames {
            let head = match frame[1] {
                126 => 4,
                127 => 10,
                _ => 2,
            };
            match frame[0] {
                0x81 => client.handle_text(std::str::from_utf8(&frame[head..]).unwrap(), now),
                _ => client.handle_binary(frame.slice(head..)),
            }
        }
        let mut sent = false;
        while let Some(transmit) = client.poll_transmit() {
            sent = true;
            told.extend(match &transmit {
                Transmit::Text(text) => server.handle(Input::Text { conn: 0, text }, now),
                Transmit::Binary(bytes) => {
                    server.handle(Input::Binary { conn: 0, bytes: bytes.clone() }, now)
                }
                Transmit::Close => server.handle(Input::WebSocketClosed { conn: 0 }, now),
            });
        }
        if quiet && !sent {
            told.retain(|output| *output != Output::Wake);
            return told;
        }
    }
}

#[test]
fn a_client_and_a_server_understand_each_other() {
    let limits = Arc::new(SessionLimits::default().with_ping_interval(ms(300)));
    let mut server = ServerSession::open(limits, "sid", Transport::WebSocket { conn: 0 }, ms(0));
    let mut client = session();
    client.connect("/a", map(json!({"token": "t"})), None).unwrap();
    let told = talk(&mut client, &mut server, ms(1));
    let auth = map(json!({"token": "t"}));
    assert_eq!(told, [Output::Connect { namespace: "/a".into(), auth }]);
    let mut out = Vec::new();
    server.accept("/a", "id", Some("pid"), ms(1), &mut out);
    let picture = Outgoing::event("/a", "picture", &(Bytes::from_static(&[5; 200]), "a.png")).unwrap();
    server.send_with_ack(&picture, 9, ms(1), &mut out).unwrap();
    talk(&mut client, &mut server, ms(1));
    let [_, connected, picture] = &events(&mut client)[..] else { panic!() };
    assert!(matches!(connected, ClientEvent::Connected { .. }));
    let ClientEvent::Event { args, ack: Some(9), .. } = picture else { panic!("{picture:?}") };
    assert_eq!(args.get::<Bytes>(0).unwrap().as_ref(), [5; 200]);
    client.acknowledge("/a", 9, &("seen", Bytes::from_static(&[1]))).unwrap();
    let told = talk(&mut client, &mut server, ms(1));
    let [Output::Ack { ack: 9, args, attachments, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((args[0].as_str(), attachments.len()), (Some("seen"), 1));
    server.handle(Input::Time, ms(300));
    talk(&mut client, &mut server, ms(301));
    assert_eq!((server.heartbeat().sent, server.heartbeat().answered), (1, 1));
    client.close();
    let told = talk(&mut client, &mut server, ms(302));
    assert!(matches!(told.last(), Some(Output::Forget)), "{told:?}");
}
