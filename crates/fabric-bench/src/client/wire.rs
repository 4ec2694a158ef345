//! A websocket that does whatever it is told to: what a client's session says, and what no client would.

use std::net::SocketAddr;
use std::time::Duration;

use fabric_api::realtime::NAMESPACE;
use serde::Serialize;
use serde_json::{Map, Value};
use socketio_proto::client::{ClientEvent, ClientLimits, ClientSession, Transmit};
use socketio_proto::packet::EnginePacket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::frame::{Frame, Inbox, masked};
use crate::world::PATIENCE;
use crate::{Outcome, ensure};

/// How a connection ended, as the client sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// The websocket's close code; `None` when the connection just ended.
    pub code: Option<u16>,
    /// Why, if the server said so.
    pub reason: String,
    /// Whether a Socket.IO disconnect of the namespace came before.
    pub disconnected: bool,
}

/// One connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    inbox: Inbox,
    /// What a client that behaves would say; knows nothing of what is written past it.
    session: ClientSession,
    /// The Engine.IO session's id.
    pub sid: String,
}

/// What a session has to say, as the bytes of websocket frames.
pub(super) fn transmits(session: &mut ClientSession) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(transmit) = session.poll_transmit() {
        bytes.extend(match transmit {
            Transmit::Text(text) => masked(0x81, text.as_bytes()),
            Transmit::Binary(payload) => masked(0x82, &payload),
            Transmit::Close => masked(0x88, &1000_u16.to_be_bytes()),
        });
    }
    bytes
}

/// An Engine.IO message as the text of a websocket message.
pub fn message(text: &str) -> String {
    EnginePacket::Message(text.to_owned()).encode()
}

impl Wire {
    /// Just the TCP connection. A small `receive_buffer` in bytes makes a client that does not read felt
    /// early.
    pub async fn dial(address: SocketAddr, receive_buffer: Option<u32>) -> Outcome<TcpStream> {
        let failed = |error: std::io::Error| format!("no connection: {error}");
        let socket = TcpSocket::new_v4().map_err(failed)?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).map_err(failed)?;
        }
        let stream = timeout(PATIENCE, socket.connect(address)).await.map_err(|_| "no connection in time")?;
        let stream = stream.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(stream)
    }

    /// A websocket with its Engine.IO handshake; no namespace is joined yet.
    pub async fn open(address: SocketAddr, receive_buffer: Option<u32>) -> Outcome<Self> {
        let stream = Self::dial(address, receive_buffer).await?;
        let session = ClientSession::new(&ClientLimits::default(), Duration::ZERO);
        let mut wire = Self { stream, inbox: Inbox::default(), session, sid: String::new() };
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        wire.write(request.as_bytes()).await?;
        let head = loop {
            if let Some(head) = wire.inbox.head() {
                break head;
            }
            ensure!(wire.fill(PATIENCE).await?, "the server closed the connection before its answer");
        };
        let status = head.lines().next().unwrap_or_default();
        ensure!(status.contains(" 101 "), "the websocket was answered {status:?}");
        match wire.happening().await? {
            ClientEvent::Opened { sid } => wire.sid = sid,
            other => return Err(format!("the handshake is {other:?}")),
        }
        Ok(wire)
    }

    /// Joins the namespace with a token. What the server answers is a refusal or nothing to read here.
    pub async fn enter(&mut self, token: &str) -> Outcome {
        let auth = Map::from_iter([("token".to_owned(), Value::from(token))]);
        self.session.connect(NAMESPACE, auth, None).map_err(|error| error.to_string())?;
        loop {
            match self.happening().await? {
                ClientEvent::Connected { .. } => return Ok(()),
                ClientEvent::Pinged => {}
                other => return Err(format!("CONNECT of {token} was answered {other:?}")),
            }
        }
    }

    /// Sends an event, and waits for its answer; what else comes is skipped.
    pub async fn ask(&mut self, name: &str, payload: &impl Serialize) -> Outcome<Value> {
        let asked =
            self.session.emit_with_ack(NAMESPACE, name, payload).map_err(|error| error.to_string())?;
        loop {
            match self.happening().await? {
                ClientEvent::Acknowledged { ack, args, .. } if ack == asked => {
                    return args.get(0).map_err(|error| format!("{name}: {error}"));
                }
                ClientEvent::Closed(reason) => return Err(format!("{name} was not answered: {reason}")),
                _ => {}
            }
        }
    }

    /// What happens next to the session, after what it has to say was written.
    async fn happening(&mut self) -> Outcome<ClientEvent> {
        loop {
            let bytes = transmits(&mut self.session);
            if !bytes.is_empty() {
                self.write(&bytes).await?;
            }
            if let Some(event) = self.session.poll_event() {
                return Ok(event);
            }
            match self.next(PATIENCE).await? {
                // Its timers are not used, so to it no time passes.
                Frame::Text(text) => self.session.handle_text(&text, Duration::ZERO),
                Frame::Close { code, reason } => self.session.handle_closed(code, reason),
                Frame::Other => {}
            }
        }
    }

    /// The connection, what was received and is not read yet, and the session on it.
    pub fn into_parts(self) -> (TcpStream, Inbox, ClientSession) {
        (self.stream, self.inbox, self.session)
    }

    /// Sends a text message.
    pub async fn text(&mut self, text: &str) -> Outcome {
        self.write(&masked(0x81, text.as_bytes())).await
    }

    /// Sends these bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Outcome {
        let written = timeout(PATIENCE, self.stream.write_all(bytes)).await;
        written.map_err(|_| "the server does not read")?.map_err(|error| format!("not written: {error}"))
    }

    /// Reads some bytes; false at the end of the connection.
    async fn fill(&mut self, patience: Duration) -> Outcome<bool> {
        let read = timeout(patience, self.stream.read_buf(self.inbox.space())).await;
        match read.map_err(|_| "nothing came in time")? {
            Ok(count) => Ok(count > 0),
            // Reset by the server, which has nothing more to say either.
            Err(_) => Ok(false),
        }
    }

    /// The next frame. The end of the connection is a close without a code.
    pub async fn next(&mut self, patience: Duration) -> Outcome<Frame> {
        loop {
            if let Some(frame) = self.inbox.frame()? {
                return Ok(frame);
            }
            if !self.fill(patience).await? {
                return Ok(Frame::Close { code: None, reason: String::new() });
            }
        }
    }

    /// Reads to the end, and says how it came. Pings are not answered.
    pub async fn end(&mut self, patience: Duration) -> Outcome<End> {
        let mut disconnected = false;
        loop {
            match self.next(patience).await? {
                Frame::Close { code, reason } => return Ok(End { code, reason, disconnected }),
                Frame::Text(text) => disconnected |= text.starts_with("41/realtime"),
                Frame::Other => {}
            }
        }
    }
}
