//! What happens on a connection, brought to the handlers of the namespaces.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use serde_json::Value;

use crate::{
    Args, DisconnectReason, Recovery, SessionLimits,
    connection::{App, Conn, Upper},
    data::Data,
    handler::{Event, Handler},
    handshake::Handshake,
    proto::{
        Moment,
        server::{Output, ServerSession, Transport},
    },
    recovery::Parked,
    rooms::{Member, Rooms},
    socket::{AckSender, Identity, Job, Socket},
};

/// The namespaces of one server, by their names.
pub(crate) type Namespaces = Arc<HashMap<String, Arc<Served>>>;

/// One namespace of a server: who is in it, and the application's side of it.
pub(crate) struct Served {
    pub(crate) rooms: Arc<Rooms<Socket>>,
    handler: Box<dyn Handler>,
}

/// Serves connections with namespaces.
pub(crate) struct WithNamespaces(pub(crate) Namespaces);

impl App for WithNamespaces {
    fn session(
        &self,
        limits: Arc<SessionLimits>,
        sid: &str,
        transport: Transport,
        now: Moment,
    ) -> ServerSession {
        ServerSession::open(limits, sid, transport, now)
    }

    fn upper(&self) -> Box<dyn Upper> {
        Box::new(Sockets { namespaces: Arc::clone(&self.0), list: Vec::new(), first_connect: true })
    }
}

/// The sockets of one connection.
struct Sockets {
    namespaces: Namespaces,
    /// A list: nearly all connections have one. What is refused or has left goes with the next CONNECT.
    list: Vec<(Arc<Served>, Socket)>,
    /// Whether no CONNECT has come yet.
    first_connect: bool,
}

impl Sockets {
    fn find(&self, namespace: &str) -> Option<&(Arc<Served>, Socket)> {
        self.list.iter().find(|(_, socket)| socket.namespace() == namespace && !socket.is_gone())
    }

    /// Whether another CONNECT may be asked about. The first one was paid for when the connection was opened; a client
    /// that is refused and asks again costs the application as much as one that opens a new connection.
    fn may_connect(&mut self, conn: &Conn, now: Moment) -> bool {
        std::mem::replace(&mut self.first_connect, false)
            || conn.shared.admission.charge(conn.request.address, now)
    }

    fn connect(
        &mut self,
        conn: &Arc<Conn>,
        namespace: &str,
        auth: Value,
        session: &mut ServerSession,
        more: &mut Vec<Output>,
    ) {
        let now = conn.shared.now();
        // Also for namespaces that there are not: no client means thousands of those.
        if !self.may_connect(conn, now) {
            session.close(DisconnectReason::RateLimit, now, more);
            return;
        }
        let Some(served) = self.namespaces.get(namespace).cloned() else {
            session.refuse(namespace, "Invalid namespace", None, now, more);
            return;
        };
        self.list.retain(|(_, socket)| !socket.is_gone());
        let socket = Socket::new(Arc::clone(conn), Arc::clone(&served.rooms));
        served.run(&socket, Job::Connect { auth });
        self.list.push((served, socket));
    }
}

impl Upper for Sockets {
    fn opened(&mut self, _: &Arc<Conn>) {}

    fn take(
        &mut self,
        conn: &Arc<Conn>,
        output: Output,
        session: &mut ServerSession,
        more: &mut Vec<Output>,
    ) {
        match output {
            Output::Connect { namespace, auth } => {
                self.connect(conn, &namespace, Value::Object(auth), session, more);
            }
            Output::Event { namespace, name, args, attachments, ack, size } => {
                if let Some((served, socket)) = self.find(&namespace) {
                    conn.received(size);
                    let args = Args::new(args, attachments);
                    served.run(socket, Job::Event { name, args, ack, size });
                }
            }
            Output::Ack { namespace, ack, args, attachments } => {
                if let Some((_, socket)) = self.find(&namespace) {
                    socket.resolve(ack, Args::new(args, attachments));
                }
            }
            Output::Left { namespace, reason } => {
                if let Some((served, socket)) = self.find(&namespace) {
                    socket.left(reason.may_return());
                    served.run(socket, Job::Left { reason });
                }
            }
            // Every namespace was left before.
            Output::Closed { .. } => self.list = Vec::new(),
            // What is left is the connection's own affair, or a bare session's.
            _ => {}
        }
    }
}

