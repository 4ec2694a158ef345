//! A Center and guild in one, on a port of its own: HTTP is answered by a function, sockets are handed
//! to the test, which plays the server's part.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// Nothing here takes this long unless it is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A request as a test sees it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) route: String,
    pub(crate) bearer: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) body: Value,
}

/// `None` never answers.
type Answer = Option<(u16, Value)>;

pub(crate) struct Fake {
    pub(crate) url: String,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    sockets: tokio::sync::Mutex<mpsc::UnboundedReceiver<Socket>>,
}

impl Fake {
    pub(crate) async fn start(answer: impl Fn(&str, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (sender, sockets) = mpsc::unbounded_channel();
        let (base, seen, answer) = (url.clone(), Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (base, seen, answer) = (base.clone(), Arc::clone(&seen), Arc::clone(&answer));
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut head = [0; 14];
                    while stream.peek(&mut head).await.unwrap() < head.len() {}
                    if &head == b"GET /socket.io" {
                        let _ = sender.send(Socket { stream: accept_async(stream).await.unwrap() });
                    } else {
                        serve(stream, |request| {
                            seen.lock().push(request.clone());
                            answer(&base, request)
                        })
                        .await;
                    }
                });
            }
        });
        Self { url, requests, sockets: tokio::sync::Mutex::new(sockets) }
    }

    /// The next socket that somebody opens.
    pub(crate) async fn socket(&self) -> Socket {
        timeout(DEADLINE, async { self.sockets.lock().await.recv().await }).await.unwrap().unwrap()
    }

    /// The next socket, after its handshake with a session that is never pinged.
    pub(crate) async fn connected(&self) -> (Socket, Value) {
        let mut socket = self.socket().await;
        socket.open(60_000).await;
        let auth = socket.accept().await;
        (socket, auth)
    }

    /// What was asked on this route so far.
    pub(crate) fn asked(&self, route: &str) -> Vec<Request> {
        self.requests.lock().iter().filter(|request| request.route == route).cloned().collect()
    }

    /// Waits until this route was asked so often.
    pub(crate) async fn wait_asked(&self, route: &str, times: usize) -> Vec<Request> {
        let asked = async {
            while self.asked(route).len() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, asked).await.unwrap_or_else(|_| panic!("{route} was not asked {times} times"));
        self.asked(route)
    }
}

