//! The connections of one server.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;

use super::{
    conn::{Conn, Host, Upper},
    request::Request,
    shared::Shared,
};
use crate::{
    Config, DisconnectReason, SessionLimits,
    proto::{
        Moment,
        packet::new_id,
        server::{ServerSession, Transport},
    },
};

/// How long [`Connections::close`] waits for handlers that are still at work.
const CLOSE: Duration = Duration::from_secs(10);
/// And for websockets whose client does not take what was sent to it, the farewell included.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a server serves: Socket.IO with its namespaces, or bare Engine.IO.
pub(crate) trait App: Send + Sync + 'static {
    /// The session of a new connection.
    fn session(
        &self,
        limits: Arc<SessionLimits>,
        sid: &str,
        transport: Transport,
        now: Moment,
    ) -> ServerSession;

    /// What is above that session.
    fn upper(&self) -> Box<dyn Upper>;
}

/// Has every connection of one server. All workers share it.
pub(crate) struct Connections {
    pub(crate) shared: Arc<Shared>,
    app: Box<dyn App>,
    conns: RwLock<HashMap<String, Arc<Conn>>>,
    closing: AtomicBool,
}

/// Why a handshake is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    TooMany,
    TooFast,
}

impl Connections {
    pub(crate) fn new(config: Config, app: impl App) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::new(Shared::new(config)),
            app: Box::new(app),
            conns: RwLock::default(),
            closing: AtomicBool::new(false),
        })
    }

    pub(crate) fn find(&self, sid: &str) -> Option<Arc<Conn>> {
        self.conns.read().get(sid).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.conns.read().len()
    }

    /// Whether this address may open another connection now.
    pub(crate) fn admit(&self, address: Option<IpAddr>) -> Result<(), Refused> {
        let full = self.shared.config.max_connections.is_some_and(|max| self.len() >= max);
        if full || self.closing.load(Ordering::Acquire) {
            return Err(Refused::TooMany);
        }
        if self.shared.admission.charge(address, self.shared.now()) { Ok(()) } else { Err(Refused::TooFast) }
    }

    /// A new connection, on the worker that calls this.
    pub(crate) fn open(self: &Arc<Self>, request: Request, transport: Transport) -> Arc<Conn> {
        let sid = new_id();
        let limits = Arc::clone(&self.shared.limits);
        let session = self.app.session(limits, &sid, transport, self.shared.now());
        let host = Arc::clone(self) as Arc<dyn Host>;
        let conn = Conn::new(Arc::clone(&self.shared), host, sid.clone(), request, session, self.app.upper());
        self.conns.write().insert(sid, Arc::clone(&conn));
        conn.start();
        conn
    }

    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let conns: Vec<_> = self.conns.read().values().cloned().collect();
        for conn in conns {
            conn.act(|session, now, out| {
                session.close(DisconnectReason::ServerShuttingDown, now, out);
            });
        }
        let handlers = tokio::time::timeout(CLOSE, self.shared.work.ended());
        let farewells = tokio::time::timeout(FAREWELL, self.shared.sockets.ended());
        let (handlers, _) = tokio::join!(handlers, farewells);
        if handlers.is_err() {
            tracing::warn!("handlers still at work while closing");
        }
        self.shared.sweeper.clear();
        self.conns.write().clear();
    }
}

impl Host for Connections {
    fn forget(&self, sid: &str) {
        // Dropped after the lock is released: it may be the last reference to much.
        let conn = self.conns.write().remove(sid);
        drop(conn);
    }
}
