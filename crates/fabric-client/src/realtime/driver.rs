//! The task that owns a socket.

use std::collections::HashMap;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::wire::{Incoming, Wire};
use super::{CloseReason, Event};

/// What the sending halves ask for.
#[derive(Debug)]
pub(super) enum Command {
    Emit { event: &'static str, payload: Value, ack: Option<oneshot::Sender<Vec<Value>>> },
    Close,
}

/// What comes next.
enum Next {
    Command(Command),
    Incoming(Incoming),
    Again,
    End(CloseReason),
}

pub(super) struct Driver {
    wire: Wire,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    /// Who waits for which acknowledgement.
    waiting: HashMap<u64, oneshot::Sender<Vec<Value>>>,
    next_ack: u64,
    /// An event for which there is no room yet. While there is one, the socket is not read.
    stalled: Option<Event>,
    /// When the server must have pinged.
    deadline: Instant,
}

impl Driver {
    pub(super) fn new(wire: Wire, commands: mpsc::Receiver<Command>, events: mpsc::Sender<Event>) -> Self {
        let deadline = Instant::now() + wire.patience;
        Self { wire, commands, events, waiting: HashMap::new(), next_ack: 0, stalled: None, deadline }
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
            let step = match self.next().await {
                Next::Command(command) => self.obey(command).await,
                Next::Incoming(incoming) => self.take(incoming).await,
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
            incoming = self.wire.next(), if self.stalled.is_none() => {
                incoming.map_or_else(Next::End, Next::Incoming)
            }
            () = self.events.closed() => Next::End(CloseReason::Client),
            () = sleep_until(self.deadline) => Next::End(CloseReason::PingTimeout),
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), CloseReason> {
        let Command::Emit { event, payload, ack } = command else { return Err(CloseReason::Client) };
        let ack = ack.map(|waiting| {
            // Those who no longer wait (their time was up) make room.
            self.waiting.retain(|_, waiting| !waiting.is_closed());
            self.next_ack += 1;
            self.waiting.insert(self.next_ack, waiting);
            self.next_ack
        });
        self.wire.event(event, payload, ack).await
    }

    async fn take(&mut self, incoming: Incoming) -> Result<(), CloseReason> {
        match incoming {
            Incoming::Ping => {
                self.deadline = Instant::now() + self.wire.patience;
                self.wire.pong().await
            }
            Incoming::Ack { id, args } => {
                if let Some(waiting) = self.waiting.remove(&id) {
                    let _ = waiting.send(args);
                }
                Ok(())
            }
            Incoming::Event { name, args } => match self.events.try_send(Event::read(name, args)) {
                Ok(()) => Ok(()),
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.stalled = Some(event);
                    Ok(())
                }
                Err(mpsc::error::TrySendError::Closed(_)) => Err(CloseReason::Client),
            },
        }
    }
}
