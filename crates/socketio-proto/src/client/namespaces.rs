//! The namespaces a client is in.

use serde_json::Value;

use super::{ClientEvent, ProtocolError, Recovery};
use crate::packet::{Args, Packet};

/// A list: nearly all clients are in one.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    list: Vec<Namespace>,
}

#[derive(Debug)]
struct Namespace {
    name: String,
    is_joined: bool,
    /// While the CONNECT is not answered: what was asked for. Then: what the server gave, and the
    /// last offset.
    recovery: Option<Recovery>,
}

impl Namespaces {
    fn find(&mut self, name: &str) -> Option<&mut Namespace> {
        self.list.iter_mut().find(|namespace| namespace.name == name)
    }

    fn remove(&mut self, name: &str) -> Option<Namespace> {
        let at = self.list.iter().position(|namespace| namespace.name == name)?;
        Some(self.list.swap_remove(at))
    }

    /// Notes a CONNECT; false when the namespace is known already.
    pub(super) fn add(&mut self, name: &str, recovery: Option<Recovery>) -> bool {
        if self.find(name).is_some() {
            return false;
        }
        self.list.push(Namespace { name: name.into(), is_joined: false, recovery });
        true
    }

    /// Leaves a namespace; false when it was not known.
    pub(super) fn leave(&mut self, name: &str) -> bool {
        self.remove(name).is_some()
    }

    pub(super) fn is_joined(&self, name: &str) -> bool {
        self.list.iter().any(|namespace| namespace.name == name && namespace.is_joined)
    }

    pub(super) fn joined(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter(|namespace| namespace.is_joined).map(|namespace| namespace.name.as_str())
    }

    pub(super) fn recovery(&self, name: &str) -> Option<&Recovery> {
        self.list.iter().find(|namespace| namespace.name == name)?.recovery.as_ref()
    }

    /// A packet of the server: what is to be told of it.
    pub(super) fn packet(&mut self, packet: Packet) -> Result<Option<ClientEvent>, ProtocolError> {
        match packet {
            Packet::Connect { namespace, payload } => {
                let payload = payload.unwrap_or_default();
                let id = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
                let joining = self.find(&namespace).filter(|known| !known.is_joined);
                let (Some(known), Some(sid)) = (joining, id("sid")) else {
                    return Err(ProtocolError::OutOfPlace);
                };
                let asked = known.recovery.take();
                let pid = id("pid");
                let recovered = pid.is_some() && asked.as_ref().map(|asked| &asked.pid) == pid.as_ref();
                let offset = asked.filter(|_| recovered).and_then(|asked| asked.offset);
                known.is_joined = true;
                known.recovery = pid.map(|pid| Recovery { pid, offset });
                Ok(Some(ClientEvent::Connected { namespace, sid, recovered }))
            }
            Packet::ConnectError { namespace, message, data } => {
                if self.find(&namespace).is_none_or(|known| known.is_joined) {
                    return Err(ProtocolError::OutOfPlace);
                }
                self.remove(&namespace);
                Ok(Some(ClientEvent::Refused { namespace, message, data }))
            }
            Packet::Disconnect { namespace } => {
                Ok(self.remove(&namespace).map(|_| ClientEvent::Disconnected { namespace }))
            }
            // What was on its way when the namespace was left is nobody's any more.
            other if !self.is_joined(other.namespace()) => Ok(None),
            Packet::Event { namespace, ack, name, args, attachments } => {
                if let (Some(known), None, Some(Value::String(offset))) =
                    (self.find(&namespace).and_then(|known| known.recovery.as_mut()), ack, args.last())
                {
                    known.offset = Some(offset.clone());
                }
                Ok(Some(ClientEvent::Event { namespace, name, args: Args::new(args, attachments), ack }))
            }
            Packet::Ack { namespace, ack, args, attachments } => {
                Ok(Some(ClientEvent::Acknowledged { namespace, ack, args: Args::new(args, attachments) }))
            }
        }
    }
}
