//! A websocket with a Socket.IO session on it.

use std::time::Duration;

use fabric_api::realtime::NAMESPACE;
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use serde_json::{Map, Value};
use socketio_proto::client::{ClientError, ClientEvent, ClientLimits, ClientSession, Transmit};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::close::CloseReason;
use crate::error::Error;

/// A message has at most a million characters, of at most six bytes as JSON writes them.
const MAX_MESSAGE: usize = 8 << 20;

/// A connected socket of the guild's namespace.
pub(super) struct Wire {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: ClientSession,
    /// The moment from which the session's time is counted.
    epoch: Instant,
}

impl Wire {
    /// Connects, and joins the namespace with the token.
    pub(super) async fn open(endpoint: &Url, token: &str, connect: Duration) -> Result<Self, Error> {
        let address = address(endpoint)?;
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let connecting = connect_async_with_config(address.as_str(), Some(config), true);
        let (stream, _) = timeout(connect, connecting)
            .await
            .map_err(|_| Error::Timeout)?
            .map_err(|error| Error::Network(Box::new(error)))?;
        let session = ClientSession::new(&ClientLimits::default(), Duration::ZERO);
        let mut wire = Self { stream, session, epoch: Instant::now() };
        wire.join(token).await?;
        Ok(wire)
    }

    async fn join(&mut self, token: &str) -> Result<(), Error> {
        let auth = Map::from_iter([("token".to_owned(), Value::from(token))]);
        self.session.connect(NAMESPACE, auth, None).map_err(unsent)?;
        let mut is_opened = false;
        loop {
            self.flush().await;
            match self.next(true).await {
                ClientEvent::Opened { .. } => is_opened = true,
                ClientEvent::Connected { .. } => return Ok(()),
                ClientEvent::Refused { message, data, .. } => {
                    let code = data.as_ref().and_then(|data| data.get("error")).and_then(Value::as_str);
                    return Err(Error::ConnectRefused { message, code: code.map(str::to_owned) });
                }
                ClientEvent::Closed(reason) => {
                    return Err(match CloseReason::from(reason) {
                        reason @ CloseReason::Malformed(_) if !is_opened => {
                            Error::unexpected("the Engine.IO handshake", reason)
                        }
                        reason if !is_opened => Error::Network(Box::new(reason)),
                        reason => Error::Closed(reason),
                    });
                }
                _ => {}
            }
        }
    }

    /// What happens next; unless it `reads`, only that the server has not pinged for too long.
    /// Cancel safe: nothing is lost while it waits.
    pub(super) async fn next(&mut self, reads: bool) -> ClientEvent {
        loop {
            if let Some(event) = self.session.poll_event() {
                return event;
            }
            let deadline = self.session.deadline().map(|deadline| self.epoch + deadline);
            tokio::select! {
                message = self.stream.next(), if reads => self.received(message),
                () = sleep_until(deadline.unwrap_or(self.epoch)), if deadline.is_some() => {
                    self.session.handle_timeout(self.epoch.elapsed());
                }
                // It is over, and its end was told.
                else => std::future::pending().await,
            }
        }
    }

    fn received(&mut self, message: Option<tungstenite::Result<Message>>) {
        match message {
            Some(Ok(Message::Text(text))) => self.session.handle_text(&text, self.epoch.elapsed()),
            Some(Ok(Message::Binary(bytes))) => self.session.handle_binary(bytes),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.as_ref().map(|frame| frame.code.into());
                self.session.handle_closed(code, frame.map_or(String::new(), |f| f.reason.to_string()));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => self.session.handle_closed(None, error.to_string()),
            None => self.session.handle_closed(None, "the connection ended"),
        }
    }

    /// Queues an event, to be written by [`Wire::flush`].
    pub(super) fn emit(&mut self, name: &str, payload: &Value) -> Result<(), ClientError> {
        self.session.emit(NAMESPACE, name, payload)
    }

    /// Queues an event that asks for an acknowledgement, and answers that one's id.
    pub(super) fn emit_with_ack(&mut self, name: &str, payload: &Value) -> Result<u64, ClientError> {
        self.session.emit_with_ack(NAMESPACE, name, payload)
    }

    /// Writes what is queued. If that fails, the session is over.
    pub(super) async fn flush(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            let written = match transmit {
                Transmit::Text(text) => self.stream.send(Message::text(text)).await,
                Transmit::Binary(bytes) => self.stream.send(Message::binary(bytes)).await,
                Transmit::Close => self.stream.close(None).await,
            };
            if let Err(error) = written {
                self.session.handle_closed(None, error.to_string());
            }
        }
    }

    /// Says goodbye as far as that is still possible.
    pub(super) async fn close(mut self) {
        self.session.close();
        // A dead connection takes nothing more; it is dropped then.
        let _ = timeout(Duration::from_secs(1), self.flush()).await;
    }
}

/// An event could not be queued.
fn unsent(error: ClientError) -> Error {
    match error {
        ClientError::Encode(error) => Error::Request(Box::new(error)),
        _ => Error::Closed(CloseReason::Client),
    }
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
