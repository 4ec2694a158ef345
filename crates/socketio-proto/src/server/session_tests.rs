//! State by state: what goes in, what comes out, at which moment.

use std::time::Duration;

use super::*;
use serde_json::Map;

const WS: u64 = 100;

struct Client {
    session: ServerSession,
    now: Moment,
    polls: u64,
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn limits() -> SessionLimits {
    SessionLimits {
        ping_interval: ms(300),
        ping_timeout: ms(200),
        connect_timeout: ms(10_000),
        queue_events: 10,
        ..SessionLimits::default()
    }
}

impl Client {
    fn new(limits: SessionLimits, transport: Transport, bare: bool) -> Self {
        let limits = Arc::new(limits);
        let session = if bare {
            ServerSession::bare(limits, "sid", transport, Duration::ZERO)
        } else {
            ServerSession::open(limits, "sid", transport, Duration::ZERO)
        };
        Self { session, now: Duration::ZERO, polls: 0 }
    }

    /// Polling, after the handshake was taken.
    fn polling() -> Self {
        let mut client = Self::new(limits(), Transport::Polling, false);
        let open = client.poll();
        assert!(answer(&open, 1).unwrap().starts_with("0{\"sid\":\"sid\",\"upgrades\":[\"websocket\"]"));
        client
    }

    fn bare_polling() -> Self {
        let mut client = Self::new(limits(), Transport::Polling, true);
        client.poll();
        client
    }

    /// Websocket, after the handshake was taken.
    fn websocket(limits: SessionLimits) -> Self {
        let mut client = Self::new(limits, Transport::WebSocket { conn: WS }, false);
        assert!(client.pulled()[0].starts_with("0{\"sid\":\"sid\",\"upgrades\":[]"));
        client
    }

    /// Websocket in namespace `/`.
    fn joined(limits: SessionLimits) -> Self {
        let mut client = Self::websocket(limits);
        assert_eq!(client.text("40"), [Output::Connect { namespace: "/".into(), auth: Map::new() }]);
        let mut out = Vec::new();
        assert!(client.session.accept("/", "id", None, client.now, &mut out));
        assert_eq!(client.pulled(), ["40{\"sid\":\"id\"}"]);
        client
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        self.session.handle(input, self.now)
    }

    fn poll(&mut self) -> Vec<Output> {
        self.polls += 1;
        let poll = self.polls;
        self.handle(Input::Poll { poll })
    }

    fn post(&mut self, body: &str) -> Vec<Output> {
        let mut out = self.handle(Input::PostStarted);
        out.extend(self.handle(Input::PostBody { body }));
        out
    }

    fn text(&mut self, text: &str) -> Vec<Output> {
        self.handle(Input::Text { conn: WS, text })
    }

    fn at(&mut self, milliseconds: u64) -> Vec<Output> {
        self.now = ms(milliseconds);
        self.handle(Input::Time)
    }

    fn pull(&mut self) -> (Vec<String>, Pull) {
        let mut frames = VecDeque::new();
        let pull = self.session.pull(WS, 1 << 20, &mut frames);
        let text = |frame: Bytes| {
            let skip = if frame[1] < 126 { 2 } else { 4 };
            String::from_utf8_lossy(&frame[skip..]).into_owned()
        };
        (frames.into_iter().map(text).collect(), pull)
    }

    fn pulled(&mut self) -> Vec<String> {
        self.pull().0
    }

