//! The way to a client.

use actix_socketio::{Heartbeat, Outgoing, SendError, Socket};

/// A connected socket. Sending never waits and never calls back, so any lock may be held.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    Socket(Socket),
    /// A client of tests, which keeps what it is sent.
    #[cfg(test)]
    Fake(std::sync::Arc<crate::fake::FakeLine>),
}

impl Line {
    /// Queues an event for the client.
    pub(crate) fn send(&self, event: &Outgoing) -> Result<(), SendError> {
        match self {
            Self::Socket(socket) => socket.send(event),
            #[cfg(test)]
            Self::Fake(line) => line.send(event),
        }
    }

    /// How its pings fared.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        match self {
            Self::Socket(socket) => socket.heartbeat(),
            #[cfg(test)]
            Self::Fake(_) => Heartbeat::default(),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.is_connected(),
            #[cfg(test)]
            Self::Fake(line) => line.is_connected(),
        }
    }

    /// Waits until the client has read what was sent, or is not connected any more.
    pub(crate) async fn flushed(&self) {
        match self {
            Self::Socket(socket) => socket.flushed().await,
            #[cfg(test)]
            Self::Fake(_) => {}
        }
    }

    /// Ends the connection.
    pub(crate) fn disconnect(&self) {
        match self {
            Self::Socket(socket) => socket.disconnect(true),
            #[cfg(test)]
            Self::Fake(line) => line.disconnect(),
        }
    }
}
