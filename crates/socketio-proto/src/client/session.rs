//! Both layers of a client's connection together.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    ClientError, ClientEvent, ClientLimits, CloseReason, ProtocolError, Recovery, Transmit,
    namespaces::Namespaces,
};
use crate::{
    Moment,
    packet::{Decoder, Encoded, EnginePacket, Packet, event_packet},
};

/// One connection of a client. See the [module](super) for how it is driven.
#[derive(Debug)]
pub struct ClientSession {
    phase: Phase,
    decoder: Decoder,
    namespaces: Namespaces,
    next_ack: u64,
    events: VecDeque<ClientEvent>,
    /// Not to be taken before the session is open.
    transmits: VecDeque<Transmit>,
}

#[derive(Debug)]
enum Phase {
    /// The server's handshake is due by then.
    Opening {
        by: Moment,
    },
    /// The server's next ping is due by then: `patience` after the one before.
    Open {
        by: Moment,
        patience: Duration,
    },
    Closed,
}

impl ClientSession {
    /// A session on a websocket that was opened just now.
    pub fn new(limits: &ClientLimits, now: Moment) -> Self {
        let decoder = Decoder::new(limits.max_attachments, limits.max_attachment_bytes);
        Self {
            phase: Phase::Opening { by: now + limits.open_timeout },
            decoder: decoder.with_max_values(limits.max_values),
            namespaces: Namespaces::default(),
            next_ack: 0,
            events: VecDeque::new(),
            transmits: VecDeque::new(),
        }
    }

    /// Asks to join a namespace; the answer is [`ClientEvent::Connected`] or
    /// [`ClientEvent::Refused`]. May be called before the server has opened the session. With
    /// `recovery`, from an earlier session, the server is asked for the socket of that session.
    pub fn connect(
        &mut self,
        namespace: &str,
        auth: Map<String, Value>,
        recovery: Option<&Recovery>,
    ) -> Result<(), ClientError> {
        if self.is_closed() {
            return Err(ClientError::Closed);
        }
        let mut payload = Map::new();
        if let Some(recovery) = recovery {
            payload.insert("pid".into(), recovery.pid.clone().into());
            payload.extend(recovery.offset.clone().map(|offset| ("offset".into(), offset.into())));
        }
        payload.extend(auth);
        let payload = (!payload.is_empty()).then_some(payload);
        let encoded = Packet::Connect { namespace: namespace.into(), payload }.encode()?;
        if !self.namespaces.add(namespace, recovery.cloned()) {
            return Err(ClientError::AlreadyConnected(namespace.into()));
        }
        self.transmit(encoded);
        Ok(())
    }

    /// Sends an event. A tuple becomes several arguments; [`Bytes`] anywhere in the payload become
    /// binary attachments.
    pub fn emit<T: Serialize + ?Sized>(
        &mut self,
        namespace: &str,
        name: &str,
        payload: &T,
    ) -> Result<(), ClientError> {
        self.check(namespace)?;
        let encoded = event_packet(namespace, name, payload, None)?;
        self.transmit(encoded);
        Ok(())
    }

    /// Sends an event that asks for an acknowledgement. Returns the id with which that comes
    /// ([`ClientEvent::Acknowledged`]); no other event of this session has the same.
    pub fn emit_with_ack<T: Serialize + ?Sized>(
        &mut self,
        namespace: &str,
        name: &str,
        payload: &T,
    ) -> Result<u64, ClientError> {
        self.check(namespace)?;
        let ack = self.next_ack;
        let encoded = event_packet(namespace, name, payload, Some(ack))?;
        self.next_ack += 1;
        self.transmit(encoded);
        Ok(ack)
    }

    /// Acknowledges an event of the server. A tuple becomes several arguments.
    pub fn acknowledge<T: Serialize + ?Sized>(
        &mut self,
        namespace: &str,
        ack: u64,
        payload: &T,
    ) -> Result<(), ClientError> {
        self.check(namespace)?;
        let encoded = Encoded::ack(namespace, ack, payload)?;
        self.transmit(encoded);
        Ok(())
    }

    /// Leaves a namespace; the connection stays. Nothing more of the namespace is told.
    pub fn disconnect(&mut self, namespace: &str) -> Result<(), ClientError> {
        if self.is_closed() {
            return Err(ClientError::Closed);
        }
        let encoded = Packet::Disconnect { namespace: namespace.into() }.encode()?;
        if !self.namespaces.leave(namespace) {
            return Err(ClientError::NotConnected(namespace.into()));
        }
        self.transmit(encoded);
        Ok(())
    }

    /// Leaves every namespace and closes the connection.
    pub fn close(&mut self) {
        let joined: Vec<_> = self.namespaces.joined().map(str::to_owned).collect();
        for namespace in joined {
            // It is joined, so it can be left.
            let _ = self.disconnect(&namespace);
        }
        if matches!(self.phase, Phase::Open { .. }) {
            self.transmits.push_back(Transmit::Text(EnginePacket::Close.encode()));
        }
        self.end(CloseReason::Client);
    }

