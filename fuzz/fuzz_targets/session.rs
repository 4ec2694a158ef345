//! Whatever happens to a connection, in whatever order: no panic, no queue without bounds, one end.
#![no_main]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use socketio_proto::server::{Input, Output, ServerSession, Transport};
use socketio_proto::{Outgoing, SessionLimits};

fuzz_target!(|data: &[u8]| {
    let limits = SessionLimits::default().with_queue_events(50).with_queue_bytes(10_000);
    let event = Outgoing::event("/", "hello", &"world").expect("an event");
    let mut steps = data.split(|byte| *byte == b'\n');
    let transport = match steps.next() {
        Some(b"ws") => Transport::WebSocket { conn: 0 },
        _ => Transport::Polling,
    };
    let (mut now, mut number) = (Duration::ZERO, 1);
    let mut session = ServerSession::open(Arc::new(limits), "sid", transport, now);
    let mut closed = 0;
    for step in steps {
        let Some((kind, rest)) = step.split_first() else { continue };
        let text = String::from_utf8_lossy(rest);
        let conn = u64::from(kind % 4);
        number += 1;
        let mut out = Vec::new();
        let input = match kind {
            b'p' => Input::Poll { poll: number },
            b'a' => Input::PollAborted { poll: number - 1 },
            b's' => Input::PostStarted,
            b'b' => Input::PostBody { body: &text },
            b'l' => Input::PostTooLarge,
            b'x' => Input::PostBroken,
            b'w' => Input::WebSocket { conn: number % 4 },
            b't'..=b'v' | b'0'..=b'3' => Input::Text { conn, text: &text },
            b'4'..=b'7' => Input::Binary { conn, bytes: Bytes::copy_from_slice(rest) },
            b'c' => Input::WebSocketClosed { conn: number % 4 },
            b'k' => Input::WebSocketBroken { conn: number % 4, code: 1002 },
            b'e' => {
                let _ = session.send(&event, now, &mut out);
                Input::Time
            }
            b'd' => {
                session.disconnect(now, &mut out);
                Input::Time
            }
            later => {
                now += Duration::from_secs(u64::from(*later));
                Input::Time
            }
        };
        out.extend(session.handle(input, now));
        let mut again = Vec::new();
        for output in &out {
            match output {
                Output::Connect { namespace, .. } if kind % 2 == 0 => {
                    session.accept(namespace, "socket", None, now, &mut again);
                }
                Output::Connect { namespace, .. } => session.refuse(namespace, "no", None, now, &mut again),
                _ => {}
            }
        }
        closed += out.iter().chain(&again).filter(|output| matches!(output, Output::Closed { .. })).count();
        assert!(closed <= 1, "a session ends once");
        let mut frames = VecDeque::new();
        session.pull(conn, 1_000, &mut frames);
    }
});
