//! A running guild node: every part, wired.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_socketio::{Config as SocketConfig, Origins, Rate, Recovery, SocketIo};
use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::middleware::{Condition, from_fn};
use fabric_api::realtime::NAMESPACE;
use fabric_domain::decisions::Limits;
use fabric_domain::model::GuildId;
use fabric_domain::ports::{Clock, IdentityCenter, Publisher};
use fabric_domain::services::{Guild, Ports};
use fabric_files::{DiskFiles, FolderError};
use fabric_http::{Api, Room, UploadPace};
use fabric_realtime::{Gateway, Hub};
use fabric_serverkit::program::raise_open_files;
use fabric_serverkit::system::SystemClock;
use fabric_serverkit::web::{
    ConnectionLimits, http_server, safe_headers, with_client_address, with_request_id,
};
use fabric_store_seaorm::{SchemaError, SqlStore, migrate};
use thiserror::Error;
use tokio::task::JoinHandle;

use crate::config::Settings;
use crate::files::sweep_files;
use crate::ids::SystemIds;
use crate::metrics::{self, Metrics};

/// How often expired idempotency keys and wakes are deleted, and texts of deleted messages erased.
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// How often turns are looked at whose deadline may have passed.
const LEASE_TICK: Duration = Duration::from_secs(1);
/// How often it is looked who is active at Center, whose list is remembered for a quarter of a minute.
const PEOPLE_TICK: Duration = Duration::from_secs(10);
/// So many seconds' worth of connections an address may open at once.
const CONNECT_BURST: u32 = 25;
/// How long closing the database may take.
const CLOSING: Duration = Duration::from_secs(30);

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The database cannot be opened, or its schema is not ours.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The folder for files cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {cause}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        cause: std::io::Error,
    },
}

