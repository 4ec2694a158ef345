//! A chat: whoever has a name hears what the others in the same room say.
//!
//! `cargo run -p actix-socketio --example chat`, and then with `socket.io-client`:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000", { auth: { name: "ada" } });
//! socket.on("said", ({ by, text }) => console.log(`${by}: ${text}`));
//! await socket.emitWithAck("enter", "kitchen");
//! const heardBy = await socket.emitWithAck("say", "kitchen", "hello");
//! ```

use std::time::Duration;

use actix_socketio::{
    ArgError, Config, ConnectError, DisconnectReason, EmitError, Event, Handler, Handshake, HttpServer,
    Recovery, Socket, SocketIo,
};
use actix_web::{App, rt};
use serde::Serialize;
use serde_json::{Value, json};

struct Chat;

/// What an application attaches to a socket: any type of its own.
struct Name(String);

#[derive(Serialize)]
struct Said<'a> {
    by: &'a str,
    text: &'a str,
}

#[derive(Debug, thiserror::Error)]
enum ChatError {
    #[error("nobody is called that")]
    Nameless,
    #[error(transparent)]
    Argument(#[from] ArgError),
    #[error(transparent)]
    Emit(#[from] EmitError),
}

impl Chat {
    fn handle(socket: &Socket, event: &Event) -> Result<Value, ChatError> {
        let Name(by) = &*socket.data::<Name>().ok_or(ChatError::Nameless)?;
        match event.name.as_str() {
            "enter" => {
                socket.join(&event.arg::<String>(0)?);
                Ok(json!("welcome"))
            }
            "say" => {
                let (room, text): (String, String) = (event.arg(0)?, event.arg(1)?);
                let heard_by = socket.to(room).emit("said", &Said { by, text: &text });
                Ok(json!(heard_by.map_err(EmitError::from)?))
            }
            "remind" => {
                let (socket, after) = (socket.clone(), Duration::from_secs(event.arg(0)?));
                // Outlives the handler, on the same worker.
                rt::spawn(async move {
                    rt::time::sleep(after).await;
                    // Gone meanwhile, if it fails.
                    let _ = socket.emit("reminder", "it is time");
                });
                Ok(json!("noted"))
            }
            _ => Ok(Value::Null),
        }
    }
}

#[async_trait::async_trait]
impl Handler for Chat {
    async fn connect(&self, socket: &Socket, handshake: &Handshake) -> Result<(), ConnectError> {
        let name = handshake.auth["name"].as_str().ok_or(ConnectError::new("who are you?"))?;
        socket.set_data(Name(name.to_owned()));
        Ok(())
    }

    async fn event(&self, socket: &Socket, event: Event) -> Option<Vec<Value>> {
        let answer = Self::handle(socket, &event);
        Some(vec![answer.unwrap_or_else(|error| json!({ "error": error.to_string() }))])
    }

    async fn disconnected(&self, socket: &Socket, reason: DisconnectReason) {
        if let Some(name) = socket.data::<Name>() {
            tracing::info!(name = name.0, %reason, "gone");
        }
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let config = Config::default().with_recovery(Some(Recovery::default()));
    let chat = SocketIo::builder().config(config).namespace("/", Chat).build();
    HttpServer::new(move || App::new().configure(chat.configure())).bind(("127.0.0.1", 3000))?.run()?.await
}
