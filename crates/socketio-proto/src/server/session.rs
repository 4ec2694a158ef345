//! Both layers of one connection together.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use serde_json::Value;

use super::{
    DisconnectReason, Heartbeat, Input, Message, Output, SendError,
    engine::{Engine, Owes},
    spaces::{Misplaced, Placed, Spaces},
};
use crate::{
    Moment, SessionLimits, TokenBucket,
    packet::{Decoder, Encoded, EnginePacket, Frame, Outgoing, payload},
};

/// How a session is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// A websocket, by its number.
    WebSocket {
        /// The websocket's number.
        conn: u64,
    },
}

/// What a websocket does after it wrote what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Wait for [`Output::Wake`].
    Wait,
    /// Close with this code and reason.
    End {
        /// The close code (RFC 6455 section 7.4).
        code: u16,
        /// Why.
        reason: &'static str,
    },
}

/// One connection: an Engine.IO session with, unless it is bare, the namespaces of Socket.IO.
#[derive(Debug)]
pub struct ServerSession {
    limits: Arc<SessionLimits>,
    engine: Engine,
    /// `None` for bare Engine.IO.
    socket: Option<SocketLayer>,
}

#[derive(Debug)]
struct SocketLayer {
    decoder: Decoder,
    spaces: Spaces,
    /// Until a first namespace is joined.
    connect_by: Option<Moment>,
    rate: Option<TokenBucket>,
    /// Bytes of the packet being collected.
    size: usize,
}

impl ServerSession {
    /// A new Socket.IO session. Its handshake is what the first poll or pull gets.
    pub fn open(limits: Arc<SessionLimits>, sid: &str, transport: Transport, now: Moment) -> Self {
        let socket = SocketLayer {
            decoder: Decoder::new(limits.max_attachments, limits.max_payload)
                .with_max_values(limits.max_values),
            spaces: Spaces::default(),
            connect_by: Some(now + limits.connect_timeout),
            rate: limits.event_rate.map(|rate| TokenBucket::new(rate, now)),
            size: 0,
        };
        Self { socket: Some(socket), ..Self::bare(limits, sid, transport, now) }
    }

    /// A new Engine.IO session without namespaces.
    pub fn bare(limits: Arc<SessionLimits>, sid: &str, transport: Transport, now: Moment) -> Self {
        let engine = Engine::open(Arc::clone(&limits), sid, transport, now);
        Self { limits, engine, socket: None }
    }

