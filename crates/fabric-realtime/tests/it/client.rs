//! A client that also does what no decent one would: fall silent, or go without a word.

use std::collections::VecDeque;
use std::time::Duration;

use fabric_api::realtime::NAMESPACE;
use fabric_domain::model::ChannelId;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use socketio_proto::client::{ClientEvent, ClientLimits, ClientSession, Recovery, Transmit};
use socketio_proto::packet::EnginePacket;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::{DEADLINE, World};

/// Dropped, its connection is lost.
pub(crate) struct Client {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: ClientSession,
    /// What the server called it.
    pub(crate) id: String,
    /// Whether pings are answered.
    pub(crate) answers_pings: bool,
    events: VecDeque<(String, Value)>,
}

impl Client {
    pub(crate) async fn connect(world: &World, user: &str) -> Self {
        Self::open(world, user, None).await
    }

    /// Connects with more in its `auth` than the token.
    pub(crate) async fn connect_with(world: &World, user: &str, auth: &Value) -> Self {
        let more = auth.as_object().expect("an object").clone();
        Self::open_with(world, user, None, more).await
    }

    /// Loses the connection, waits until the server knows, and can be brought back.
    pub(crate) async fn lose(self, world: &World) -> Lost {
        let before = world.hub.socket_count();
        let recovery = self.session.recovery(NAMESPACE).expect("the server offers recovery").clone();
        drop(self.stream);
        world.has_sockets(before - 1).await;
        Lost { recovery }
    }

    /// Leaves by its own word, and waits until the server knows.
    pub(crate) async fn leave_guild(mut self, world: &World) {
        let before = world.hub.socket_count();
        self.session.disconnect(NAMESPACE).unwrap();
        self.flush().await;
        world.has_sockets(before - 1).await;
    }

    async fn open(world: &World, user: &str, recovery: Option<&Recovery>) -> Self {
        Self::open_with(world, user, recovery, Map::new()).await
    }

    async fn open_with(
        world: &World,
        user: &str,
        recovery: Option<&Recovery>,
        mut auth: Map<String, Value>,
    ) -> Self {
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", world.address);
        let (stream, _) = timeout(DEADLINE, connect_async(url)).await.expect("in time").unwrap();
        let mut session = ClientSession::new(&ClientLimits::default(), Duration::ZERO);
        auth.insert("token".to_owned(), Value::from(user));
        session.connect(NAMESPACE, auth, recovery).unwrap();
        let (id, events) = (String::new(), VecDeque::new());
        let mut client = Self { stream, session, id, answers_pings: true, events };
        client.id = loop {
            match client.next().await {
                ClientEvent::Connected { sid, .. } => break sid,
                ClientEvent::Opened { .. } => {}
                other => panic!("CONNECT was answered {other:?}"),
            }
        };
        client
    }

    /// Writes what the session has to say; without its pongs, if it is to leave pings unanswered.
    async fn flush(&mut self) {
        let pong = Transmit::Text(EnginePacket::Pong.encode());
        while let Some(transmit) = self.session.poll_transmit() {
            let message = match transmit {
                silent if silent == pong && !self.answers_pings => continue,
                Transmit::Text(text) => Message::text(text),
                Transmit::Binary(bytes) => Message::binary(bytes),
                Transmit::Close => Message::Close(None),
            };
            // A connection that is closed says so when it is read.
            let _ = self.stream.send(message).await;
        }
    }

    /// What happens next.
    async fn next(&mut self) -> ClientEvent {
        loop {
            self.flush().await;
            if let Some(event) = self.session.poll_event() {
                return event;
            }
            // To the session no time passes: the test's deadlines are here.
            match timeout(DEADLINE, self.stream.next()).await.expect("something of the server") {
                Some(Ok(Message::Text(text))) => self.session.handle_text(&text, Duration::ZERO),
                Some(Ok(Message::Close(_)) | Err(_)) | None => self.session.handle_closed(None, "ended"),
                Some(Ok(_)) => {}
            }
        }
    }

    /// Takes what comes next, with the acknowledgement if it is one; `None` when the connection has ended.
    async fn take(&mut self) -> Option<Option<(u64, Value)>> {
        match self.next().await {
            ClientEvent::Event { name, args, .. } => {
                self.events.push_back((name, args.get(0).unwrap()));
            }
            ClientEvent::Acknowledged { ack, args, .. } => return Some(Some((ack, args.get(0).unwrap()))),
            ClientEvent::Pinged | ClientEvent::Disconnected { .. } => {}
            ClientEvent::Closed(_) => return None,
            other => panic!("{other:?}"),
        }
        Some(None)
    }

    /// Asks, and gives the acknowledgement.
    pub(crate) async fn ask(&mut self, name: &str, payload: &Value) -> Value {
        let asked = self.session.emit_with_ack(NAMESPACE, name, payload).unwrap();
        loop {
            if let Some((id, answer)) = self.take().await.expect("an acknowledgement")
                && id == asked
            {
                return answer;
            }
        }
    }

    pub(crate) async fn join(&mut self, channel: &ChannelId, since: Option<u64>) {
        let answer = self.ask("join_channel", &json!({ "channelId": channel, "sinceSeq": since })).await;
        assert_eq!(answer["ok"], true, "{answer}");
    }

    pub(crate) async fn leave(&mut self, channel: &ChannelId) {
        let answer = self.ask("leave_channel", &json!({ "channelId": channel })).await;
        assert_eq!(answer["ok"], true, "{answer}");
    }

    /// The next event of this name; those before it are skipped.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            if let Some((event, payload)) = self.events.pop_front() {
                if event == name {
                    return payload;
                }
            } else {
                self.take().await.expect(name);
            }
        }
    }

    /// The messages that come up to this seq, each with whether it wakes.
    pub(crate) async fn messages_until(&mut self, seq: u64) -> Vec<(u64, bool)> {
        let mut messages = Vec::new();
        loop {
            let created = self.event("message.created").await;
            let message = (created["seq"].as_u64().unwrap(), created["wakeup"] == true);
            messages.push(message);
            if message.0 == seq {
                return messages;
            }
        }
    }

    /// Waits until the server has closed it.
    pub(crate) async fn closed(&mut self) {
        while self.take().await.is_some() {}
    }
}

/// A client whose connection is lost.
pub(crate) struct Lost {
    recovery: Recovery,
}

impl Lost {
    /// Asks for its session back.
    pub(crate) async fn back(self, world: &World, user: &str) -> Client {
        Client::open(world, user, Some(&self.recovery)).await
    }
}
