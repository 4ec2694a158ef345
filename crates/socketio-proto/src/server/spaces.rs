//! Socket.IO: the namespaces one connection is in.

use serde_json::{Map, Value};

use super::{DisconnectReason, Output, queue::Load};
use crate::{
    SessionLimits,
    packet::{DecodeError, Frame, Packet},
};

/// The namespaces of one connection. A list: nearly all connections are in one.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    list: Vec<Space>,
}

#[derive(Debug)]
struct Space {
    name: Box<str>,
    /// While the CONNECT is not answered: what was sent meanwhile and goes out after the answer.
    held: Option<Held>,
}

#[derive(Debug, Default)]
struct Held {
    frames: Vec<Frame>,
    load: Load,
}

/// A packet out of place; the connection is to be closed for this reason.
#[derive(Debug)]
pub(super) struct Misplaced(pub(super) DisconnectReason);

impl From<DecodeError> for Misplaced {
    fn from(_: DecodeError) -> Self {
        Self(DisconnectReason::ParseError)
    }
}

impl Spaces {
    fn find(&mut self, namespace: &str) -> Option<&mut Space> {
        self.list.iter_mut().find(|space| &*space.name == namespace)
    }

    pub(super) fn is_joined(&self, namespace: &str) -> bool {
        self.list.iter().any(|space| &*space.name == namespace && space.held.is_none())
    }

    fn remove(&mut self, namespace: &str) -> Option<Space> {
        let at = self.list.iter().position(|space| &*space.name == namespace)?;
        Some(self.list.swap_remove(at))
    }

    /// A packet of the client.
    pub(super) fn packet(&mut self, packet: Packet, size: usize, max: usize) -> Result<Output, Misplaced> {
        let forced = Misplaced(DisconnectReason::ForcedServerClose);
        if let Packet::Connect { namespace, payload } = packet {
            if self.find(&namespace).is_some() || self.list.len() >= max {
                return Err(forced);
            }
            self.list.push(Space { name: namespace.as_str().into(), held: Some(Held::default()) });
            return Ok(Output::Connect { namespace, auth: payload.unwrap_or_default() });
        }
        if !self.is_joined(packet.namespace()) {
            return Err(forced);
        }
        match packet {
            Packet::Event { namespace, ack, name, args, attachments } => {
                Ok(Output::Event { namespace, name, args, attachments, ack, size })
            }
            Packet::Ack { namespace, ack, args, attachments } => {
                Ok(Output::Ack { namespace, ack, args, attachments })
            }
            Packet::Disconnect { namespace } => {
                self.remove(&namespace);
                Ok(Output::Left { namespace, reason: DisconnectReason::ClientNamespaceDisconnect })
            }
            // Only servers answer a CONNECT.
            Packet::ConnectError { .. } | Packet::Connect { .. } => Err(forced),
        }
    }

    /// Joins a namespace that waits for its answer: what is to be sent, the answer first.
    pub(super) fn accept(&mut self, namespace: &str, payload: Map<String, Value>) -> Option<Vec<Frame>> {
        let held = self.find(namespace)?.held.take()?;
        let answer = Packet::Connect { namespace: namespace.into(), payload: Some(payload) };
        let mut frames = vec![frame(&answer)];
        frames.extend(held.frames);
        Some(frames)
    }

    /// Refuses a namespace that waits for its answer.
    pub(super) fn refuse(&mut self, namespace: &str, message: &str, data: Option<&Value>) -> Option<Frame> {
        self.find(namespace)?.held.as_ref()?;
        self.remove(namespace);
        Some(frame(&Packet::ConnectError {
            namespace: namespace.into(),
            message: message.into(),
            data: data.cloned(),
        }))
    }

    /// Leaves a namespace on the server's side.
    pub(super) fn leave(&mut self, namespace: &str) -> Option<Frame> {
        self.remove(namespace)?;
        Some(frame(&Packet::Disconnect { namespace: namespace.into() }))
    }

    /// Holds frames back if the CONNECT is not answered yet. `None`: not in this namespace.
    pub(super) fn hold(&mut self, namespace: &str, frames: &[Frame], limits: &SessionLimits) -> Placed {
        let Some(space) = self.find(namespace) else { return Placed::Absent };
        let Some(held) = &mut space.held else { return Placed::Joined };
        if !held.load.fits(frames, limits) {
            return Placed::Full;
        }
        for frame in frames {
            held.load.add(frame);
        }
        held.frames.extend_from_slice(frames);
        Placed::Held
    }

    /// Empties the list when the connection ends.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(&mut self.list).into_iter().map(|space| space.name.into())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.list.iter().map(|space| space.name.to_string()).collect()
    }
}

/// What became of frames for a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    Absent,
    Joined,
    Held,
    Full,
}

fn frame(packet: &Packet) -> Frame {
    // Namespaces come from a client that wrote them this way, so this cannot fail.
    let text = packet.encode().map(|encoded| encoded.text).unwrap_or_default();
    Frame::text(&[b"4", text.as_bytes()])
}
