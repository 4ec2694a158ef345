//! Who is connected, and who may come back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fabric_domain::model::{Timestamp, UserId};
use parking_lot::Mutex;

use crate::person::Person;
use crate::session::{NewSession, SocketSession};
use crate::station::Station;

/// The most sessions that wait for their clients.
const MAX_PARKED: usize = 10_000;
/// How long a client may be away and still come back to its session (spec/4 section 1).
const PARKED: Duration = Duration::from_mins(2);

/// The sessions of all users.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    users: Mutex<Users>,
    /// Sessions whose connection is lost and may come back, by their private id.
    parked: Mutex<HashMap<String, Arc<SocketSession>>>,
}

#[derive(Debug, Default)]
struct Users {
    present: HashMap<UserId, User>,
    /// How many users and sessions there have been: their numbers.
    numbers: u64,
}

/// A user who has a session.
#[derive(Debug)]
struct User {
    person: Arc<Person>,
    sessions: Vec<Present>,
}

/// A session of a user. Whether it is connected is said here and not asked of the session, so that of two sockets
/// that come or go at once exactly one is the first or the last.
#[derive(Debug)]
struct Present {
    session: Arc<SocketSession>,
    is_connected: bool,
}

/// A user has as many sockets as one may have.
#[derive(Debug)]
pub(crate) struct TooManySockets;

/// How many of these are connected.
fn connected(sessions: &[Present]) -> usize {
    sessions.iter().filter(|present| present.is_connected).count()
}

impl Users {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

impl Sessions {
    /// Lets a socket in, unless its user has `most` already. Answers its session, and whether it is the user's first.
    pub(crate) fn connect(
        &self,
        new: NewSession,
        station: &Arc<Station>,
        most: usize,
    ) -> Result<(Arc<SocketSession>, bool), TooManySockets> {
        let users = &mut *self.users.lock();
        let (person_number, number) = (users.next_number(), users.next_number());
        let user = &new.caller.user_id;
        let user = users
            .present
            .entry(user.clone())
            .or_insert_with(|| User { person: Person::new(person_number), sessions: Vec::new() });
        let before = connected(&user.sessions);
        if before >= most {
            return Err(TooManySockets);
        }
        let session = Arc::new(SocketSession::new(new, Arc::clone(&user.person), number, station));
        user.sessions.push(Present { session: Arc::clone(&session), is_connected: true });
        Ok((session, before == 0))
    }

    /// A client came back to its session. True when the user has no other socket.
    pub(crate) fn come_back(&self, session: &Arc<SocketSession>) -> bool {
        self.set_connected(session, true) == 1
    }

    /// A connection was lost: keeps the session for a while, if its client may come back. Answers whether it was the
    /// user's last; `None` when it is not kept.
    pub(crate) fn park(&self, pid: &str, session: &Arc<SocketSession>, now: Timestamp) -> Option<bool> {
        let mut parked = self.parked.lock();
        if parked.len() >= MAX_PARKED || !session.lose(now) {
            return None;
        }
        let left = self.set_connected(session, false);
        parked.insert(pid.to_owned(), Arc::clone(session));
        Some(left == 0)
    }

    /// Answers how many sockets of its user are connected now.
    fn set_connected(&self, session: &Arc<SocketSession>, is_connected: bool) -> usize {
        let mut users = self.users.lock();
        let Some(User { sessions, .. }) = users.present.get_mut(session.user()) else { return 0 };
        if let Some(present) = sessions.iter_mut().find(|present| Arc::ptr_eq(&present.session, session)) {
            present.is_connected = is_connected;
        }
        connected(sessions)
    }

    /// The session of a client that comes back.
    pub(crate) fn parked(&self, pid: &str) -> Option<Arc<SocketSession>> {
        self.parked.lock().get(pid).cloned()
    }

    /// It is back, or will not be.
    pub(crate) fn unpark(&self, pid: &str) -> Option<Arc<SocketSession>> {
        self.parked.lock().remove(pid)
    }

    /// Takes out those that have been away for too long.
    pub(crate) fn take_expired(&self, now: Timestamp) -> Vec<Arc<SocketSession>> {
        let before = now.minus(PARKED);
        let mut parked = self.parked.lock();
        parked.extract_if(|_, session| session.is_lost_before(before)).map(|(_, session)| session).collect()
    }

    /// A socket is gone for good. True when it was the user's last.
    pub(crate) fn remove(&self, session: &SocketSession) -> bool {
        let mut users = self.users.lock();
        let Some(User { sessions, .. }) = users.present.get_mut(session.user()) else { return false };
        let before = connected(sessions);
        sessions.retain(|present| present.session.number != session.number);
        let left = connected(sessions);
        if sessions.is_empty() {
            users.present.remove(session.user());
        }
        before > 0 && left == 0
    }

    /// Does something with every connected session. Only what waits for nothing and calls nothing back.
    pub(crate) fn each_connected(&self, mut act: impl FnMut(&Arc<SocketSession>)) {
        let users = self.users.lock();
        let present = users.present.values().flat_map(|user| &user.sessions);
        for present in present.filter(|present| present.is_connected) {
            act(&present.session);
        }
    }

    /// Those of one user, connected or not.
    pub(crate) fn of(&self, user: &UserId) -> Vec<Arc<SocketSession>> {
        let users = self.users.lock();
        let theirs = users.present.get(user).into_iter().flat_map(|user| &user.sessions);
        theirs.map(|present| Arc::clone(&present.session)).collect()
    }

    /// The number of a user who has a session.
    pub(crate) fn number(&self, user: &UserId) -> Option<u64> {
        self.users.lock().present.get(user).map(|user| user.person.number)
    }

    /// How many sockets are connected.
    pub(crate) fn connected_count(&self) -> usize {
        self.users.lock().present.values().map(|user| connected(&user.sessions)).sum()
    }

    /// How many sessions wait for their clients.
    pub(crate) fn parked_count(&self) -> usize {
        self.parked.lock().len()
    }

    /// Whether this user has a connected socket.
    pub(crate) fn is_connected(&self, user: &UserId) -> bool {
        self.users.lock().present.get(user).is_some_and(|user| connected(&user.sessions) > 0)
    }

    /// Everybody who has one.
    pub(crate) fn connected_users(&self) -> Vec<UserId> {
        let users = self.users.lock();
        let connected = users.present.iter().filter(|(_, user)| connected(&user.sessions) > 0);
        connected.map(|(user, _)| user.clone()).collect()
    }
}
