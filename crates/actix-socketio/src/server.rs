//! The server: built once, registered in every worker.

use std::{collections::HashMap, sync::Arc};

use actix_web::web::ServiceConfig;

use crate::{
    Config,
    broadcast::Namespace,
    connection::Connections,
    dispatch::{Namespaces, Served, WithNamespaces},
    handler::Handler,
    http,
};

/// A Socket.IO server. Clones are the same server; all actix workers share it, so that the
/// requests of one session may arrive at any of them.
#[derive(Clone)]
pub struct SocketIo {
    connections: Arc<Connections>,
    namespaces: Namespaces,
}

impl SocketIo {
    /// Begins a server with [`Config::default`] and no namespace.
    pub fn builder() -> Builder {
        Builder { config: Config::default(), handlers: HashMap::new() }
    }

    /// Registers the server's routes: `App::new().configure(server.configure())`. The application is to be served by
    /// [`HttpServer`](crate::HttpServer); with actix's own only long-polling works.
    pub fn configure(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        http::configure(Arc::clone(&self.connections))
    }

    /// A namespace, for broadcasts from outside of its handler. `None` if there is no such.
    pub fn of(&self, namespace: &str) -> Option<Namespace> {
        self.namespaces.get(namespace).map(|served| Namespace::new(&served.rooms))
    }

    /// How many connections there are, with or without a namespace.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Disconnects every socket with [`crate::DisconnectReason::ServerShuttingDown`], waits for
    /// their handlers (10 s at most) and until what was on its way to clients that read is written (5 s at most), and
    /// accepts nobody any more.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

impl std::fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocketIo").field("config", &self.connections.shared.config).finish_non_exhaustive()
    }
}

/// Collects what a server needs.
#[must_use]
pub struct Builder {
    config: Config,
    handlers: HashMap<String, Box<dyn Handler>>,
}

impl Builder {
    /// Sets every limit and interval.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds a namespace. Only what was added exists: even `/` is refused unless it was.
    pub fn namespace(mut self, name: &str, handler: impl Handler) -> Self {
        let name = format!("/{}", name.trim_start_matches('/'));
        self.handlers.insert(name, Box::new(handler));
        self
    }

    /// The server.
    pub fn build(self) -> SocketIo {
        let recovery = self.config.recovery.clone();
        let served = self.handlers.into_iter().map(|(name, handler)| {
            let served = Served::new(&name, handler, recovery.clone());
            (name, Arc::new(served))
        });
        let namespaces: Namespaces = Arc::new(served.collect());
        SocketIo {
            connections: Connections::new(self.config, WithNamespaces(Arc::clone(&namespaces))),
            namespaces,
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}
