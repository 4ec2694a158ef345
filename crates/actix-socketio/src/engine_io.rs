//! Bare Engine.IO: messages without namespaces and events.

use std::{panic::AssertUnwindSafe, sync::Arc};

use actix_web::web::ServiceConfig;
use async_trait::async_trait;
use futures_util::FutureExt;

use crate::{
    Config, DisconnectReason, SendError, SessionLimits,
    connection::{App, Conn, Connections, JobQueue, Upper},
    http,
    proto::{
        Moment,
        server::{Message, Output, ServerSession, Transport},
    },
};

/// A message of Engine.IO.
pub type EngineMessage = Message;

/// The application's side of a bare Engine.IO server. Calls for one connection never overlap.
#[async_trait]
pub trait EngineHandler: Send + Sync + 'static {
    /// A connection was opened.
    async fn opened(&self, socket: &EngineSocket) {
        let _ = socket;
    }

    /// A message arrived.
    async fn message(&self, socket: &EngineSocket, message: EngineMessage);

    /// The connection is gone.
    async fn closed(&self, socket: &EngineSocket, reason: DisconnectReason) {
        let _ = (socket, reason);
    }
}

/// A bare Engine.IO server. Clones are the same server.
#[derive(Clone)]
pub struct EngineIo {
    connections: Arc<Connections>,
}

impl EngineIo {
    /// A server that answers at [`Config::path`].
    pub fn new(config: Config, handler: impl EngineHandler) -> Self {
        Self { connections: Connections::new(config, Bare { handler: Arc::new(handler) }) }
    }

    /// Registers the server; see [`SocketIo::configure`](crate::SocketIo::configure).
    pub fn configure(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        http::configure(Arc::clone(&self.connections))
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Closes every connection; see [`SocketIo::close`](crate::SocketIo::close).
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

impl std::fmt::Debug for EngineIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineIo").field("config", &self.connections.shared.config).finish_non_exhaustive()
    }
}

/// Serves connections without namespaces.
struct Bare {
    handler: Arc<dyn EngineHandler>,
}

impl App for Bare {
    fn session(
        &self,
        limits: Arc<SessionLimits>,
        sid: &str,
        transport: Transport,
        now: Moment,
    ) -> ServerSession {
        ServerSession::bare(limits, sid, transport, now)
    }

    fn upper(&self) -> Box<dyn Upper> {
        Box::new(Single { handler: Arc::clone(&self.handler), socket: None })
    }
}

/// The only socket of a connection, while there is one.
struct Single {
    handler: Arc<dyn EngineHandler>,
    socket: Option<EngineSocket>,
}

impl Upper for Single {
    fn opened(&mut self, conn: &Arc<Conn>) {
        let socket = EngineSocket { conn: Arc::clone(conn), jobs: Arc::new(JobQueue::new()) };
        self.socket = Some(socket.clone());
        socket.run(&self.handler, EngineJob::Opened);
    }

    fn take(&mut self, conn: &Arc<Conn>, output: Output, _: &mut ServerSession, _: &mut Vec<Output>) {
        match output {
            Output::Message(message) => {
                if let Some(socket) = &self.socket {
                    let size = size(&message);
                    conn.received(size);
                    socket.run(&self.handler, EngineJob::Message(message, size));
                }
            }
            Output::Closed { reason } => {
                if let Some(socket) = self.socket.take() {
                    socket.run(&self.handler, EngineJob::Closed(reason));
                }
            }
            // A bare session has no namespaces, and what is left is the connection's own affair.
            _ => {}
        }
    }
}

/// One connection of a bare Engine.IO server. Clones are the same connection.
#[derive(Clone)]
pub struct EngineSocket {
    conn: Arc<Conn>,
    jobs: Arc<JobQueue<EngineJob>>,
}

enum EngineJob {
    Opened,
    Message(Message, usize),
    Closed(DisconnectReason),
}

impl EngineSocket {
    /// The session's id.
    pub fn id(&self) -> &str {
        &self.conn.sid
    }

    /// Sends a message. Never waits and never calls back.
    pub fn send(&self, message: &EngineMessage) -> Result<(), SendError> {
        self.conn.act(|session, now, out| session.send_message(message, now, out)).0
    }

    /// Closes the connection.
    pub fn close(&self) {
        self.conn.act(|session, now, out| {
            session.close(DisconnectReason::ForcedServerClose, now, out);
        });
    }

    fn run(&self, handler: &Arc<dyn EngineHandler>, job: EngineJob) {
        if self.jobs.push(job) {
            let (socket, handler) = (self.clone(), Arc::clone(handler));
            self.conn.spawn(async move { socket.drive(&*handler).await });
        }
    }

    async fn drive(&self, handler: &dyn EngineHandler) {
        while let Some(job) = self.jobs.next() {
            let mut size = None;
            let work = async {
                match job {
                    EngineJob::Opened => handler.opened(self).await,
                    EngineJob::Message(message, bytes) => {
                        size = Some(bytes);
                        handler.message(self, message).await;
                    }
                    EngineJob::Closed(reason) => handler.closed(self, reason).await,
                }
            };
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(session = self.id(), "handler panicked; connection closed");
                self.close();
            }
            if let Some(size) = size {
                self.conn.handled(size);
            }
        }
    }
}

impl std::fmt::Debug for EngineSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineSocket").field("id", &self.id()).finish_non_exhaustive()
    }
}

fn size(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) => bytes.len(),
    }
}
