//! Engine.IO: transports, upgrade, heartbeat, close.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{DisconnectReason, Heartbeat, Message, Output, Pull, SendError, Transport, queue::Queue};
use crate::{
    Moment, SessionLimits,
    packet::{EnginePacket, Frame, Open},
};

/// A poll that arrives while a websocket is probing is answered after this time, so that the
/// client can finish its upgrade without polling in circles.
const HOLD: Duration = Duration::from_millis(100);
/// How long a closed session waits for a last poll, or for a websocket to take what is queued.
const LINGER: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Engine {
    limits: Arc<SessionLimits>,
    link: Link,
    probe: Option<Probe>,
    queue: Queue,
    posting: bool,
    /// When the next ping is due; none while a pong is awaited.
    ping_at: Option<Moment>,
    pong_by: Option<Moment>,
    /// Whether another packet already extended `pong_by`.
    extended: bool,
    /// Until then the client is not read: it has sent too much.
    paused_until: Option<Moment>,
    heartbeat: Heartbeat,
    closed: Option<Closed>,
}

#[derive(Debug)]
enum Link {
    Polling { waiting: Option<u64> },
    WebSocket { conn: u64 },
}

#[derive(Debug)]
struct Probe {
    conn: u64,
    answered: bool,
    out: Vec<Frame>,
    until: Moment,
    /// A poll that arrived after this websocket.
    late: Option<u64>,
    /// When a poll that waits during the probe is to be let go.
    release_at: Option<Moment>,
}

#[derive(Debug)]
struct Closed {
    owes: Owes,
    code: u16,
    reason: DisconnectReason,
    until: Moment,
    forgotten: bool,
}

/// What the next poll of a closed session gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owes {
    /// 400, as for an unknown session.
    Nothing,
    /// A noop: the client closed the session and may have a poll under way.
    Noop,
    /// What is queued, and the close packet.
    Close,
}

