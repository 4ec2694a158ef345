//! Sending to many sockets.

use std::sync::Arc;

use serde::Serialize;

use crate::{EncodeError, Outgoing, rooms::Rooms, socket::Socket};

/// One namespace of a running server.
#[derive(Clone)]
pub struct Namespace {
    rooms: Arc<Rooms<Socket>>,
}

impl Namespace {
    pub(crate) fn new(rooms: &Arc<Rooms<Socket>>) -> Self {
        Self { rooms: Arc::clone(rooms) }
    }

    /// Its name, starting with `/`.
    pub fn name(&self) -> &str {
        &self.rooms.name
    }

    /// How many sockets are in it.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether no socket is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rooms have members.
    pub fn room_count(&self) -> usize {
        self.rooms.room_count()
    }

    /// Everybody in the namespace.
    pub fn all(&self) -> BroadcastOperator {
        BroadcastOperator { rooms: Arc::clone(&self.rooms), to: Vec::new(), except: Vec::new() }
    }

    /// Everybody in a room (or the socket with this id).
    pub fn to(&self, room: impl Into<String>) -> BroadcastOperator {
        self.all().to(room)
    }

    /// The socket with this id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.rooms.get(id)
    }
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespace").field("name", &self.rooms.name).finish_non_exhaustive()
    }
}

/// A choice of sockets to send to.
#[derive(Clone)]
pub struct BroadcastOperator {
    rooms: Arc<Rooms<Socket>>,
    to: Vec<String>,
    except: Vec<String>,
}

impl BroadcastOperator {
    /// Also everybody in this room. Nobody gets anything twice.
    #[must_use]
    pub fn to(mut self, room: impl Into<String>) -> Self {
        self.to.push(room.into());
        self
    }

    /// But nobody in this room (nor the socket with this id).
    #[must_use]
    pub fn except(mut self, room: impl Into<String>) -> Self {
        self.except.push(room.into());
        self
    }

    /// The chosen sockets, as they are now.
    pub fn sockets(&self) -> Vec<Socket> {
        self.rooms.select(&self.to, &self.except)
    }

    /// Sends an event to the chosen sockets; answers how many took it. A tuple becomes several
    /// arguments; [`Bytes`](bytes::Bytes) anywhere in the payload become binary attachments. Slow
    /// clients are closed, not waited for.
    pub fn emit<T: Serialize + ?Sized>(&self, name: &str, payload: &T) -> Result<usize, EncodeError> {
        Ok(self.send(&Outgoing::event(&self.rooms.name, name, payload)?))
    }

    /// Sends an event that was encoded before; answers how many of the chosen sockets took it.
    pub fn send(&self, event: &Outgoing) -> usize {
        self.rooms.broadcast(&self.to, &self.except, event)
    }

    /// Sends an event to those of the chosen sockets that can take it at once; answers how many
    /// did.
    pub fn emit_volatile<T: Serialize + ?Sized>(
        &self,
        name: &str,
        payload: &T,
    ) -> Result<usize, EncodeError> {
        Ok(self.send_volatile(&Outgoing::event(&self.rooms.name, name, payload)?))
    }

    /// Sends an event that was encoded before to those of the chosen sockets that can take it at
    /// once; answers how many did.
    pub fn send_volatile(&self, event: &Outgoing) -> usize {
        self.sockets().iter().filter(|socket| socket.send_volatile(event)).count()
    }

    /// Puts the chosen sockets into a room.
    pub fn join(&self, room: &str) {
        for socket in self.sockets() {
            socket.join(room);
        }
    }

    /// Takes the chosen sockets out of a room.
    pub fn leave(&self, room: &str) {
        for socket in self.sockets() {
            socket.leave(room);
        }
    }

    /// Disconnects the chosen sockets.
    pub fn disconnect(&self, close_transport: bool) {
        for socket in self.sockets() {
            socket.disconnect(close_transport);
        }
    }
}

impl std::fmt::Debug for BroadcastOperator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BroadcastOperator")
            .field("namespace", &self.rooms.name)
            .field("to", &self.to)
            .field("except", &self.except)
            .finish()
    }
}

impl Socket {
    /// The namespace, for broadcasts.
    pub fn of(&self) -> Namespace {
        Namespace::new(self.members())
    }

    /// Everybody else in the namespace.
    pub fn broadcast(&self) -> BroadcastOperator {
        self.of().all().except(self.id())
    }

    /// Everybody else in a room.
    pub fn to(&self, room: impl Into<String>) -> BroadcastOperator {
        self.broadcast().to(room)
    }
}
