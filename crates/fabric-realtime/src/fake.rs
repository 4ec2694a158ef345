//! A client of tests, in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_socketio::{Outgoing, SendError, SessionLimits};
use fabric_api::realtime::NAMESPACE;
use parking_lot::Mutex;
use serde_json::Value;
use socketio_proto::server::{Input, ServerSession, Transport};

/// An event as a client reads it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Received {
    pub(crate) name: String,
    pub(crate) payload: Value,
    pub(crate) offset: Option<String>,
}

/// Keeps what it is sent until its connection is lost.
#[derive(Debug, Default)]
pub(crate) struct FakeLine {
    state: Mutex<FakeState>,
}

#[derive(Debug, Default)]
struct FakeState {
    sent: Vec<Outgoing>,
    is_closed: bool,
}

impl FakeLine {
    pub(crate) fn send(&self, event: &Outgoing) -> Result<(), SendError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(SendError::Closed);
        }
        state.sent.push(event.clone());
        Ok(())
    }

    pub(crate) fn is_connected(&self) -> bool {
        !self.state.lock().is_closed
    }

    pub(crate) fn disconnect(&self) {
        self.state.lock().is_closed = true;
    }

    /// What it was sent, as a client reads it.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().sent.iter().map(read).collect()
    }
}

/// Through the session of a connection, as on the wire.
fn read(event: &Outgoing) -> Received {
    let limits = Arc::new(SessionLimits::default());
    let mut session = ServerSession::open(limits, "sid", Transport::WebSocket { conn: 1 }, Duration::ZERO);
    session.handle(Input::Text { conn: 1, text: &format!("40{NAMESPACE},") }, Duration::ZERO);
    session.accept(NAMESPACE, "sid", None, Duration::ZERO, &mut Vec::new());
    session.pull(1, usize::MAX, &mut VecDeque::new());
    session.send(event, Duration::ZERO, &mut Vec::new()).expect("an open session");
    let mut frames = VecDeque::new();
    session.pull(1, usize::MAX, &mut frames);
    let array = frames[0].iter().position(|byte| *byte == b'[').expect("arguments");
    let mut args: VecDeque<Value> = serde_json::from_slice(&frames[0][array..]).expect("JSON");
    let mut next = || args.pop_front();
    let (name, payload) = (next().expect("a name"), next().expect("a payload"));
    let offset = next().map(|offset| offset.as_str().expect("a text").to_owned());
    Received { name: name.as_str().expect("a name").to_owned(), payload, offset }
}
