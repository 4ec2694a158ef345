//! The server that the published protocol test suites are run against.
//!
//! `PORT` (default 3000), `PING_INTERVAL`, `PING_TIMEOUT` and `CONNECT_TIMEOUT` in milliseconds
//! (defaults 300, 200 and 1,000), `WORKERS` (default 1) and `RECOVERY` (1 turns connection state recovery on) come from
//! the environment.

use std::{env, time::Duration};

use actix_socketio::{
    Config, ConnectError, EngineHandler, EngineIo, EngineMessage, EngineSocket, Event, Handler, Handshake,
    HttpServer, Outgoing, Recovery, Socket, SocketIo,
};
use actix_web::{App, rt::time::sleep};
use async_trait::async_trait;
use serde_json::Value;

struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn connect(&self, socket: &Socket, handshake: &Handshake) -> Result<(), ConnectError> {
        socket.set_data(handshake.auth.clone());
        Ok(())
    }

    async fn connected(&self, socket: &Socket) {
        // Apart from the answer to CONNECT: clients that listen for one message after the other
        // would miss the second of two that arrive in one read.
        sleep(Duration::from_millis(10)).await;
        let Some(auth) = socket.data::<Value>() else { return };
        let _ = socket.emit("auth", &*auth);
    }

    async fn event(&self, socket: &Socket, event: Event) -> Option<Vec<Value>> {
        match event.name.as_str() {
            "message" => {
                let (args, attachments) = (event.args.values(), event.args.attachments());
                let back = Outgoing::event_with_args(socket.namespace(), "message-back", args, attachments);
                if let Ok(back) = back {
                    let _ = socket.send(&back);
                }
            }
            "message-with-ack" => {
                if let Some(ack) = event.ack {
                    let _ = ack.send_args(&event.args);
                }
            }
            // Answered by an event to this socket only, which is what recovery has to bring back, too.
            "hi" => {
                let _ = socket.emit("hi", &());
            }
            _ => {}
        }
        None
    }
}

struct Mirror;

#[async_trait]
impl EngineHandler for Mirror {
    async fn message(&self, socket: &EngineSocket, message: EngineMessage) {
        let _ = socket.send(&message);
    }
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn config(path: &str) -> Config {
    let mut config = Config::at(path);
    config.limits.ping_interval = Duration::from_millis(number("PING_INTERVAL", 300));
    config.limits.ping_timeout = Duration::from_millis(number("PING_TIMEOUT", 200));
    config.limits.connect_timeout = Duration::from_millis(number("CONNECT_TIMEOUT", 1_000));
    config.recovery = (number("RECOVERY", 0) > 0).then(Recovery::default);
    config
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = u16::try_from(number("PORT", 3_000)).unwrap_or(3_000);
    let workers = usize::try_from(number("WORKERS", 1)).unwrap_or(1).max(1);
    let engine = EngineIo::new(config("/engine.io/"), Mirror);
    let server = SocketIo::builder()
        .config(config("/socket.io/"))
        .namespace("/", Echo)
        .namespace("/custom", Echo)
        .build();
    HttpServer::new(move || App::new().configure(server.configure()).configure(engine.configure()))
        .workers(workers)
        .bind(("127.0.0.1", port))?
        .run()?
        .await
}
