//! The server under test, and what its handler saw.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_socketio::{
    Args, Config, ConnectError, DisconnectReason, EngineHandler, EngineIo, EngineMessage, EngineSocket,
    Event, Handler, Handshake, HttpServer, Outgoing, Socket, SocketIo,
};
use actix_web::{App, dev::ServerHandle, rt};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::client::soon;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) io: SocketIo,
    pub(crate) engine: EngineIo,
    pub(crate) log: mpsc::UnboundedReceiver<String>,
    /// Lets handlers of `wait` go on, one at a time.
    pub(crate) gate: Arc<Notify>,
    handle: ServerHandle,
}

pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.limits.connect_timeout = Duration::from_secs(20);
    config
}

impl Server {
    pub(crate) fn start(config: Config) -> Self {
        let (sender, log) = mpsc::unbounded_channel();
        let gate = Arc::new(Notify::new());
        let echo = || Echo { log: sender.clone(), gate: Arc::clone(&gate) };
        let mut raw = config.clone();
        raw.path = "/engine.io/".into();
        let engine = EngineIo::new(raw, Mirror { log: sender.clone() });
        let io =
            SocketIo::builder().config(config).namespace("/", echo()).namespace("/custom", echo()).build();
        let (io_, engine_) = (io.clone(), engine.clone());
        let server =
            HttpServer::new(move || App::new().configure(io_.configure()).configure(engine_.configure()))
                .workers(2)
                // A slow machine is no hostile client.
                .client_request_timeout(Duration::ZERO)
                .disable_signals()
                .bind(("127.0.0.1", 0))
                .unwrap();
        let address = server.addrs()[0];
        let server = server.run().unwrap();
        let handle = server.handle();
        rt::spawn(server);
        Self { address, io, engine, log, gate, handle }
    }

    /// Skips what the handler saw until this.
    pub(crate) async fn saw(&mut self, wanted: &str) {
        loop {
            let line = soon(self.log.recv()).await.unwrap();
            if line == wanted {
                return;
            }
        }
    }

    pub(crate) async fn next(&mut self) -> String {
        soon(self.log.recv()).await.unwrap()
    }

    /// Waits until no connection is left, then stops.
    pub(crate) async fn stop(self) {
        soon(async {
            let spaces = ["/", "/custom"].map(|name| self.io.of(name).unwrap());
            while self.io.connection_count() + self.engine.connection_count() > 0
                || spaces.iter().any(|space| space.len() + space.room_count() > 0)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        self.kill().await;
    }

    pub(crate) async fn kill(self) {
        self.io.close().await;
        self.engine.close().await;
        self.handle.stop(false).await;
    }
}

struct Echo {
    log: mpsc::UnboundedSender<String>,
    gate: Arc<Notify>,
}

impl Echo {
    fn log(&self, line: impl Into<String>) {
        let _ = self.log.send(line.into());
    }
}

#[async_trait]
impl Handler for Echo {
    async fn connect(&self, socket: &Socket, handshake: &Handshake) -> Result<(), ConnectError> {
        self.log(format!("connect {} {}", socket.namespace(), handshake.auth));
        match handshake.auth["token"].as_str() {
            Some("bad") => {
                Err(ConnectError::new("invalid_token").with_data(json!({ "error": "invalid_token" })))
            }
            Some("wait") => {
                self.gate.notified().await;
                Ok(())
            }
            Some("early") => {
                socket.emit("early", &json!(1)).unwrap();
                Ok(())
            }
            Some("who") => {
                let who = json!({
                    "address": handshake.address,
                    "origin": handshake.origin,
                    "query": handshake.query,
                    "cookie": handshake.header("Cookie"),
                });
                socket.emit("who", &who).unwrap();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn connected(&self, socket: &Socket) {
        self.log(format!("connected {}", socket.is_connected()));
    }

    async fn event(&self, socket: &Socket, event_: Event) -> Option<Vec<Value>> {
        let Event { name, args, ack, .. } = event_;
        let (args, attachments) = args.into_parts();
        self.log(format!("event {name} {}", json!(args)));
        match name.as_str() {
            "message" => {
                let back = Outgoing::event_with_args(socket.namespace(), "message-back", &args, &attachments);
                let _ = socket.send(&back.unwrap());
            }
            "binary-ack" => {
                let _ = ack?.send_args(&Args::new(args, attachments));
                return None;
            }
            "wait" => self.gate.notified().await,
            "panic" => panic!("as asked"),
            "thread" => return Some(vec![json!(format!("{:?}", std::thread::current().id()))]),
            // As people do with actix's own runtime; what it is given need not be `Send`.
            "spawn" => {
                let socket = socket.clone();
                rt::spawn(async move {
                    let not_send = std::rc::Rc::new("spawned");
                    tokio::task::yield_now().await;
                    socket.emit("spawned", &**not_send).unwrap();
                });
            }
            "echo" => socket.emit("echo", &args).unwrap(),
            "join" => {
                socket.join(args[0].as_str().unwrap());
            }
            "leave" => socket.leave(args[0].as_str().unwrap()),
            "shout" => {
                let reached = socket.broadcast().emit("shout", &args[0]).unwrap();
                return Some(vec![json!(reached)]);
            }
            "ask" => {
                let socket = socket.clone();
                let log = self.log.clone();
                let limit = Duration::from_millis(args[0].as_u64().unwrap());
                tokio::spawn(async move {
                    let answer = socket.emit_with_ack("asked", &1, limit).await.map(Args::into_parts);
                    let _ = log.send(format!("answer {answer:?}"));
                });
            }
            "count-to" => {
                for n in 1..=args[0].as_u64().unwrap() {
                    if n % 50 == 0 {
                        socket.flushed().await;
                    }
                    let _ = socket.emit("n", &n);
                }
            }
            "leave-me" => socket.disconnect(false),
            "close-me" => socket.disconnect(true),
            "data" => {
                let count = socket.data::<u64>().map_or(0, |count| *count);
                socket.set_data(count + 1);
                return Some(vec![json!(count)]);
            }
            _ => {}
        }
        Some(args)
    }

    async fn disconnected(&self, _: &Socket, reason: DisconnectReason) {
        self.log(format!("disconnected {reason}"));
    }
}

struct Mirror {
    log: mpsc::UnboundedSender<String>,
}

#[async_trait]
impl EngineHandler for Mirror {
    async fn opened(&self, _: &EngineSocket) {
        let _ = self.log.send("opened".into());
    }

    async fn message(&self, socket: &EngineSocket, message: EngineMessage) {
        let _ = socket.send(&message);
    }

    async fn closed(&self, _: &EngineSocket, reason: DisconnectReason) {
        let _ = self.log.send(format!("closed {reason}"));
    }
}
