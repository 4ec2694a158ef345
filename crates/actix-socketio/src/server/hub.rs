//! What all workers share.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::{runtime::Handle, sync::Notify};

use super::{conn::Conn, engine::EngineHandler, rooms::Space, sweeper::Sweeper};
use crate::{
    Config, DisconnectReason, SessionLimits,
    proto::{
        TokenBucket,
        packet::new_id,
        server::{ServerSession, Transport},
    },
};

/// How long [`Hub::close`] waits for handlers that are still at work.
const CLOSE: Duration = Duration::from_secs(10);
/// Addresses remembered at least, before those that behave are forgotten.
const ADDRESSES: usize = 1024;

pub(super) enum App {
    SocketIo(HashMap<String, Arc<Space>>),
    Engine(Arc<dyn EngineHandler>),
}

pub(super) struct Hub {
    pub(super) config: Config,
    limits: Arc<SessionLimits>,
    pub(super) app: App,
    pub(super) sweeper: Arc<Sweeper>,
    conns: RwLock<HashMap<String, Arc<Conn>>>,
    addresses: Mutex<Addresses>,
    numbers: AtomicU64,
    closing: AtomicBool,
    busy: AtomicUsize,
    idle: Notify,
}

struct Addresses {
    buckets: HashMap<IpAddr, TokenBucket>,
    /// The number of addresses at which to clean up next.
    clean_at: usize,
}

/// Why a handshake is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    TooMany,
    TooFast,
}

impl Hub {
    pub(super) fn new(config: Config, app: App) -> Arc<Self> {
        let mut limits = config.limits.clone();
        limits.upgrades &= config.websocket;
        Arc::new(Self {
            sweeper: Arc::new(Sweeper::new(&limits)),
            limits: Arc::new(limits),
            config,
            app,
            conns: RwLock::default(),
            addresses: Mutex::new(Addresses { buckets: HashMap::new(), clean_at: ADDRESSES }),
            numbers: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            idle: Notify::new(),
        })
    }

    /// A number for a poll or a websocket.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn find(&self, sid: &str) -> Option<Arc<Conn>> {
        self.conns.read().get(sid).cloned()
    }

    pub(super) fn space(&self, namespace: &str) -> Option<Arc<Space>> {
        match &self.app {
            App::SocketIo(spaces) => spaces.get(namespace).cloned(),
            App::Engine(_) => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.conns.read().len()
    }

    /// Whether this address may open another connection now.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> Result<(), Refused> {
        let full = self.config.max_connections.is_some_and(|max| self.len() >= max);
        if full || self.closing.load(Ordering::Acquire) {
            return Err(Refused::TooMany);
        }
        if self.charge(address) { Ok(()) } else { Err(Refused::TooFast) }
    }

    /// Takes one CONNECT from what this address may do now. False when there is none left.
    pub(super) fn charge(&self, address: Option<IpAddr>) -> bool {
        let (Some(rate), Some(address)) = (self.config.connect_rate, address) else {
            return true;
        };
        let now = self.sweeper.now();
        let mut addresses = self.addresses.lock();
        if addresses.buckets.len() >= addresses.clean_at {
            addresses.buckets.retain(|_, bucket| !bucket.is_full(now));
            // At twice what is left, so that cleaning costs the same per address however many.
            addresses.clean_at = (addresses.buckets.len() * 2).max(ADDRESSES);
        }
        let bucket = addresses.buckets.entry(network(address)).or_insert_with(|| TokenBucket::new(rate, now));
        bucket.take(now)
    }

    pub(super) fn open(
        self: &Arc<Self>,
        request: super::handshake::Request,
        transport: Transport,
    ) -> Arc<Conn> {
        let sid = new_id();
        let now = self.sweeper.now();
        let open = match self.app {
            App::SocketIo(_) => ServerSession::open,
            App::Engine(_) => ServerSession::bare,
        };
        let session = open(Arc::clone(&self.limits), &sid, transport, now);
        let conn = Conn::new(Arc::clone(self), sid.clone(), request, session);
        self.conns.write().insert(sid, Arc::clone(&conn));
        conn.start();
        conn
    }

    pub(super) fn forget(&self, sid: &str) {
        // Dropped after the lock is released: it may be the last reference to much.
        let conn = self.conns.write().remove(sid);
        drop(conn);
    }

    /// Runs a piece of work that [`Hub::close`] waits for.
    pub(super) fn spawn(self: &Arc<Self>, runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
        self.busy.fetch_add(1, Ordering::AcqRel);
        let busy = Busy(Arc::clone(self));
        runtime.spawn(async move {
            let _busy = busy;
            work.await;
        });
    }

    pub(super) async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let conns: Vec<_> = self.conns.read().values().cloned().collect();
        for conn in conns {
            conn.act(|session, now, out| {
                session.close(DisconnectReason::ServerShuttingDown, now, out);
            });
        }
        let idle = async {
            loop {
                let notified = self.idle.notified();
                if self.busy.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        if tokio::time::timeout(CLOSE, idle).await.is_err() {
            tracing::warn!("handlers still at work while closing");
        }
        self.sweeper.clear();
        self.conns.write().clear();
    }
}

/// One subscriber has a whole /64 of addresses in IPv6; it is one address to us.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(
            || {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            },
            IpAddr::V4,
        ),
    }
}

struct Busy(Arc<Hub>);

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
