//! Why a socket was disconnected.

use std::fmt;

/// Why a socket was disconnected, with the names of the reference server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client closed the connection or lost it.
    TransportClose,
    /// The client broke the rules of its transport.
    TransportError,
    /// The client did not answer a ping in time.
    PingTimeout,
    /// The client sent something that is no packet.
    ParseError,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// The server disconnected the socket.
    ServerNamespaceDisconnect,
    /// The server closed the connection: a packet out of place, or no CONNECT in time.
    ForcedServerClose,
    /// The server is being stopped.
    ServerShuttingDown,
    /// More waits to be sent than [`crate::SessionLimits::queue_bytes`],
    /// [`crate::SessionLimits::queue_large_bytes`] or [`crate::SessionLimits::queue_events`] allow.
    QueueFull,
    /// The client sends far more than [`crate::SessionLimits::event_rate`] allows.
    RateLimit,
}

impl DisconnectReason {
    /// The name, for example `transport close`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ForcedServerClose => "forced server close",
            Self::ServerShuttingDown => "server shutting down",
            Self::QueueFull => "queue full",
            Self::RateLimit => "rate limit",
        }
    }

    /// Whether the client broke a rule or a limit.
    pub fn is_offence(self) -> bool {
        matches!(
            self,
            Self::ParseError
                | Self::TransportError
                | Self::ForcedServerClose
                | Self::QueueFull
                | Self::RateLimit
        )
    }

    /// Whether the client may have meant to stay, as the reference server decides it: such a client may
    /// recover its connection's state.
    pub fn may_return(self) -> bool {
        matches!(
            self,
            Self::TransportClose
                | Self::TransportError
                | Self::PingTimeout
                | Self::ServerShuttingDown
                | Self::ForcedServerClose
                | Self::QueueFull
        )
    }

    /// The close code a websocket is given.
    pub(super) fn close_code(self) -> u16 {
        match self {
            Self::ServerShuttingDown => 1001,
            Self::TransportError | Self::ParseError => 1002,
            Self::QueueFull | Self::RateLimit => 1008,
            _ => 1000,
        }
    }

    /// Whether what was queued still goes out: only to a client that may read it.
    pub(super) fn drains(self) -> bool {
        !matches!(self, Self::TransportClose | Self::TransportError | Self::PingTimeout | Self::QueueFull)
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