/// A running node. [`Node::stop`] ends it; so does the end of the runtime.
pub struct Node {
    address: SocketAddr,
    guild: Arc<Guild>,
    store: SqlStore,
    gateway: Gateway,
    sockets: SocketIo,
    server: ServerHandle,
    metrics: Option<Metrics>,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    /// Opens the database, binds the address and serves.
    pub async fn start(settings: &Settings, center: Arc<dyn IdentityCenter>) -> Result<Self, StartError> {
        // Before everything else: what is made earlier is not recorded.
        let recorder = settings.metrics_bind.and_then(|address| Some((address, metrics::record()?)));
        let is_measured = recorder.is_some();
        let id = GuildId::new(&settings.node_id);
        let files = DiskFiles::open(&settings.file_dir, &id)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let hub = Hub::start();
        let publisher = Arc::clone(&hub) as Arc<dyn Publisher>;
        let store =
            SqlStore::open(settings.db_url.expose(), settings.db_sync, Arc::clone(&clock), publisher).await?;
        files.belong_to(migrate::made_at(settings.db_url.expose()).await?)?;
        let ports = Ports {
            store: Arc::new(store.clone()),
            files: Arc::new(files),
            center,
            connected: Arc::clone(&hub) as _,
            clock,
            ids: Arc::new(SystemIds),
        };
        let limits = Limits {
            content_max_chars: settings.content_max_chars,
            edit_window_seconds: settings.edit_window_seconds,
            retention_days: settings.retention_days,
            files: settings.files,
        };
        let guild = Arc::new(Guild::new(id, limits, ports));
        let gateway = Gateway::start(hub, Arc::clone(&guild), most(settings.sockets_per_user));
        let sockets =
            SocketIo::builder().config(socket_config(settings)).namespace(NAMESPACE, gateway.clone()).build();
        let api = Api {
            guild: Arc::clone(&guild),
            system_key: settings.commands_sync_key.clone(),
            upload_pace: UploadPace::default(),
            room: Room::default(),
        };

        let (routes, origins) = (sockets.clone(), settings.cors_origins.clone());
        let limits = ConnectionLimits {
            per_address: settings.connections_per_address,
            proxies: settings.trusted_proxies.clone(),
            open_files: raise_open_files(),
        };
        let proxies = settings.trusted_proxies.clone();
        let app = move || {
            let proxies = proxies.clone();
            App::new()
                .wrap(safe_headers())
                .wrap(from_fn(move |request, next| {
                    let proxies = proxies.clone();
                    async move { with_client_address(&proxies, request, next).await }
                }))
                // Registered first: the socket path answers for its own origins.
                .configure(routes.configure())
                .service(
                    actix_web::web::scope("")
                        .wrap(fabric_http::cors(&origins))
                        .wrap(from_fn(with_request_id))
                        .wrap(Condition::new(is_measured, from_fn(fabric_http::measured)))
                        .configure(fabric_http::configure(api.clone())),
                )
        };
        let server = http_server(app, limits);
        let wanted = SocketAddr::new(settings.bind, settings.port);
        let server = server.bind(wanted).map_err(|cause| StartError::Bind { address: wanted, cause })?;
        let address = server.addrs().first().copied().unwrap_or(wanted);
        let metrics = recorder
            .map(|(address, recorder)| {
                Metrics::serve(address, recorder).map_err(|cause| StartError::Bind { address, cause })
            })
            .transpose()?;
        let server = server.run().map_err(|cause| StartError::Bind { address, cause })?;
        let handle = server.handle();
        let serving = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the HTTP server ended");
            }
        });
        tracing::info!(%address, guild = settings.node_id, "the guild is served");
        let tasks = vec![
            serving,
            tokio::spawn(sweep(store.clone(), Arc::clone(&guild))),
            tokio::spawn(watch_turns(Arc::clone(&guild))),
            tokio::spawn(watch_people(Arc::clone(&guild))),
            tokio::spawn(sweep_files(Arc::clone(&guild))),
        ];
        Ok(Self { address, guild, store, gateway, sockets, server: handle, metrics, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The application.
    pub fn guild(&self) -> &Arc<Guild> {
        &self.guild
    }

    /// Disconnects every socket, lets requests finish, and what they wrote be committed and told, closes the
    /// database, and ends.
    pub async fn stop(self) {
        self.sockets.close().await;
        self.gateway.flush().await;
        self.server.stop(true).await;
        if let Some(metrics) = self.metrics {
            metrics.stop().await;
        }
        for task in self.tasks {
            task.abort();
        }
        match tokio::time::timeout(CLOSING, self.store.close()).await {
            Ok(Ok(())) => tracing::info!("the guild has stopped"),
            // What was acknowledged is safe all the same.
            Ok(Err(error)) => tracing::warn!(%error, "the database was not closed"),
            Err(_) => tracing::warn!("the database was not closed: it did not answer in time"),
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A limit, 0 being none.
fn most(limit: u32) -> usize {
    if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) }
}

/// The limits of spec/4 section 4. An agent may join all its channels at once, hence the burst.
fn socket_config(settings: &Settings) -> SocketConfig {
    let mut config = SocketConfig::default();
    if !settings.cors_origins.is_empty() {
        let mut origins = settings.cors_origins.clone();
        origins.push("null".to_owned());
        config.origins = Origins::List(origins);
    }
    // The gateway keeps what a client may have to be sent again; the crate's own store has nothing to keep.
    let mut recovery = Recovery::default();
    (recovery.max_sockets, recovery.max_events) = (0, 0);
    config.recovery = Some(recovery);
    config.limits.event_rate = Some(Rate { per_second: 50, burst: 1_000 });
    // Many agents may live behind one address, and all come back at once after a restart.
    let per_second = settings.connects_per_second;
    config.connect_rate =
        (per_second > 0).then(|| Rate { per_second, burst: per_second.saturating_mul(CONNECT_BURST) });
    config
}

async fn sweep(store: SqlStore, guild: Arc<Guild>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = store.sweep().await {
            tracing::warn!(%error, "expired rows were not deleted");
        }
        match guild.erase_deleted().await {
            Ok(0) => {}
            Ok(texts) => tracing::info!(texts, "texts of deleted messages were erased"),
            Err(error) => tracing::warn!(%error, "texts of deleted messages were not erased"),
        }
    }
}

/// Who is disabled at Center is passed over soon (spec/2 section 8). Of its own: a Center that hangs delays no turn.
async fn watch_people(guild: Arc<Guild>) {
    let mut ticks = tokio::time::interval(PEOPLE_TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = guild.look_who_is_active().await {
            tracing::debug!(%error, "who is active is not known anew");
        }
    }
}

/// Nobody blocks a room: silent speakers are skipped (spec/2 section 9).
async fn watch_turns(guild: Arc<Guild>) {
    let mut ticks = tokio::time::interval(LEASE_TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match guild.expire_turns().await {
            Ok(0) => {}
            Ok(skipped) => tracing::info!(skipped, "silent speakers were skipped"),
            Err(error) => tracing::warn!(%error, "deadlines of turns were not checked"),
        }
    }
}
