//! Who is connected, and who may come back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fabric_domain::model::{Timestamp, UserId};
use parking_lot::Mutex;

use crate::session::SocketSession;

/// The most sessions that wait for their clients.
const MAX_PARKED: usize = 10_000;
/// How long a client may be away and still come back to its session (spec/4 section 1).
const PARKED: Duration = Duration::from_mins(2);

/// The sessions of all users.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    users: Mutex<HashMap<UserId, Vec<Present>>>,
    /// Sessions whose connection is lost and may come back, by their private id.
    parked: Mutex<HashMap<String, Arc<SocketSession>>>,
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

impl Sessions {
    /// Lets a socket in, unless its user has `most` already. True when it is the user's first.
    pub(crate) fn connect(&self, session: &Arc<SocketSession>, most: usize) -> Result<bool, TooManySockets> {
        let mut users = self.users.lock();
        let sessions = users.entry(session.user().clone()).or_default();
        let before = connected(sessions);
        if before >= most {
            return Err(TooManySockets);
        }
        sessions.push(Present { session: Arc::clone(session), is_connected: true });
        Ok(before == 0)
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
        let Some(sessions) = users.get_mut(session.user()) else { return 0 };
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
    pub(crate) fn remove(&self, session: &Arc<SocketSession>) -> bool {
        let mut users = self.users.lock();
        let Some(sessions) = users.get_mut(session.user()) else { return false };
        let before = connected(sessions);
        sessions.retain(|present| !Arc::ptr_eq(&present.session, session));
        let left = connected(sessions);
        if sessions.is_empty() {
            users.remove(session.user());
        }
        before > 0 && left == 0
    }

    /// Every connected socket.
    pub(crate) fn connected(&self) -> Vec<Arc<SocketSession>> {
        let users = self.users.lock();
        let present = users.values().flatten().filter(|present| present.is_connected);
        present.map(|present| Arc::clone(&present.session)).collect()
    }

    /// Every connected socket, and those that may come back.
    pub(crate) fn all(&self) -> Vec<Arc<SocketSession>> {
        self.users.lock().values().flatten().map(|present| Arc::clone(&present.session)).collect()
    }

    /// Those of one user, connected or not.
    pub(crate) fn of(&self, user: &UserId) -> Vec<Arc<SocketSession>> {
        let users = self.users.lock();
        let theirs = users.get(user).into_iter().flatten();
        theirs.map(|present| Arc::clone(&present.session)).collect()
    }

    /// How many sockets are connected.
    pub(crate) fn connected_count(&self) -> usize {
        self.users.lock().values().map(|sessions| connected(sessions)).sum()
    }

    /// How many sessions wait for their clients.
    pub(crate) fn parked_count(&self) -> usize {
        self.parked.lock().len()
    }

    /// Whether this user has a connected socket.
    pub(crate) fn is_connected(&self, user: &UserId) -> bool {
        self.users.lock().get(user).is_some_and(|sessions| connected(sessions) > 0)
    }

    /// Everybody who has one.
    pub(crate) fn connected_users(&self) -> Vec<UserId> {
        let users = self.users.lock();
        users.iter().filter(|(_, sessions)| connected(sessions) > 0).map(|(user, _)| user.clone()).collect()
    }
}
