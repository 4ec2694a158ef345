//! Namespaces and rooms: who gets a broadcast.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use parking_lot::RwLock;

use super::{
    handler::Handler,
    handshake::Previous,
    recovery::{Parked, Store},
    socket::Socket,
};
use crate::{Outgoing, Recovery};

/// One namespace: its handler and who is in it.
pub(super) struct Space {
    pub(super) name: Box<str>,
    pub(super) handler: Box<dyn Handler>,
    members: RwLock<Members>,
    epoch: Instant,
    has_store: bool,
}

/// Locked for looking and changing only. With recovery also while a broadcast is sent, so that its
/// place in the log is its place on every wire; sending never comes back here.
#[derive(Default)]
struct Members {
    sockets: HashMap<String, Socket>,
    rooms: HashMap<String, HashSet<String>>,
    /// The rooms of each socket, so that it leaves them without a search.
    joined: HashMap<String, HashSet<String>>,
    store: Option<Store>,
}

impl Space {
    pub(super) fn new(name: &str, handler: Box<dyn Handler>, recovery: Option<Recovery>) -> Arc<Self> {
        let has_store = recovery.is_some();
        let members = Members { store: recovery.map(Store::new), ..Members::default() };
        Arc::new(Self {
            name: name.into(),
            handler,
            members: RwLock::new(members),
            epoch: Instant::now(),
            has_store,
        })
    }

    /// Adds a socket; one that came back gets its rooms, and what it missed in them before
    /// anything new.
    pub(super) fn add(&self, socket: &Socket, back: Option<&(Parked, u64)>) {
        let mut members = self.members.write();
        members.sockets.insert(socket.id().into(), socket.clone());
        let Some((parked, offset)) = back else { return };
        for room in &parked.rooms {
            members.join(socket.id(), room);
        }
        for event in members.store.iter().flat_map(|store| store.missed(*offset, socket.id(), &parked.rooms))
        {
            if socket.emit(event).is_err() {
                break;
            }
        }
    }

    /// Removes a socket; one that may come back is remembered.
    pub(super) fn remove(&self, socket: &Socket, may_return: bool) {
        let id = socket.id();
        let mut members = self.members.write();
        let known = members.sockets.get(id).is_some_and(|known| known.is(socket));
        // An id that came back belongs to the newer socket.
        if !known && members.sockets.contains_key(id) {
            return;
        }
        members.sockets.remove(id);
        let rooms = members.joined.remove(id).unwrap_or_default();
        for room in &rooms {
            leave(&mut members.rooms, room, id);
        }
        if let (true, Some(pid), Some(store)) = (may_return, socket.private_id(), &mut members.store) {
            let (at, data) = (self.epoch.elapsed(), socket.all_data());
            let parked = Parked { sid: id.into(), rooms: rooms.into_iter().collect(), data, at };
            store.park(pid.into(), parked, at);
        }
    }

    /// The socket a client had before it lost its connection.
    pub(super) fn take(&self, previous: &Previous) -> Option<(Parked, u64)> {
        let mut members = self.members.write();
        members.store.as_mut()?.take(&previous.pid, &previous.offset, self.epoch.elapsed())
    }

    /// Gives back what [`Space::take`] gave: the client was refused and may try again.
    pub(super) fn give_back(&self, pid: &str, parked: Parked) {
        if let Some(store) = &mut self.members.write().store {
            store.park(pid.into(), parked, self.epoch.elapsed());
        }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.members.read().sockets.contains_key(id)
    }

    pub(super) fn join(&self, socket: &Socket, room: &str) -> bool {
        let mut members = self.members.write();
        // Under the lock: a socket is first gone and then removed, so it leaves no room behind.
        if socket.is_gone() {
            return false;
        }
        members.join(socket.id(), room)
    }

    pub(super) fn leave(&self, id: &str, room: &str) {
        let mut members = self.members.write();
        leave(&mut members.rooms, room, id);
        if let Some(rooms) = members.joined.get_mut(id) {
            rooms.remove(room);
            if rooms.is_empty() {
                members.joined.remove(id);
            }
        }
    }

