//! The task that owns a socket.

use std::collections::HashMap;

use serde_json::Value;
use socketio_proto::client::ClientEvent;
use tokio::sync::{mpsc, oneshot, watch};

use super::event::Event;
use super::wire::Wire;
use crate::close::CloseReason;

/// What the sending halves ask for.
#[derive(Debug)]
pub(super) enum Command {
    Emit { event: &'static str, payload: Value, ack: Option<oneshot::Sender<Vec<Value>>> },
    Close,
}

/// What comes next.
enum Next {
    Command(Command),
    Incoming(ClientEvent),
    Again,
    End(CloseReason),
}

pub(super) struct Driver {
    wire: Wire,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    /// Who waits for which acknowledgement.
    waiting: HashMap<u64, oneshot::Sender<Vec<Value>>>,
    /// An event for which there is no room yet. While there is one, the socket is not read.
    stalled: Option<Event>,
}

impl Driver {
    pub(super) fn new(wire: Wire, commands: mpsc::Receiver<Command>, events: mpsc::Sender<Event>) -> Self {
        Self { wire, commands, events, waiting: HashMap::new(), stalled: None }
    }

    pub(super) async fn run(mut self, close: watch::Sender<Option<CloseReason>>) {
        let reason = self.serve().await;
        tracing::debug!(%reason, "socket closed");
        // Everybody who waits must find the reason, so it is said before the queues are dropped.
        let _ = close.send(Some(reason));
        let Self { wire, commands, events, waiting, .. } = self;
        drop((commands, events, waiting));
        wire.close().await;
    }

    async fn serve(&mut self) -> CloseReason {
        loop {
            // Not where it could be cancelled: a message is written whole.
            self.wire.flush().await;
            let step = match self.next().await {
                Next::Command(command) => self.obey(command),
                Next::Incoming(incoming) => self.take(incoming),
                Next::Again => Ok(()),
                Next::End(reason) => Err(reason),
            };
            if let Err(reason) = step {
                return reason;
            }
        }
    }

    /// Waits for whatever comes first; does nothing that takes time itself.
    async fn next(&mut self) -> Next {
        tokio::select! {
            Some(command) = self.commands.recv() => Next::Command(command),
            room = self.events.reserve(), if self.stalled.is_some() => match (room, self.stalled.take()) {
                (Ok(room), Some(event)) => { room.send(event); Next::Again }
                _ => Next::End(CloseReason::Client),
            },
            incoming = self.wire.next(self.stalled.is_none()) => Next::Incoming(incoming),
            () = self.events.closed() => Next::End(CloseReason::Client),
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), CloseReason> {
        let Command::Emit { event, payload, ack } = command else { return Err(CloseReason::Client) };
        let malformed =
            |error: socketio_proto::client::ClientError| CloseReason::Malformed(error.to_string());
        match ack {
            None => self.wire.emit(event, &payload).map_err(malformed),
            Some(waiting) => {
                // Those who no longer wait (their time was up) make room.
                self.waiting.retain(|_, waiting| !waiting.is_closed());
                let id = self.wire.emit_with_ack(event, &payload).map_err(malformed)?;
                self.waiting.insert(id, waiting);
                Ok(())
            }
        }
    }

    fn take(&mut self, incoming: ClientEvent) -> Result<(), CloseReason> {
        match incoming {
            ClientEvent::Acknowledged { ack, args, .. } => {
                if let Some(waiting) = self.waiting.remove(&ack) {
                    let _ = waiting.send(args.into_parts().0);
                }
                Ok(())
            }
            ClientEvent::Event { name, args, .. } => {
                match self.events.try_send(Event::read(name, args.into_parts().0)) {
                    Ok(()) => Ok(()),
                    Err(mpsc::error::TrySendError::Full(event)) => {
                        self.stalled = Some(event);
                        Ok(())
                    }
                    Err(mpsc::error::TrySendError::Closed(_)) => Err(CloseReason::Client),
                }
            }
            ClientEvent::Disconnected { .. } => Err(CloseReason::Server),
            ClientEvent::Closed(reason) => Err(reason.into()),
            _ => Ok(()),
        }
    }
}
