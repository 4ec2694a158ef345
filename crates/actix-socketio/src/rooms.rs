//! Who is in a namespace and in which rooms, and what each of them would miss.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use parking_lot::RwLock;

use crate::{
    Outgoing, Recovery, SendError,
    data::Data,
    handshake::Previous,
    recovery::{Parked, Store},
};

/// What can be in rooms: a socket.
pub(crate) trait Member: Clone {
    fn id(&self) -> &str;

    /// The id by which it may come back.
    fn pid(&self) -> &str;

    /// Whether both are the same, and not only of the same id.
    fn is(&self, other: &Self) -> bool;

    /// Whether it has left, or its connection is lost.
    fn is_gone(&self) -> bool;

    /// Whether it is there, or may come back.
    fn may_return(&self) -> bool;

    /// Queues an event. Never comes back here.
    fn deliver(&self, event: &Outgoing) -> Result<(), SendError>;
}

/// The members of one namespace.
pub(crate) struct Rooms<M> {
    pub(crate) name: Box<str>,
    state: RwLock<State<M>>,
    epoch: Instant,
    has_store: bool,
}

/// Locked for looking and changing only. With recovery also while an event is sent, so that its
/// place in the log is its place on every wire; sending never comes back here.
struct State<M> {
    members: HashMap<String, M>,
    rooms: HashMap<String, HashSet<String>>,
    /// The rooms of each member, so that it leaves them without a search.
    joined: HashMap<String, HashSet<String>>,
    store: Option<Store>,
}

impl<M: Member> Rooms<M> {
    pub(crate) fn new(name: &str, recovery: Option<Recovery>) -> Self {
        // Without room for a single event the application has a log of its own, and nothing is ours to recover.
        let store = recovery.filter(|recovery| recovery.max_events > 0).map(Store::new);
        let has_store = store.is_some();
        let (members, rooms, joined) = (HashMap::new(), HashMap::new(), HashMap::new());
        let state = RwLock::new(State { members, rooms, joined, store });
        Self { name: name.into(), state, epoch: Instant::now(), has_store }
    }

    /// Adds a member; one that came back gets its rooms, and what it missed in them before
    /// anything new.
    pub(crate) fn add(&self, member: &M, back: Option<&(Parked, u64)>) {
        let mut state = self.state.write();
        state.members.insert(member.id().into(), member.clone());
        let Some((parked, offset)) = back else { return };
        for room in &parked.rooms {
            state.join(member.id(), room);
        }
        for event in state.store.iter().flat_map(|store| store.missed(*offset, member.id(), &parked.rooms)) {
            if member.deliver(event).is_err() {
                break;
            }
        }
    }

    /// Removes a member; with `data` it is remembered, as one that may come back.
    pub(crate) fn remove(&self, member: &M, data: Option<Data>) {
        let id = member.id();
        let mut state = self.state.write();
        let known = state.members.get(id).is_some_and(|known| known.is(member));
        // An id that came back belongs to the newer member.
        if !known && state.members.contains_key(id) {
            return;
        }
        state.members.remove(id);
        let rooms = state.joined.remove(id).unwrap_or_default();
        for room in &rooms {
            leave(&mut state.rooms, room, id);
        }
        if let (Some(data), Some(store)) = (data, &mut state.store) {
            let at = self.epoch.elapsed();
            let parked = Parked { sid: id.into(), rooms: rooms.into_iter().collect(), data, at };
            store.park(member.pid().into(), parked, at);
        }
    }

    /// The member that a client was before it lost its connection.
    pub(crate) fn take(&self, previous: &Previous) -> Option<(Parked, u64)> {
        let mut state = self.state.write();
        state.store.as_mut()?.take(&previous.pid, &previous.offset, self.epoch.elapsed())
    }

    /// Gives back what [`Rooms::take`] gave: the client was refused and may try again.
    pub(crate) fn give_back(&self, pid: &str, parked: Parked) {
        if let Some(store) = &mut self.state.write().store {
            store.park(pid.into(), parked, self.epoch.elapsed());
        }
    }