    fn send(&mut self, name: &str) -> (Result<(), SendError>, Vec<Output>) {
        let mut out = Vec::new();
        let event = Outgoing::event("/", name, &1).unwrap();
        (self.session.send(&event, self.now, &mut out), out)
    }
}

/// The payload a poll was answered with.
fn answer(out: &[Output], poll: u64) -> Option<String> {
    out.iter().find_map(|output| match output {
        Output::AnswerPoll { poll: number, body: Some(body) } if *number == poll => {
            Some(String::from_utf8(body.clone()).unwrap())
        }
        _ => None,
    })
}

fn refused(out: &[Output], poll: u64) -> bool {
    out.contains(&Output::AnswerPoll { poll, body: None })
}

fn closed(out: &[Output]) -> Option<DisconnectReason> {
    out.iter().find_map(|output| match output {
        Output::Closed { reason } => Some(*reason),
        _ => None,
    })
}

#[test]
fn an_empty_poll_waits_for_what_comes() {
    let mut client = Client::bare_polling();
    assert_eq!(client.poll(), []);
    let mut out = Vec::new();
    client.session.send_message(&Message::Text("a".into()), client.now, &mut out).unwrap();
    assert_eq!(answer(&out, 2).unwrap(), "4a");
}

#[test]
fn a_poll_takes_everything_that_waits() {
    let mut client = Client::bare_polling();
    let out = client.post("4a\u{1e}bAQI=");
    assert_eq!(
        out,
        [
            Output::Message(Message::Text("a".into())),
            Output::Message(Message::Binary(Bytes::from_static(&[1, 2]))),
            Output::PostAnswer { ok: true }
        ]
    );
    for output in out {
        if let Output::Message(message) = output {
            client.session.send_message(&message, client.now, &mut Vec::new()).unwrap();
        }
    }
    assert_eq!(answer(&client.poll(), 2).unwrap(), "4a\u{1e}bAQI=");
}

#[test]
fn a_second_poll_ends_the_session() {
    let mut client = Client::polling();
    client.poll();
    let out = client.poll();
    assert_eq!(answer(&out, 2).unwrap(), "1");
    assert!(refused(&out, 3));
    assert_eq!(closed(&out), Some(DisconnectReason::TransportError));
    assert!(out.contains(&Output::Forget));
}

#[test]
fn a_second_post_ends_the_session() {
    let mut client = Client::polling();
    assert_eq!(client.handle(Input::PostStarted), []);
    let out = client.handle(Input::PostStarted);
    assert!(out.contains(&Output::PostRefused));
    assert_eq!(closed(&out), Some(DisconnectReason::TransportError));
}

#[test]
fn a_post_that_is_too_large_is_forgotten() {
    let mut client = Client::polling();
    client.handle(Input::PostStarted);
    assert_eq!(client.handle(Input::PostTooLarge), []);
    assert_eq!(client.post("40").last(), Some(&Output::PostAnswer { ok: true }));
}

#[test]
fn a_post_that_is_no_payload_is_refused_and_ends_the_session() {
    let mut client = Client::polling();
    let out = client.post("abc");
    assert_eq!(closed(&out), Some(DisconnectReason::ParseError));
    assert_eq!(out.last(), Some(&Output::PostAnswer { ok: false }));
    assert!(refused(&client.poll(), 2));
}

#[test]
fn the_clients_close_gives_a_waiting_poll_a_noop() {
    let mut client = Client::polling();
    client.poll();
    let out = client.post("1");
    assert_eq!(answer(&out, 2).unwrap(), "6");
    assert_eq!(closed(&out), Some(DisconnectReason::TransportClose));
    assert!(refused(&client.poll(), 3));
}

#[test]
fn the_clients_close_gives_a_racing_poll_a_noop_once() {
    let mut client = Client::polling();
    let out = client.post("1");
    assert!(!out.contains(&Output::Forget), "{out:?}");
    let out = client.poll();
    assert_eq!(answer(&out, 2).unwrap(), "6");
    assert!(out.contains(&Output::Forget));
    assert!(refused(&client.poll(), 3));
}

#[test]
fn a_session_that_owes_a_poll_is_forgotten_in_the_end() {
    let mut client = Client::polling();
    client.post("1");
    assert_eq!(client.session.deadline(), Some(ms(30_000)));
    assert_eq!(client.at(30_000), [Output::Forget]);
    assert_eq!(client.session.deadline(), None);
    assert_eq!(client.at(90_000), []);
}

#[test]
fn an_aborted_poll_ends_the_session() {
    let mut client = Client::polling();
    client.poll();
    let out = client.handle(Input::PollAborted { poll: 2 });
    assert_eq!(closed(&out), Some(DisconnectReason::TransportClose));
    // But not one that was answered.
    let mut client = Client::polling();
    assert_eq!(client.handle(Input::PollAborted { poll: 1 }), []);
}

#[test]
fn the_first_ping_comes_after_the_interval_and_waits_for_its_pong() {
    let mut client = Client::websocket(limits());
    assert_eq!(client.session.deadline(), Some(ms(300)));
    assert_eq!(client.at(299), []);
    assert_eq!(client.at(300), [Output::Wake]);
    assert_eq!(client.pulled(), ["2"]);
    assert_eq!(client.session.deadline(), Some(ms(500)));
    client.now = ms(310);
    assert_eq!(client.text("3"), []);
    assert_eq!(client.session.deadline(), Some(ms(610)));
    assert_eq!(client.at(610), [Output::Wake]);
    assert_eq!(closed(&client.at(810)), Some(DisconnectReason::PingTimeout));
    let (frames, end) = client.pull();
    assert!(frames.is_empty());
    assert_eq!(end, Pull::End { code: 1000, reason: "ping timeout" });
}

#[test]
fn a_late_timer_does_not_lengthen_the_time_out() {
    let mut client = Client::polling();
    client.now = ms(500);
    let out = client.poll();
    assert_eq!(closed(&out), Some(DisconnectReason::PingTimeout));
    assert!(refused(&out, 2));
}

#[test]
fn a_websocket_that_could_not_see_the_ping_gets_its_time() {
    let mut client = Client::websocket(limits());
    assert_eq!(closed(&client.at(5_000)), None);
    assert_eq!(client.pulled(), ["2"]);
    assert_eq!(closed(&client.at(5_200)), Some(DisconnectReason::PingTimeout));
}

#[test]
fn another_packet_extends_the_pong_once() {
    let mut client = Client::joined(limits());
    client.at(300);
    client.now = ms(450);
    client.text("42[\"a\"]");
    assert_eq!(client.session.deadline(), Some(ms(650)));
    client.now = ms(600);
    client.text("42[\"a\"]");
    assert_eq!(closed(&client.at(650)), Some(DisconnectReason::PingTimeout));
}

#[test]
fn a_client_must_not_ping() {
    let mut client = Client::joined(limits());
    assert_eq!(closed(&client.text("2")), Some(DisconnectReason::TransportError));
}

#[test]
fn upgrades_with_probe_and_noop() {
    let mut client = Client::bare_polling();
    client.poll();
    assert_eq!(client.handle(Input::WebSocket { conn: WS }), []);
    assert_eq!(client.pull(), (vec![], Pull::Wait));
    let out = client.text("2probe");
    assert_eq!(answer(&out, 2).unwrap(), "6");
    assert!(out.contains(&Output::Wake));
    assert_eq!(client.pulled(), ["3probe"]);
    // What is sent meanwhile goes out in order, over whichever transport is there.
    client.session.send_message(&Message::Text("a".into()), client.now, &mut vec![]).unwrap();
    assert_eq!(client.pulled(), [""; 0]);
    assert_eq!(client.text("5"), [Output::Wake]);
    assert_eq!(client.session.transport(), Transport::WebSocket { conn: WS });
    assert_eq!(client.pulled(), ["4a"]);
    assert_eq!(client.text("4b"), [Output::Message(Message::Text("b".into()))]);
    assert!(refused(&client.poll(), 3));
    assert_eq!(client.handle(Input::PostStarted), [Output::PostRefused]);
    assert!(!client.session.is_closed());
}

#[test]
fn a_poll_during_the_upgrade_is_held_for_a_moment() {
    let mut client = Client::polling();
    client.handle(Input::WebSocket { conn: WS });
    client.text("2probe");
    assert_eq!(client.poll(), []);
    assert_eq!(client.session.deadline(), Some(ms(100)));
    assert_eq!(answer(&client.at(100), 2).unwrap(), "6");
}

#[test]
fn a_poll_that_overtook_the_upgrade_is_refused() {
    for poll_first in [true, false] {
        let mut client = Client::polling();
        client.handle(Input::WebSocket { conn: WS });
        if poll_first {
            assert_eq!(client.poll(), []);
        }
        client.text("2probe");
        if !poll_first {
            assert_eq!(client.poll(), []);
        }
        assert!(refused(&client.text("5"), 2));
        assert!(!client.session.is_closed());
    }
}

#[test]
fn a_pong_answers_the_ping_before_it_and_nothing_else_does() {
    let mut client = Client::joined(limits());
    let beat = |client: &Client| {
        let Heartbeat { sent, answered } = client.session.heartbeat();
        (sent, answered)
    };
    client.text("3");
    assert_eq!(beat(&client), (0, 0), "nobody asked");
    client.at(300);
    assert_eq!(beat(&client), (1, 0));
    client.text("42[\"a\"]");
    assert_eq!(beat(&client), (1, 0), "an event may have been sent before what we sent arrived");
    client.text("3");
    client.text("3");
    assert_eq!(beat(&client), (1, 1));
    client.at(600);
    client.handle(Input::WebSocketClosed { conn: WS });
    assert_eq!(beat(&client), (2, 1), "a connection that ends says nothing");
}

#[test]
fn a_second_websocket_is_closed() {
    let mut client = Client::polling();
    client.handle(Input::WebSocket { conn: WS });
    client.handle(Input::WebSocket { conn: 7 });
    let mut frames = VecDeque::new();
    assert_eq!(client.session.pull(7, 99, &mut frames), Pull::End { code: 1000, reason: "" });
    client.text("2probe");
    client.text("5");
    client.handle(Input::WebSocket { conn: 8 });
    assert_eq!(client.session.pull(8, 99, &mut frames), Pull::End { code: 1000, reason: "" });
    client.handle(Input::WebSocketClosed { conn: 8 });
    assert!(!client.session.is_closed());
}

#[test]
fn a_probe_that_fails_leaves_polling_as_it_was() {
    for bad in ["5", "4hello", "2", "junk"] {
        let mut client = Client::polling();
        client.poll();
        client.handle(Input::WebSocket { conn: WS });
        assert_eq!(client.text(bad), [Output::Wake], "{bad}");
        assert!(matches!(client.pull().1, Pull::End { .. }));
        assert_eq!(client.session.transport(), Transport::Polling);
        assert_eq!(answer(&client.at(300), 2).unwrap(), "2");
    }
    let mut limits = limits();
    limits.upgrade_timeout = ms(50);
    let mut client = Client::new(limits, Transport::Polling, true);
    client.poll();
    client.handle(Input::WebSocket { conn: WS });
    assert_eq!(client.session.deadline(), Some(ms(50)));
    assert_eq!(client.at(50), [Output::Wake]);
    assert!(matches!(client.pull().1, Pull::End { .. }));
}

#[path = "session_namespaces.rs"]
mod namespaces;
#[path = "session_properties.rs"]
mod properties;
