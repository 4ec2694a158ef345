//! A websocket that speaks packets: the handshake, and packets in and out.

use std::time::Duration;

use actix_socketio::packet::{Decoder, EnginePacket, Packet};
use fabric_api::realtime::NAMESPACE;
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::CloseReason;
use crate::error::Error;

/// A message has at most a million characters, of at most six bytes as JSON writes them.
const MAX_MESSAGE: usize = 8 << 20;

/// A connected socket: packets of the namespace in and out.
pub(super) struct Wire {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    decoder: Decoder,
    /// The server pings at least this often, its own patience included.
    pub(super) patience: Duration,
}

/// Something that arrived.
#[derive(Debug)]
pub(super) enum Incoming {
    Event { name: String, args: Vec<Value> },
    Ack { id: u64, args: Vec<Value> },
    Ping,
}

impl Wire {
    /// Connects, and joins the namespace with the token.
    pub(super) async fn open(endpoint: &Url, token: &str, connect: Duration) -> Result<Self, Error> {
        let address = address(endpoint)?;
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let connecting = connect_async_with_config(address.as_str(), Some(config), true);
        let (mut stream, _) = timeout(connect, connecting)
            .await
            .map_err(|_| Error::Timeout)?
            .map_err(|error| network(&error))?;
        let open = loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) => match EnginePacket::decode(&text) {
                    Ok(EnginePacket::Open(open)) => break open,
                    _ => return Err(Error::UnexpectedAnswer("no Engine.IO handshake".into())),
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Err(error)) => return Err(network(&error)),
                _ => return Err(Error::Network("the server closed the connection".into())),
            }
        };
        let patience = Duration::from_millis(open.ping_interval.saturating_add(open.ping_timeout));
        let mut wire = Self { stream, decoder: Decoder::default(), patience };
        wire.join(token).await?;
        Ok(wire)
    }

    async fn join(&mut self, token: &str) -> Result<(), Error> {
        let payload = Map::from_iter([("token".to_owned(), Value::from(token))]);
        let connect = Packet::Connect { namespace: NAMESPACE.into(), payload: Some(payload) };
        self.send(&connect).await.map_err(Error::Closed)?;
        loop {
            match self.receive().await.map_err(Error::Closed)? {
                Received::Packet(Packet::Connect { namespace, .. }) if namespace == NAMESPACE => {
                    return Ok(());
                }
                Received::Packet(Packet::ConnectError { message, data, .. }) => {
                    let code = data.as_ref().and_then(|data| data.get("error")).and_then(Value::as_str);
                    return Err(Error::ConnectRefused { message, code: code.map(str::to_owned) });
                }
                Received::Ping => self.pong().await.map_err(Error::Closed)?,
                Received::Packet(_) => return Err(Error::UnexpectedAnswer("no answer to CONNECT".into())),
            }
        }
    }

    /// The next thing for us. Cancel safe: all waiting is on the stream itself.
    pub(super) async fn next(&mut self) -> Result<Incoming, CloseReason> {
        loop {
            match self.receive().await? {
                Received::Ping => return Ok(Incoming::Ping),
                Received::Packet(packet) if packet.namespace() != NAMESPACE => {}
                Received::Packet(Packet::Event { name, args, .. }) => {
                    return Ok(Incoming::Event { name, args });
                }
                Received::Packet(Packet::Ack { ack, args, .. }) => {
                    return Ok(Incoming::Ack { id: ack, args });
                }
                Received::Packet(Packet::Disconnect { .. }) => return Err(CloseReason::Server),
                Received::Packet(Packet::Connect { .. } | Packet::ConnectError { .. }) => {
                    return Err(CloseReason::Malformed("a second answer to CONNECT".into()));
                }
            }
        }
    }

    async fn receive(&mut self) -> Result<Received, CloseReason> {
        let malformed = |error: &dyn std::fmt::Display| CloseReason::Malformed(error.to_string());
        loop {
            let complete = match self.stream.next().await {
                None => return Err(gone("the connection ended")),
                Some(Err(error)) => return Err(gone(&error.to_string())),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) =
                        frame.map_or((None, String::new()), |f| (Some(f.code.into()), f.reason.to_string()));
                    return Err(CloseReason::Transport { code, reason });
                }
                Some(Ok(Message::Text(text))) => {
                    match EnginePacket::decode(&text).map_err(|error| malformed(&error))? {
                        EnginePacket::Ping => return Ok(Received::Ping),
                        EnginePacket::Close => return Err(gone("closed by the server")),
                        EnginePacket::Message(text) => {
                            self.decoder.text(&text).map_err(|error| malformed(&error))?
                        }
                        EnginePacket::Noop => None,
                        _ => return Err(malformed(&"unexpected Engine.IO packet")),
                    }
                }
                Some(Ok(Message::Binary(bytes))) => {
                    self.decoder.binary(bytes).map_err(|error| malformed(&error))?
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => None,
            };
            if let Some(packet) = complete {
                return Ok(Received::Packet(packet));
            }
        }
    }

    pub(super) async fn pong(&mut self) -> Result<(), CloseReason> {
        self.write(EnginePacket::Pong.encode()).await
    }

    /// Sends an event of the namespace.
    pub(super) async fn event(
        &mut self,
        name: &str,
        payload: Value,
        ack: Option<u64>,
    ) -> Result<(), CloseReason> {
        self.send(&Packet::Event {
            namespace: NAMESPACE.into(),
            ack,
            name: name.into(),
            args: vec![payload],
            attachments: Vec::new(),
        })
        .await
    }

    /// Says goodbye as far as that is still possible.
    pub(super) async fn close(mut self) {
        let goodbye = async {
            let _ = self.send(&Packet::Disconnect { namespace: NAMESPACE.into() }).await;
            let _ = self.write(EnginePacket::Close.encode()).await;
            let _ = self.stream.close(None).await;
        };
        // A dead connection takes nothing more; it is dropped then.
        let _ = timeout(Duration::from_secs(1), goodbye).await;
    }

    async fn send(&mut self, packet: &Packet) -> Result<(), CloseReason> {
        let encoded = packet.encode().map_err(|error| CloseReason::Malformed(error.to_string()))?;
        self.write(EnginePacket::Message(encoded.text).encode()).await
    }

    async fn write(&mut self, text: String) -> Result<(), CloseReason> {
        self.stream.send(Message::text(text)).await.map_err(|error| gone(&error.to_string()))
    }
}

enum Received {
    Packet(Packet),
    Ping,
}

fn gone(reason: &str) -> CloseReason {
    CloseReason::Transport { code: None, reason: reason.to_owned() }
}

fn network(error: &tungstenite::Error) -> Error {
    Error::Network(format!("websocket: {error}"))
}

/// `ws://host:port/socket.io/?EIO=4&transport=websocket`, below the endpoint's own path if it has one.
fn address(endpoint: &Url) -> Result<Url, Error> {
    let invalid = || Error::InvalidUrl(endpoint.to_string());
    let mut url = endpoint.clone();
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    url.set_scheme(scheme).map_err(|()| invalid())?;
    url.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().push("socket.io").push("");
    url.set_query(Some("EIO=4&transport=websocket"));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_keeps_host_port_and_path() {
        let address = |endpoint| String::from(address(&Url::parse(endpoint).unwrap()).unwrap());
        assert_eq!(
            address("http://localhost:7002"),
            "ws://localhost:7002/socket.io/?EIO=4&transport=websocket"
        );
        assert_eq!(
            address("https://chat.example/guild/"),
            "wss://chat.example/guild/socket.io/?EIO=4&transport=websocket"
        );
    }
}