    /// Sends to one member. With recovery it is kept for the member, should that lose its
    /// connection or have lost it just now: then it is as good as sent.
    pub(crate) fn send(&self, member: &M, event: &Outgoing) -> Result<(), SendError> {
        if !self.has_store || event.has_offset() {
            return member.deliver(event);
        }
        let now = self.epoch.elapsed();
        let state = &mut *self.state.write();
        let Some(store) = &mut state.store else { return member.deliver(event) };
        let to = [member.id().to_owned()];
        match state.members.get(member.id()) {
            Some(present) if present.may_return() => {
                let event = store.log(event, &to, &[], now);
                match present.deliver(&event) {
                    Err(SendError::Closed) if present.may_return() => Ok(()),
                    delivered => delivered,
                }
            }
            None if store.is_parked(member.pid()) => {
                store.log(event, &to, &[], now);
                Ok(())
            }
            // It has left for good, or has not come yet: what is sent meanwhile waits for the answer to its CONNECT,
            // and is sent anew by whoever sends it each time that it comes.
            _ => member.deliver(event),
        }
    }

    /// Sends to the members in any of the rooms `to` (all members if there are none) that are in
    /// none of `except`; answers how many took it.
    pub(crate) fn broadcast(&self, to: &[String], except: &[String], event: &Outgoing) -> usize {
        let reach = |members: Vec<M>, event: &Outgoing| {
            members.iter().filter(|member| member.deliver(event).is_ok()).count()
        };
        if !self.has_store || event.has_offset() {
            return reach(self.select(to, except), event);
        }
        let mut state = self.state.write();
        let now = self.epoch.elapsed();
        let logged = state.store.as_mut().map(|store| store.log(event, to, except, now));
        reach(state.select(to, except), logged.as_ref().unwrap_or(event))
    }

    /// The members that [`Rooms::broadcast`] would reach.
    pub(crate) fn select(&self, to: &[String], except: &[String]) -> Vec<M> {
        self.state.read().select(to, except)
    }

    pub(crate) fn get(&self, id: &str) -> Option<M> {
        self.state.read().members.get(id).cloned()
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.state.read().members.contains_key(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.state.read().members.len()
    }

    pub(crate) fn room_count(&self) -> usize {
        self.state.read().rooms.len()
    }

    pub(crate) fn join(&self, member: &M, room: &str) -> bool {
        let mut state = self.state.write();
        // Under the lock: a member is first gone and then removed, so it leaves no room behind.
        if member.is_gone() {
            return false;
        }
        state.join(member.id(), room)
    }

    pub(crate) fn leave(&self, id: &str, room: &str) {
        let mut state = self.state.write();
        leave(&mut state.rooms, room, id);
        if let Some(rooms) = state.joined.get_mut(id) {
            rooms.remove(room);
            if rooms.is_empty() {
                state.joined.remove(id);
            }
        }
    }

    pub(crate) fn rooms_of(&self, id: &str) -> Vec<String> {
        let state = self.state.read();
        state.joined.get(id).map(|rooms| rooms.iter().cloned().collect()).unwrap_or_default()
    }
}

impl<M: Member> State<M> {
    fn join(&mut self, id: &str, room: &str) -> bool {
        self.rooms.entry(room.into()).or_default().insert(id.into());
        self.joined.entry(id.into()).or_default().insert(room.into())
    }

    fn select(&self, to: &[String], except: &[String]) -> Vec<M> {
        let room = |name: &String| self.rooms.get(name);
        // Every member is also reachable by its own id, as in the reference server.
        let is_out =
            |id: &str| except.iter().any(|name| name == id || room(name).is_some_and(|ids| ids.contains(id)));
        if to.is_empty() {
            let all = self.members.iter().filter(|(id, _)| !is_out(id));
            return all.map(|(_, member)| member.clone()).collect();
        }
        let mut ids = HashSet::new();
        for name in to {
            if self.members.contains_key(name) {
                ids.insert(name.as_str());
            }
            ids.extend(room(name).into_iter().flatten().map(String::as_str));
        }
        let ids = ids.into_iter().filter(|id| !is_out(id));
        ids.filter_map(|id| self.members.get(id).cloned()).collect()
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
