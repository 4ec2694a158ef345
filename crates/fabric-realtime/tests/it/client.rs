//! A client by hand, which also does what no decent one would: fall silent, or go without a word.

use std::collections::VecDeque;

use fabric_domain::model::ChannelId;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::{DEADLINE, World};

/// Dropped, its connection is lost.
pub(crate) struct Client {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What the server called it, and by which it may come back.
    pub(crate) id: String,
    pid: String,
    offset: String,
    /// Whether pings are answered.
    pub(crate) answers_pings: bool,
    events: VecDeque<(String, Value)>,
    asked: u64,
}

impl Client {
    pub(crate) async fn connect(world: &World, user: &str) -> Self {
        Self::open(world, json!({ "token": user })).await
    }

    /// Loses the connection, waits until the server knows, and can be brought back.
    pub(crate) async fn lose(self, world: &World) -> Lost {
        let before = world.hub.socket_count();
        let lost = Lost { pid: self.pid, offset: self.offset };
        drop(self.stream);
        world.has_sockets(before - 1).await;
        lost
    }

    /// Leaves by its own word, and waits until the server knows.
    pub(crate) async fn leave_guild(mut self, world: &World) {
        let before = world.hub.socket_count();
        self.send("41/realtime,".to_owned()).await;
        world.has_sockets(before - 1).await;
    }

    async fn open(world: &World, auth: Value) -> Self {
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", world.address);
        let (stream, _) = timeout(DEADLINE, connect_async(url)).await.expect("in time").unwrap();
        let mut client = Self {
            stream,
            id: String::new(),
            pid: String::new(),
            offset: String::new(),
            answers_pings: true,
            events: VecDeque::new(),
            asked: 0,
        };
        client.send(format!("40/realtime,{auth}")).await;
        let answer = loop {
            let text = client.text().await.expect("an answer to CONNECT");
            if let Some(answer) = text.strip_prefix("40/realtime,") {
                break serde_json::from_str::<Value>(answer).unwrap();
            }
            assert!(text.starts_with('0'), "{text}");
        };
        let id = |name: &str| answer[name].as_str().unwrap().to_owned();
        (client.id, client.pid) = (id("sid"), id("pid"));
        client
    }

    async fn send(&mut self, text: String) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// The next text that is no ping; `None` when the connection has ended.
    async fn text(&mut self) -> Option<String> {
        loop {
            match timeout(DEADLINE, self.stream.next()).await.expect("something of the server") {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => {
                    if self.answers_pings {
                        self.send("3".to_owned()).await;
                    }
                }
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Takes one packet; an acknowledgement is answered. False when the connection has ended.
    async fn take(&mut self) -> Option<Option<(u64, Value)>> {
        let text = self.text().await?;
        if let Some(event) = text.strip_prefix("42/realtime,") {
            let args: Vec<Value> = serde_json::from_str(event).unwrap();
            args[2].as_str().expect("an offset").clone_into(&mut self.offset);
            self.events.push_back((args[0].as_str().unwrap().to_owned(), args[1].clone()));
            return Some(None);
        }
        if let Some(ack) = text.strip_prefix("43/realtime,") {
            let (id, answer) = ack.split_at(ack.find('[').unwrap());
            let [answer]: [Value; 1] = serde_json::from_str(answer).unwrap();
            return Some(Some((id.parse().unwrap(), answer)));
        }
        assert_eq!(text, "41/realtime,", "nothing else comes");
        Some(None)
    }

    /// Asks, and gives the acknowledgement.
    pub(crate) async fn ask(&mut self, name: &str, payload: &Value) -> Value {
        self.asked += 1;
        let asked = self.asked;
        self.send(format!("42/realtime,{asked}{}", json!([name, payload]))).await;
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
    pid: String,
    offset: String,
}

impl Lost {
    /// Asks for its session back.
    pub(crate) async fn back(self, world: &World, user: &str) -> Client {
        Client::open(world, json!({ "token": user, "pid": self.pid, "offset": self.offset })).await
    }
}