    pub(super) fn rooms_of(&self, id: &str) -> Vec<String> {
        let members = self.members.read();
        members.joined.get(id).map(|rooms| rooms.iter().cloned().collect()).unwrap_or_default()
    }
}

impl Members {
    fn join(&mut self, id: &str, room: &str) -> bool {
        self.rooms.entry(room.into()).or_default().insert(id.into());
        self.joined.entry(id.into()).or_default().insert(room.into())
    }

    fn select(&self, to: &[String], except: &[String]) -> Vec<Socket> {
        let room = |name: &String| self.rooms.get(name);
        // Every socket is also reachable by its own id, as in the reference server.
        let is_out =
            |id: &str| except.iter().any(|name| name == id || room(name).is_some_and(|ids| ids.contains(id)));
        if to.is_empty() {
            let all = self.sockets.iter().filter(|(id, _)| !is_out(id));
            return all.map(|(_, socket)| socket.clone()).collect();
        }
        let mut ids = HashSet::new();
        for name in to {
            if self.sockets.contains_key(name) {
                ids.insert(name.as_str());
            }
            ids.extend(room(name).into_iter().flatten().map(String::as_str));
        }
        let ids = ids.into_iter().filter(|id| !is_out(id));
        ids.filter_map(|id| self.sockets.get(id).cloned()).collect()
    }
}

fn leave(rooms: &mut HashMap<String, HashSet<String>>, room: &str, id: &str) {
    if let Some(ids) = rooms.get_mut(room) {
        ids.remove(id);
        if ids.is_empty() {
            rooms.remove(room);
        }
    }
}

/// One namespace of a running server.
#[derive(Clone)]
pub struct Namespace {
    pub(super) space: Arc<Space>,
}

impl Namespace {
    /// Its name, starting with `/`.
    pub fn name(&self) -> &str {
        &self.space.name
    }

    /// How many sockets are in it.
    pub fn len(&self) -> usize {
        self.space.members.read().sockets.len()
    }

    /// Whether no socket is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rooms have members.
    pub fn room_count(&self) -> usize {
        self.space.members.read().rooms.len()
    }

    /// Everybody in the namespace.
    pub fn all(&self) -> BroadcastOperator {
        BroadcastOperator { space: Arc::clone(&self.space), to: Vec::new(), except: Vec::new() }
    }

    /// Everybody in a room (or the socket with this id).
    pub fn to(&self, room: impl Into<String>) -> BroadcastOperator {
        self.all().to(room)
    }

    /// The socket with this id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.space.members.read().sockets.get(id).cloned()
    }
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespace").field("name", &self.space.name).finish_non_exhaustive()
    }
}

/// A choice of sockets to send to.
#[derive(Clone)]
pub struct BroadcastOperator {
    pub(super) space: Arc<Space>,
    pub(super) to: Vec<String>,
    pub(super) except: Vec<String>,
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
        self.space.members.read().select(&self.to, &self.except)
    }

    /// Sends to the chosen sockets; answers how many took it. Slow ones are closed, not waited
    /// for.
    pub fn emit(&self, event: &Outgoing) -> usize {
        let reach = |sockets: Vec<Socket>, event: &Outgoing| {
            sockets.iter().filter(|socket| socket.emit(event).is_ok()).count()
        };
        if self.space.has_store {
            let mut members = self.space.members.write();
            let now = self.space.epoch.elapsed();
            let logged = members.store.as_mut().map(|store| store.log(event, &self.to, &self.except, now));
            reach(members.select(&self.to, &self.except), logged.as_ref().unwrap_or(event))
        } else {
            reach(self.sockets(), event)
        }
    }

    /// Sends to those of the chosen sockets that can take it at once; answers how many did.
    pub fn emit_volatile(&self, event: &Outgoing) -> usize {
        self.sockets().iter().filter(|socket| socket.emit_volatile(event)).count()
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
            .field("namespace", &self.space.name)
            .field("to", &self.to)
            .field("except", &self.except)
            .finish()
    }
}