impl Engine {
    pub(super) fn open(limits: Arc<SessionLimits>, sid: &str, transport: Transport, now: Moment) -> Self {
        let upgrades = match transport {
            Transport::Polling if limits.upgrades => vec!["websocket".to_owned()],
            _ => Vec::new(),
        };
        let open = EnginePacket::Open(Open {
            sid: sid.into(),
            upgrades,
            ping_interval: millis(limits.ping_interval),
            ping_timeout: millis(limits.ping_timeout),
            max_payload: limits.max_payload as u64,
        });
        let mut queue = Queue::default();
        queue.push(text(&open));
        Self {
            link: match transport {
                Transport::Polling => Link::Polling { waiting: None },
                Transport::WebSocket { conn } => Link::WebSocket { conn },
            },
            probe: None,
            queue,
            posting: false,
            ping_at: Some(now + limits.ping_interval),
            pong_by: None,
            extended: false,
            paused_until: None,
            heartbeat: Heartbeat::default(),
            closed: None,
            limits,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    pub(super) fn transport(&self) -> Transport {
        match self.link {
            Link::Polling { .. } => Transport::Polling,
            Link::WebSocket { conn } => Transport::WebSocket { conn },
        }
    }

    pub(super) fn heartbeat(&self) -> Heartbeat {
        self.heartbeat
    }

    /// The next moment at which [`Engine::advance`] has something to do.
    pub(super) fn deadline(&self) -> Option<Moment> {
        if let Some(closed) = &self.closed {
            return (!closed.forgotten).then_some(closed.until);
        }
        let probe = self.probe.as_ref();
        [self.ping_at, self.pong_by, probe.map(|p| p.until), probe.and_then(|p| p.release_at)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Moment, out: &mut Vec<Output>) {
        if let Some(closed) = &mut self.closed {
            if now >= closed.until && !closed.forgotten {
                closed.forgotten = true;
                self.queue.clear();
                out.push(Output::Forget);
            }
            return;
        }
        if self.probe.as_ref().is_some_and(|probe| now >= probe.until) {
            self.drop_probe(out);
        }
        if let Some(probe) = &mut self.probe
            && probe.release_at.is_some_and(|at| now >= at)
        {
            probe.release_at = None;
            self.release(out);
        }
        if let Some(due) = self.ping_at
            && now >= due
        {
            self.ping_at = None;
            // Counted from when it was due, so that late timers do not lengthen the time-out;
            // but a websocket that could not have seen the ping in time gets the whole of it.
            let late = now.saturating_sub(due) >= self.limits.ping_timeout;
            let fresh = late && matches!(self.link, Link::WebSocket { .. });
            let sent = if fresh { now } else { due };
            let read = self.paused_until.filter(|until| *until > sent).unwrap_or(sent);
            self.pong_by = Some(read.saturating_add(self.limits.ping_timeout));
            self.extended = false;
            self.heartbeat.sent += 1;
            self.queue.rest();
            self.queue.push(text(&EnginePacket::Ping));
            self.flush(out);
        }
        if self.pong_by.is_some_and(|by| now >= by) {
            self.close(DisconnectReason::PingTimeout, Owes::Nothing, now, out);
        }
    }

    pub(super) fn poll(&mut self, poll: u64, now: Moment, out: &mut Vec<Output>) {
        let refuse = Output::AnswerPoll { poll, body: None };
        if let Some(closed) = &mut self.closed {
            let body = match closed.owes {
                Owes::Nothing => None,
                Owes::Noop => Some(EnginePacket::Noop),
                Owes::Close => Some(EnginePacket::Close),
            };
            closed.owes = Owes::Nothing;
            closed.until = now;
            let body = body.map(|last| {
                self.queue.push(text(&last));
                self.queue.payload()
            });
            out.push(Output::AnswerPoll { poll, body });
            self.advance(now, out);
            return;
        }
        match &mut self.link {
            Link::WebSocket { .. } => out.push(refuse),
            Link::Polling { waiting: Some(_) } => {
                self.close(DisconnectReason::TransportError, Owes::Nothing, now, out);
                out.push(refuse);
            }
            Link::Polling { waiting } => {
                *waiting = Some(poll);
                if let Some(probe) = &mut self.probe {
                    probe.late = Some(poll);
                    probe.release_at = probe.answered.then_some(now + HOLD);
                }
                self.flush(out);
            }
        }
    }

    pub(super) fn poll_aborted(&mut self, poll: u64, now: Moment, out: &mut Vec<Output>) {
        if let Link::Polling { waiting } = &mut self.link
            && *waiting == Some(poll)
        {
            *waiting = None;
            self.close(DisconnectReason::TransportClose, Owes::Nothing, now, out);
        }
    }

    /// Whether a POST may begin.
    pub(super) fn post_started(&mut self, now: Moment, out: &mut Vec<Output>) {
        let polling = matches!(self.link, Link::Polling { .. });
        if self.is_closed() || !polling {
            out.push(Output::PostRefused);
        } else if self.posting {
            self.close(DisconnectReason::TransportError, Owes::Nothing, now, out);
            out.push(Output::PostRefused);
        } else {
            self.posting = true;
        }
    }

    pub(super) fn post_ended(&mut self) {
        self.posting = false;
    }

    pub(super) fn websocket(&mut self, conn: u64, now: Moment, out: &mut Vec<Output>) {
        let polling = matches!(self.link, Link::Polling { .. });
        if polling && self.probe.is_none() && !self.is_closed() {
            let until = now + self.limits.upgrade_timeout;
            self.probe =
                Some(Probe { conn, answered: false, out: Vec::new(), until, late: None, release_at: None });
        } else {
            // Its first pull answers that it is to end.
            out.push(Output::Wake);
        }
    }

    /// Whether messages of this websocket are the session's. A probing one is handled here.
    pub(super) fn is_link(
        &mut self,
        conn: u64,
        text: Option<&str>,
        now: Moment,
        out: &mut Vec<Output>,
    ) -> bool {
        if matches!(self.link, Link::WebSocket { conn: link } if link == conn) {
            return !self.is_closed();
        }
        if self.probe.as_ref().is_some_and(|probe| probe.conn == conn) {
            self.probed(text, now, out);
        }
        false
    }

    fn probed(&mut self, message: Option<&str>, now: Moment, out: &mut Vec<Output>) {
        let waiting = match self.link {
            Link::Polling { waiting } => waiting,
            Link::WebSocket { .. } => None,
        };
        let Some(probe) = &mut self.probe else { return };
        let late = waiting.is_some() && waiting == probe.late;
        match message.map(EnginePacket::decode) {
            Some(Ok(EnginePacket::PingProbe)) if !probe.answered => {
                probe.answered = true;
                probe.out.push(text(&EnginePacket::PongProbe));
                out.push(Output::Wake);
                if late {
                    probe.release_at = Some(now + HOLD);
                } else {
                    // It must end, or the client cannot pause its polling.
                    self.release(out);
                }
            }
            Some(Ok(EnginePacket::Upgrade)) if probe.answered => {
                let conn = probe.conn;
                match waiting {
                    // It overtook the upgrade on another connection: too late for this transport.
                    Some(poll) if late => out.push(Output::AnswerPoll { poll, body: None }),
                    _ => self.release(out),
                }
                self.probe = None;
                self.link = Link::WebSocket { conn };
                out.push(Output::Wake);
            }
            _ => self.drop_probe(out),
        }
    }

    fn drop_probe(&mut self, out: &mut Vec<Output>) {
        if self.probe.take().is_some() {
            out.push(Output::Wake);
        }
    }

    /// Ends a waiting poll with a noop.
    fn release(&mut self, out: &mut Vec<Output>) {
        if let Link::Polling { waiting } = &mut self.link
            && let Some(poll) = waiting.take()
        {
            let body = EnginePacket::Noop.encode().into_bytes();
            out.push(Output::AnswerPoll { poll, body: Some(body) });
        }
    }

    pub(super) fn websocket_gone(
        &mut self,
        conn: u64,
        code: Option<u16>,
        now: Moment,
        out: &mut Vec<Output>,
    ) {
        if matches!(self.link, Link::WebSocket { conn: link } if link == conn) {
            if let Some(closed) = &mut self.closed {
                // It took what it could.
                closed.until = now;
                self.advance(now, out);
                return;
            }
            let reason = match code {
                None => DisconnectReason::TransportClose,
                Some(_) => DisconnectReason::TransportError,
            };
            self.close(reason, Owes::Nothing, now, out);
            if let (Some(code), Some(closed)) = (code, &mut self.closed) {
                closed.code = code;
            }
        } else if self.probe.as_ref().is_some_and(|probe| probe.conn == conn) {
            self.drop_probe(out);
        }
    }

    /// One packet of the session's transport; answers the message it carries. `None` with the
    /// engine still open means there is nothing more to do about it.
    pub(super) fn packet(
        &mut self,
        packet: EnginePacket,
        now: Moment,
        out: &mut Vec<Output>,
    ) -> Option<Message> {
        self.seen(now);
        match packet {
            EnginePacket::Message(text) => return Some(Message::Text(text)),
            EnginePacket::Binary(bytes) => return Some(Message::Binary(bytes)),
            EnginePacket::Pong => {
                if self.pong_by.take().is_some() {
                    self.heartbeat.answered = self.heartbeat.sent;
                    self.ping_at = Some(now + self.limits.ping_interval);
                }
            }
            EnginePacket::Close => {
                self.close(DisconnectReason::TransportClose, Owes::Noop, now, out);
            }
            // Harmless wherever they come late: the end of an upgrade, an empty payload.
            EnginePacket::Noop | EnginePacket::Upgrade => {}
            // The server pings, not the client; and the handshake is the server's as well.
            EnginePacket::Ping
            | EnginePacket::PingProbe
            | EnginePacket::PongProbe
            | EnginePacket::Open(_) => {
                self.close(DisconnectReason::TransportError, Owes::Nothing, now, out);
            }
        }
        None
    }

    /// A client that sends is there, even if its pong is behind a long upload; but only once per
    /// ping, or a client could live on without ever answering one.
    pub(super) fn seen(&mut self, now: Moment) {
        if self.pong_by.is_some() && !self.extended {
            self.extended = true;
            self.pong_by = Some(now + self.limits.ping_timeout);
        }
    }

    /// The client is not read for a while. Its pong waits behind what it has sent, so it gets the whole time for it
    /// after that: such a client is there.
    pub(super) fn pause_reading(&mut self, until: Moment) {
        self.paused_until = Some(until);
        self.pong_by = self.pong_by.map(|by| by.max(until.saturating_add(self.limits.ping_timeout)));
    }

    pub(super) fn paused_until(&self) -> Option<Moment> {
        self.paused_until
    }

    /// Queues frames for the client, all or none.
    pub(super) fn send(
        &mut self,
        frames: &[Frame],
        now: Moment,
        out: &mut Vec<Output>,
    ) -> Result<(), SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        if !self.queue.fits(frames, &self.limits) {
            self.close(DisconnectReason::QueueFull, Owes::Close, now, out);
            return Err(SendError::QueueFull);
        }
        for frame in frames {
            self.queue.push(frame.clone());
        }
        self.flush(out);
        Ok(())
    }

    /// Queues frames for a websocket that is to be woken, if nothing else comes of it. False: nothing was done.
    pub(super) fn queue(&mut self, frames: &[Frame]) -> bool {
        let takes = self.closed.is_none()
            && matches!(self.link, Link::WebSocket { .. })
            && self.queue.fits(frames, &self.limits);
        if takes {
            for frame in frames {
                self.queue.push(frame.clone());
            }
        }
        takes
    }

    /// Whether what is sent now leaves at once.
    pub(super) fn is_writable(&self) -> bool {
        self.queue.is_empty()
            && match self.link {
                Link::Polling { waiting } => waiting.is_some(),
                Link::WebSocket { .. } => true,
            }
    }

    fn flush(&mut self, out: &mut Vec<Output>) {
        if self.queue.is_empty() {
            return;
        }
        match &mut self.link {
            Link::Polling { waiting } => {
                if let Some(poll) = waiting.take() {
                    if let Some(probe) = &mut self.probe {
                        probe.release_at = None;
                    }
                    out.push(Output::AnswerPoll { poll, body: Some(self.queue.payload()) });
                }
            }
            Link::WebSocket { .. } => out.push(Output::Wake),
        }
    }

    /// Whether something waits to be sent.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// What a websocket is to write next.
    pub(super) fn pull(&mut self, conn: u64, budget: usize, into: &mut VecDeque<Bytes>) -> Pull {
        if let Some(probe) = &mut self.probe
            && probe.conn == conn
        {
            into.extend(probe.out.drain(..).map(|frame| frame.wire().clone()));
            return Pull::Wait;
        }
        if !matches!(self.link, Link::WebSocket { conn: link } if link == conn) {
            return Pull::End { code: 1000, reason: "" };
        }
        self.queue.pull(budget, into);
        match &self.closed {
            Some(closed) if self.queue.is_empty() => {
                Pull::End { code: closed.code, reason: closed.reason.as_str() }
            }
            _ => Pull::Wait,
        }
    }

    pub(super) fn close(&mut self, reason: DisconnectReason, owes: Owes, now: Moment, out: &mut Vec<Output>) {
        if self.is_closed() {
            return;
        }
        if !reason.drains() {
            self.queue.clear();
        }
        self.drop_probe(out);
        let mut closed =
            Closed { owes: Owes::Nothing, code: reason.close_code(), reason, until: now, forgotten: false };
        match &mut self.link {
            Link::Polling { waiting } => match waiting.take() {
                Some(poll) => {
                    let last = match owes {
                        Owes::Noop => EnginePacket::Noop,
                        Owes::Close | Owes::Nothing => EnginePacket::Close,
                    };
                    self.queue.push(text(&last));
                    out.push(Output::AnswerPoll { poll, body: Some(self.queue.payload()) });
                }
                None if owes != Owes::Nothing => {
                    closed.owes = owes;
                    closed.until = now + LINGER;
                }
                None => {}
            },
            Link::WebSocket { .. } => {
                if !self.queue.is_empty() {
                    closed.until = now + LINGER;
                }
                out.push(Output::Wake);
            }
        }
        self.closed = Some(closed);
        out.push(Output::Closed { reason });
        self.advance(now, out);
    }
}

fn text(packet: &EnginePacket) -> Frame {
    Frame::text(&[packet.encode().as_bytes()])
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