/// One request, one answer, closed.
async fn serve(mut stream: TcpStream, answer: impl FnOnce(&Request) -> Answer) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let head = head.to_owned();
            let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
            break (head, length);
        }
    };
    let start = head.len() + 4;
    while bytes.len() < start + length {
        stream.read_buf(&mut bytes).await.unwrap();
    }
    let mut first = head.split(' ');
    let route = format!("{} {}", first.next().unwrap(), first.next().unwrap().trim_start_matches("/api"));
    let request = Request {
        route,
        bearer: header(&head, "authorization").map(|value| value.trim_start_matches("Bearer ").to_owned()),
        idempotency_key: header(&head, "idempotency-key"),
        body: serde_json::from_slice(&bytes[start..]).unwrap_or(Value::Null),
    };
    let Some((status, body)) = answer(&request) else { return std::future::pending().await };
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The server's end of a socket.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.stream.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text; `None` once the client has closed.
    pub(crate) async fn recv(&mut self) -> Option<String> {
        loop {
            match timeout(DEADLINE, self.stream.next()).await.expect("a packet of the client") {
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    pub(crate) async fn open(&mut self, ping_interval: u64) {
        let open = json!({"sid": "s", "upgrades": [], "pingInterval": ping_interval, "pingTimeout": 0, "maxPayload": 1_000_000});
        self.send(format!("0{open}")).await;
    }

    /// Takes the CONNECT and answers it; gives its auth.
    pub(crate) async fn accept(&mut self) -> Value {
        let connect = self.recv().await.unwrap();
        let auth = connect.strip_prefix("40/realtime,").expect(&connect);
        self.send(r#"40/realtime,{"sid":"x"}"#).await;
        serde_json::from_str(auth).unwrap()
    }

    pub(crate) async fn event(&mut self, name: &str, payload: Value) {
        self.send(format!("42/realtime,{}", json!([name, payload]))).await;
    }

    /// The next event of the client: its name, payload, and id for the answer.
    pub(crate) async fn asked(&mut self) -> (String, Value, String) {
        let packet = self.recv().await.unwrap();
        let rest = packet.strip_prefix("42/realtime,").expect(&packet);
        let (id, json) = rest.split_at(rest.find('[').unwrap());
        let (name, payload) = serde_json::from_str(json).unwrap();
        (name, payload, id.to_owned())
    }

    pub(crate) async fn answer(&mut self, id: &str, payload: Value) {
        self.send(format!("43/realtime,{id}{}", json!([payload]))).await;
    }

    /// Answers a `join_channel`; gives the channel and `sinceSeq`.
    pub(crate) async fn joined(&mut self, last_seq: u64) -> (String, Option<u64>) {
        let (name, payload, id) = self.asked().await;
        assert_eq!(name, "join_channel");
        self.answer(&id, json!({"ok": true, "lastSeq": last_seq})).await;
        (payload["channelId"].as_str().unwrap().to_owned(), payload["sinceSeq"].as_u64())
    }

    pub(crate) async fn close(mut self) {
        self.stream.close(None).await.unwrap();
    }
}

/// A session of an agent called `me` in the guild `g` of the fake at `url`.
pub(crate) fn session(url: &str, access: &str, guild_token: &str) -> Value {
    let mut session = guilds(url, guild_token);
    session["accessToken"] = access.into();
    session["refreshToken"] = format!("refresh-{access}").into();
    session["user"] = json!({"id": "me", "email": "me@example.test", "name": "Me", "kind": "agent"});
    session
}

pub(crate) fn guilds(url: &str, guild_token: &str) -> Value {
    json!({
        "guilds": [{"nodeId": "g", "name": "G", "endpoint": url, "status": "active", "purpose": null}],
        "guildAccessTokens": [{"guildNodeId": "g", "token": guild_token}],
    })
}

pub(crate) fn error(status: u16, code: &str) -> (u16, Value) {
    (status, json!({"statusCode": status, "error": code, "message": "no", "requestId": "r-1"}))
}

pub(crate) fn message(channel: &str, seq: u64, author: &str, content: &str) -> Value {
    json!({
        "id": format!("{channel}-{seq}"), "channelId": channel, "guildId": "g", "seq": seq,
        "authorUserId": author, "content": content, "mentions": [], "attachments": [], "replyTo": null,
        "createdAt": "2026-01-01T00:00:00.000Z", "editedAt": null, "deletedAt": null, "ack": null,
    })
}

pub(crate) fn created(channel: &str, seq: u64, author: &str, channel_type: &str, wakeup: bool) -> Value {
    let mut created = message(channel, seq, author, &format!("{seq}"));
    created["xType"] = channel_type.into();
    created["wakeup"] = wakeup.into();
    created["wake"] = if wakeup { json!({"reason": "turn", "hop": 0}) } else { Value::Null };
    created
}

/// A channel of which the asking agent is a member.
pub(crate) fn row(id: &str) -> Value {
    json!({
        "id": id, "guildId": "g", "name": id, "xType": "discuss", "kind": "text", "purpose": null,
        "isPublic": true, "closed": false, "lastSeq": 0, "createdBy": "you",
        "createdAt": "2026-01-01T00:00:00.000Z", "memberCount": 2, "isMember": true, "unreadCount": 0,
        "settings": {"turnTimeoutSeconds": 900, "offlineGraceSeconds": 60, "autonomyBudget": 60, "agentMentions": "wake"},
    })
}