impl Served {
    pub(crate) fn new(name: &str, handler: Box<dyn Handler>, recovery: Option<Recovery>) -> Self {
        Self { rooms: Arc::new(Rooms::new(name, recovery)), handler }
    }

    /// Has the handler do a job after those before it.
    fn run(self: &Arc<Self>, socket: &Socket, job: Job) {
        if socket.jobs().push(job) {
            let (served, on) = (Arc::clone(self), socket.clone());
            socket.conn().spawn(async move { served.drive(&on).await });
        }
    }

    async fn drive(&self, socket: &Socket) {
        while let Some(job) = socket.jobs().next() {
            let size = match &job {
                Job::Event { size, .. } => Some(*size),
                _ => None,
            };
            if AssertUnwindSafe(self.perform(socket, job)).catch_unwind().await.is_err() {
                tracing::error!(socket = socket.id(), "handler panicked; connection closed");
                socket.disconnect(true);
            }
            if let Some(size) = size {
                socket.conn().handled(size);
            }
        }
    }

    async fn perform(&self, socket: &Socket, job: Job) {
        match job {
            Job::Connect { auth } => self.connect(socket, auth).await,
            Job::Event { name, args, ack, .. } => {
                let ack = ack.map(|id| AckSender::new(socket.clone(), id));
                let event = Event { name, args, ack: ack.clone() };
                let answer = self.handler.event(socket, event).await;
                if let (Some(ack), Some(args)) = (ack, answer) {
                    // Gone, or sent by the handler already.
                    let _ = ack.send_args(&args.into());
                }
            }
            Job::Left { reason } => {
                let entered = socket.has_entered();
                let data = (entered && reason.may_return()).then(|| socket.all_data());
                self.rooms.remove(socket, data);
                if entered {
                    self.handler.disconnected(socket, reason).await;
                }
                socket.replace_data(Data::default());
            }
        }
    }

    async fn connect(&self, socket: &Socket, auth: Value) {
        let handshake = Handshake::new(auth, &socket.conn().request);
        let back = self.come_back(socket, &handshake).await;
        match self.handler.connect(socket, &handshake).await {
            Ok(()) => self.enter(socket, back).await,
            Err(error) => {
                socket.left(false);
                self.rooms.remove(socket, None);
                if let (Some((parked, _)), Some(previous)) = (back, handshake.previous) {
                    self.rooms.give_back(&previous.pid, parked);
                }
                socket.conn().act(|session, now, out| {
                    session.refuse(socket.namespace(), &error.message, error.data.as_ref(), now, out);
                });
            }
        }
    }

    /// Takes up the identity the client had before it lost its connection, if that is known.
    async fn come_back(&self, socket: &Socket, handshake: &Handshake) -> Option<(Parked, u64)> {
        let previous = handshake.previous.as_ref()?;
        socket.conn().shared.config.recovery.as_ref()?;
        let recovered = self.handler.recover(handshake, previous).await;
        let back = if recovered.is_none() { self.rooms.take(previous) } else { None };
        let sid = recovered.or_else(|| back.as_ref().map(|(parked, _)| parked.sid.clone()))?;
        if self.rooms.contains(&sid) {
            return None;
        }
        let identity = Identity { sid, pid: previous.pid.clone(), recovered: true };
        if !socket.identify(identity) {
            return None;
        }
        let (parked, _) = back.as_ref()?;
        socket.replace_data(parked.data.clone());
        back
    }

    async fn enter(&self, socket: &Socket, back: Option<(Parked, u64)>) {
        socket.enter();
        // Before the answer, so that a broadcast made after it reaches this socket too; what comes
        // earlier waits behind the answer.
        self.rooms.add(socket, back.as_ref());
        let (accepted, _) = socket.conn().act(|session, now, out| {
            let accepted = session.accept(socket.namespace(), socket.id(), socket.private_id(), now, out);
            socket.set_connected(accepted);
            accepted
        });
        if accepted {
            self.handler.connected(socket).await;
        }
    }
}
