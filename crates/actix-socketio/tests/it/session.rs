//! A client that behaves: a session of `socketio-proto` on a websocket.

use std::{net::SocketAddr, time::Duration};

use actix_socketio::proto::{
    Args, ClientEvent, ClientLimits, ClientSession,
    client::{Recovery, Transmit},
};
use serde::Serialize;

use crate::client::{Frame, WS, Ws};

/// A client in the namespace `/`. Dropped, its connection is lost.
pub(crate) struct Client {
    ws: Ws,
    session: ClientSession,
    /// The socket's id.
    pub(crate) id: String,
    /// Whether it is the socket of an earlier session.
    pub(crate) recovered: bool,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, recovery: Option<&Recovery>) -> Self {
        let ws = Ws::connect(address, WS, "").await.ok().unwrap();
        let mut session = ClientSession::new(&ClientLimits::default(), Duration::ZERO);
        session.connect("/", serde_json::Map::new(), recovery).unwrap();
        let mut client = Self { ws, session, id: String::new(), recovered: false };
        loop {
            match client.next().await {
                ClientEvent::Connected { sid, recovered, .. } => {
                    (client.id, client.recovered) = (sid, recovered);
                    return client;
                }
                ClientEvent::Opened { .. } => {}
                other => panic!("CONNECT was answered {other:?}"),
            }
        }
    }

    pub(crate) async fn emit(&mut self, name: &str, payload: &impl Serialize) {
        self.session.emit("/", name, payload).unwrap();
        self.flush().await;
    }

    /// The next event of the server: its name and its arguments.
    pub(crate) async fn event(&mut self) -> (String, Args) {
        match self.next().await {
            ClientEvent::Event { name, args, .. } => (name, args),
            other => panic!("{other:?}"),
        }
    }

    /// Leaves by its own word.
    pub(crate) async fn leave(&mut self) {
        self.session.disconnect("/").unwrap();
        self.flush().await;
    }

    /// Loses the connection.
    pub(crate) fn lose(self) -> Recovery {
        self.session.recovery("/").expect("the server offers recovery").clone()
    }

    async fn flush(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                Transmit::Text(text) => self.ws.text(&text).await,
                Transmit::Binary(bytes) => self.ws.binary(&bytes).await,
                Transmit::Close => self.ws.frame(0x88, &[0x03, 0xe8]).await,
            }
        }
    }

    async fn next(&mut self) -> ClientEvent {
        loop {
            self.flush().await;
            match self.session.poll_event() {
                Some(ClientEvent::Pinged) => {}
                Some(event) => return event,
                // To the session no time passes: deadlines are those of the tests.
                None => match self.ws.next().await {
                    Frame::Text(text) => self.session.handle_text(&text, Duration::ZERO),
                    Frame::Binary(bytes) => self.session.handle_binary(bytes.into()),
                    Frame::Close(code, reason) => self.session.handle_closed(Some(code), reason),
                    Frame::End => self.session.handle_closed(None, "ended"),
                    Frame::Ping | Frame::Pong(_) => {}
                },
            }
        }
    }
}