    /// Takes what happened and answers what is to be done.
    pub fn handle(&mut self, input: Input<'_>, now: Moment) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            // Timers run late: whatever a client asks for, its deadlines come first.
            Input::Poll { poll } => {
                self.advance(now, &mut out);
                self.engine.poll(poll, now, &mut out);
            }
            Input::PollAborted { poll } => self.engine.poll_aborted(poll, now, &mut out),
            Input::PostStarted => {
                self.advance(now, &mut out);
                self.engine.post_started(now, &mut out);
            }
            Input::PostBody { body } => self.post(body, now, &mut out),
            Input::PostTooLarge => self.engine.post_ended(),
            Input::PostBroken => {
                self.engine.post_ended();
                let reason = DisconnectReason::TransportError;
                self.engine.close(reason, Owes::Nothing, now, &mut out);
            }
            Input::WebSocket { conn } => {
                self.advance(now, &mut out);
                self.engine.websocket(conn, now, &mut out);
            }
            Input::Text { conn, text } => {
                if self.engine.is_link(conn, Some(text), now, &mut out) {
                    self.text(text, now, &mut out);
                }
            }
            Input::Binary { conn, bytes } => {
                if self.engine.is_link(conn, None, now, &mut out) {
                    self.engine.seen(now);
                    self.message(Message::Binary(bytes), now, &mut out);
                }
            }
            Input::WebSocketClosed { conn } => {
                self.engine.websocket_gone(conn, None, now, &mut out);
            }
            Input::WebSocketBroken { conn, code } => {
                self.engine.websocket_gone(conn, Some(code), now, &mut out);
            }
            Input::Time => self.advance(now, &mut out),
        }
        self.settle(&mut out);
        out
    }

    fn advance(&mut self, now: Moment, out: &mut Vec<Output>) {
        self.engine.advance(now, out);
        if let Some(layer) = &self.socket
            && layer.connect_by.is_some_and(|by| now >= by)
        {
            self.engine.close(DisconnectReason::ForcedServerClose, Owes::Close, now, out);
        }
    }

    /// The body of a POST.
    fn post(&mut self, body: &str, now: Moment, out: &mut Vec<Output>) {
        self.engine.post_ended();
        let mut ok = !self.engine.is_closed();
        for packet in payload(body) {
            if self.engine.is_closed() {
                break;
            }
            if let Ok(packet) = packet {
                if let Some(message) = self.engine.packet(packet, now, out) {
                    self.message(message, now, out);
                }
            } else {
                ok = false;
                self.engine.close(DisconnectReason::ParseError, Owes::Nothing, now, out);
            }
        }
        out.push(Output::PostAnswer { ok });
    }

    fn text(&mut self, text: &str, now: Moment, out: &mut Vec<Output>) {
        match EnginePacket::decode(text) {
            // On a websocket binary is a frame of its own; and no packet ends what already ended.
            Ok(EnginePacket::Binary(_)) | Err(_) => {
                self.engine.close(DisconnectReason::ParseError, Owes::Nothing, now, out);
            }
            Ok(packet) => {
                if let Some(message) = self.engine.packet(packet, now, out) {
                    self.message(message, now, out);
                }
            }
        }
    }

    fn message(&mut self, message: Message, now: Moment, out: &mut Vec<Output>) {
        let Some(layer) = &mut self.socket else {
            out.push(Output::Message(message));
            return;
        };
        match layer.message(message, self.limits.max_namespaces, now) {
            Ok(Some(output)) => out.push(output),
            Ok(None) => {}
            Err(Misplaced(reason)) => self.engine.close(reason, Owes::Close, now, out),
        }
        if let Some(settled) = layer.rate.as_ref().and_then(TokenBucket::settled_at) {
            self.engine.pause_reading(settled);
        }
    }

    /// When the connection ended, so did its namespaces.
    fn settle(&mut self, out: &mut Vec<Output>) {
        let Some(at) = out.iter().position(|output| matches!(output, Output::Closed { .. })) else {
            return;
        };
        let Output::Closed { reason } = out[at] else { return };
        if let Some(layer) = &mut self.socket {
            layer.connect_by = None;
            let left = layer.spaces.drain().map(|namespace| Output::Left { namespace, reason });
            let left: Vec<_> = left.collect();
            out.splice(at..at, left);
        }
    }

    /// The next moment [`Input::Time`] is wanted.
    pub fn deadline(&self) -> Option<Moment> {
        let connect_by = self.socket.as_ref().and_then(|layer| layer.connect_by);
        [self.engine.deadline(), connect_by].into_iter().flatten().min()
    }

    /// Until when nothing more is to be read of the client, which has sent more than
    /// [`SessionLimits::event_rate`] allows.
    pub fn paused_until(&self, now: Moment) -> Option<Moment> {
        self.engine.paused_until().filter(|until| *until > now)
    }

    /// Whether the session ended.
    pub fn is_closed(&self) -> bool {
        self.engine.is_closed()
    }

    /// How its pings fared.
    pub fn heartbeat(&self) -> Heartbeat {
        self.engine.heartbeat()
    }

    /// How the session is connected now.
    pub fn transport(&self) -> Transport {
        self.engine.transport()
    }

    /// Whether a namespace is joined.
    pub fn is_joined(&self, namespace: &str) -> bool {
        self.socket.as_ref().is_some_and(|layer| layer.spaces.is_joined(namespace))
    }

    /// Whether something waits to be sent: until it does not, a client that reads is not done reading.
    pub fn has_queued(&self) -> bool {
        self.engine.has_queued()
    }

    /// Gives a websocket up to about `budget` bytes to write, as whole frames.
    pub fn pull(&mut self, conn: u64, budget: usize, into: &mut VecDeque<Bytes>) -> Pull {
        self.engine.pull(conn, budget, into)
    }

    /// Answers a CONNECT with yes; `pid` is what the client may come back with. False when it is gone
    /// already.
    pub fn accept(
        &mut self,
        namespace: &str,
        sid: &str,
        pid: Option<&str>,
        now: Moment,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(layer) = &mut self.socket else { return false };
        let ids = [("sid", Some(sid)), ("pid", pid)];
        let payload = ids.into_iter().filter_map(|(name, id)| Some((name.into(), id?.into()))).collect();
        let Some(frames) = layer.spaces.accept(namespace, payload) else { return false };
        layer.connect_by = None;
        let sent = self.engine.send(&frames, now, out);
        self.settle(out);
        sent.is_ok()
    }

    /// Answers a CONNECT with no.
    pub fn refuse(
        &mut self,
        namespace: &str,
        message: &str,
        data: Option<&Value>,
        now: Moment,
        out: &mut Vec<Output>,
    ) {
        let Some(layer) = &mut self.socket else { return };
        if let Some(frame) = layer.spaces.refuse(namespace, message, data) {
            // A full queue closes the session, which is all that can be done about it.
            let _ = self.engine.send(&[frame], now, out);
            self.settle(out);
        }
    }

    /// Sends an event. Before the CONNECT is answered it waits behind the answer.
    pub fn send(&mut self, event: &Outgoing, now: Moment, out: &mut Vec<Output>) -> Result<(), SendError> {
        self.send_frames(event.namespace(), event.frames(), now, out)
    }

    /// The short way of [`ServerSession::send`], for the many: sends an event if the namespace is joined by websocket
    /// and the queue has room, so that nothing comes of it but [`Output::Wake`], which the caller is to do. False:
    /// nothing was done.
    pub fn queue(&mut self, event: &Outgoing) -> bool {
        self.is_joined(event.namespace()) && self.engine.queue(event.frames())
    }

    /// Sends an event that asks for an acknowledgement with this id.
    pub fn send_with_ack(
        &mut self,
        event: &Outgoing,
        ack: u64,
        now: Moment,
        out: &mut Vec<Output>,
    ) -> Result<(), SendError> {
        self.send_frames(event.namespace(), &event.with_ack(ack), now, out)
    }

    fn send_frames(
        &mut self,
        namespace: &str,
        frames: &[Frame],
        now: Moment,
        out: &mut Vec<Output>,
    ) -> Result<(), SendError> {
        let Some(layer) = &mut self.socket else { return Err(SendError::Closed) };
        let sent = match layer.spaces.hold(namespace, frames, &self.limits) {
            Placed::Absent => Err(SendError::Closed),
            Placed::Held => Ok(()),
            Placed::Joined => self.engine.send(frames, now, out),
            Placed::Full => {
                self.engine.close(DisconnectReason::QueueFull, Owes::Close, now, out);
                Err(SendError::QueueFull)
            }
        };
        self.settle(out);
        sent
    }

    /// Sends an event only if it can leave at once; answers whether it did.
    pub fn send_volatile(&mut self, event: &Outgoing, now: Moment, out: &mut Vec<Output>) -> bool {
        self.is_joined(event.namespace()) && self.engine.is_writable() && self.send(event, now, out).is_ok()
    }

    /// Sends an acknowledgement, made with [`Encoded::ack`] or [`Encoded::ack_args`].
    pub fn acknowledge(
        &mut self,
        namespace: &str,
        ack: &Encoded,
        now: Moment,
        out: &mut Vec<Output>,
    ) -> Result<(), SendError> {
        let mut frames = vec![Frame::text(&[b"4", ack.text.as_bytes()])];
        frames.extend(ack.attachments.iter().map(|bytes| Frame::binary(bytes)));
        self.send_frames(namespace, &frames, now, out)
    }

    /// Sends a message of a bare session.
    pub fn send_message(
        &mut self,
        message: &Message,
        now: Moment,
        out: &mut Vec<Output>,
    ) -> Result<(), SendError> {
        let frame = match message {
            Message::Text(text) => Frame::text(&[b"4", text.as_bytes()]),
            Message::Binary(bytes) => Frame::binary(bytes),
        };
        let sent = self.engine.send(&[frame], now, out);
        self.settle(out);
        sent
    }

    /// Disconnects the client from a namespace.
    pub fn leave(&mut self, namespace: &str, now: Moment, out: &mut Vec<Output>) {
        let Some(layer) = &mut self.socket else { return };
        if let Some(frame) = layer.spaces.leave(namespace) {
            let reason = DisconnectReason::ServerNamespaceDisconnect;
            out.push(Output::Left { namespace: namespace.into(), reason });
            let _ = self.engine.send(&[frame], now, out);
            self.settle(out);
        }
    }

    /// Disconnects the client from every namespace and closes the connection.
    pub fn disconnect(&mut self, now: Moment, out: &mut Vec<Output>) {
        let names = self.socket.as_ref().map(|layer| layer.spaces.names()).unwrap_or_default();
        for namespace in names {
            self.leave(&namespace, now, out);
        }
        self.close(DisconnectReason::ForcedServerClose, now, out);
    }

    /// Closes the connection.
    pub fn close(&mut self, reason: DisconnectReason, now: Moment, out: &mut Vec<Output>) {
        self.engine.close(reason, Owes::Close, now, out);
        self.settle(out);
    }
}

impl SocketLayer {
    fn message(
        &mut self,
        message: Message,
        max_namespaces: usize,
        now: Moment,
    ) -> Result<Option<Output>, Misplaced> {
        let packet = match message {
            Message::Text(text) => {
                self.size = text.len();
                self.decoder.text(&text)?
            }
            Message::Binary(bytes) => {
                self.size += bytes.len();
                self.decoder.binary(bytes)?
            }
        };
        let Some(packet) = packet else { return Ok(None) };
        if self.rate.as_mut().is_some_and(|rate| !rate.take_on_credit(now)) {
            return Err(Misplaced(DisconnectReason::RateLimit));
        }
        self.spaces.packet(packet, self.size, max_namespaces).map(Some)
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