    /// A text message arrived.
    pub fn handle_text(&mut self, text: &str, now: Moment) {
        if self.is_closed() {
            return;
        }
        let handled = EnginePacket::decode(text).map_err(ProtocolError::from);
        if let Err(error) = handled.and_then(|packet| self.packet(packet, now)) {
            self.end(CloseReason::Protocol(error));
        }
    }

    /// A binary message arrived.
    pub fn handle_binary(&mut self, bytes: Bytes) {
        if self.is_closed() {
            return;
        }
        // Before the handshake no packet has announced it, so it is refused there as well.
        let decoded = self.decoder.binary(bytes).map_err(ProtocolError::from);
        if let Err(error) = decoded.and_then(|packet| self.message(packet)) {
            self.end(CloseReason::Protocol(error));
        }
    }

    /// The websocket was closed or lost: with the close code if there is one, and why as far as it
    /// is known.
    pub fn handle_closed(&mut self, code: Option<u16>, reason: impl Into<String>) {
        if !self.is_closed() {
            self.end(CloseReason::Transport { code, reason: reason.into() });
        }
        // There is nothing left to write to.
        self.transmits.clear();
    }

    /// Time passed; to be called at [`ClientSession::deadline`] at the latest.
    pub fn handle_timeout(&mut self, now: Moment) {
        match self.phase {
            Phase::Opening { by } if now >= by => self.end(CloseReason::OpenTimeout),
            Phase::Open { by, .. } if now >= by => self.end(CloseReason::PingTimeout),
            _ => {}
        }
    }

    /// The next moment at which [`ClientSession::handle_timeout`] is wanted.
    pub fn deadline(&self) -> Option<Moment> {
        match self.phase {
            Phase::Opening { by } | Phase::Open { by, .. } => Some(by),
            Phase::Closed => None,
        }
    }

    /// What is to be written next, in this order. The queue has no bound of its own: whoever emits
    /// takes from it, too.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        match self.phase {
            Phase::Opening { .. } => None,
            Phase::Open { .. } | Phase::Closed => self.transmits.pop_front(),
        }
    }

    /// What happened next, in the order in which it happened.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether a namespace is joined.
    pub fn is_connected(&self, namespace: &str) -> bool {
        !self.is_closed() && self.namespaces.is_joined(namespace)
    }

    /// What a later session needs to recover the namespace's socket, also after this one is over;
    /// `None` where the server offers no recovery, and for a namespace that either side has left.
    pub fn recovery(&self, namespace: &str) -> Option<&Recovery> {
        self.namespaces.recovery(namespace)
    }

    fn check(&self, namespace: &str) -> Result<(), ClientError> {
        if self.is_closed() {
            return Err(ClientError::Closed);
        }
        if self.namespaces.is_joined(namespace) {
            Ok(())
        } else {
            Err(ClientError::NotConnected(namespace.into()))
        }
    }

    fn packet(&mut self, packet: EnginePacket, now: Moment) -> Result<(), ProtocolError> {
        match (packet, &mut self.phase) {
            (EnginePacket::Open(open), Phase::Opening { .. }) => {
                let patience = Duration::from_millis(open.ping_interval.saturating_add(open.ping_timeout));
                self.phase = Phase::Open { by: now.saturating_add(patience), patience };
                self.events.push_back(ClientEvent::Opened { sid: open.sid });
                Ok(())
            }
            (EnginePacket::Ping, Phase::Open { by, patience }) => {
                *by = now.saturating_add(*patience);
                self.transmits.push_back(Transmit::Text(EnginePacket::Pong.encode()));
                self.events.push_back(ClientEvent::Pinged);
                Ok(())
            }
            (EnginePacket::Message(text), Phase::Open { .. }) => {
                let packet = self.decoder.text(&text)?;
                self.message(packet)
            }
            (EnginePacket::Noop, Phase::Open { .. }) => Ok(()),
            (EnginePacket::Close, _) => {
                self.end(CloseReason::Server);
                Ok(())
            }
            _ => Err(ProtocolError::OutOfPlace),
        }
    }

    /// A Socket.IO packet, once its attachments are there.
    fn message(&mut self, packet: Option<Packet>) -> Result<(), ProtocolError> {
        if let Some(packet) = packet {
            let event = self.namespaces.packet(packet)?;
            self.events.extend(event);
        }
        Ok(())
    }

    fn transmit(&mut self, packet: Encoded) {
        self.transmits.push_back(Transmit::Text(EnginePacket::Message(packet.text).encode()));
        self.transmits.extend(packet.attachments.into_iter().map(Transmit::Binary));
    }

    fn end(&mut self, reason: CloseReason) {
        if self.is_closed() {
            return;
        }
        // Nothing may be said before the handshake, and nothing needs to be unless it is goodbye.
        if matches!(self.phase, Phase::Opening { .. }) || reason != CloseReason::Client {
            self.transmits.clear();
        }
        self.phase = Phase::Closed;
        self.transmits.push_back(Transmit::Close);
        self.events.push_back(ClientEvent::Closed(reason));
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
