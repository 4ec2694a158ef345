//! What one session of a server may do and hold.

use std::time::Duration;

/// The intervals and limits of one [`ServerSession`](crate::server::ServerSession).
/// `SessionLimits::default()` is what the reference server does, plus bounds where it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// Time between two pings of the server. Default 25 s.
    pub ping_interval: Duration,
    /// Time a client has to answer a ping. Default 20 s.
    pub ping_timeout: Duration,
    /// Time a client has to join a namespace before its connection is closed. Default 45 s.
    pub connect_timeout: Duration,
    /// Time a probing websocket has to complete its upgrade. Default 10 s.
    pub upgrade_timeout: Duration,
    /// Whether a client that polls is told that it may upgrade to websocket. Default true.
    pub upgrades: bool,
    /// Largest request body or websocket message in bytes. Default 1,000,000.
    pub max_payload: usize,
    /// Largest number of bytes waiting to be sent to one connection in frames of up to 64 KiB. Default 1 MiB. A
    /// connection that exceeds it is closed with [`DisconnectReason::QueueFull`](crate::DisconnectReason::QueueFull).
    pub queue_bytes: usize,
    /// Largest number of bytes waiting to be sent to one connection in longer frames. Default 16 MiB. It is to have
    /// room for some of the largest events that there are, so that several of them at once do not close a client
    /// that reads.
    pub queue_large_bytes: usize,
    /// Largest number of frames waiting to be sent to one connection. Default 1,000.
    pub queue_events: usize,
    /// Largest number of attachments of one binary packet. Default 10, as the reference has it.
    pub max_attachments: usize,
    /// Largest number of JSON values in one packet. Default 20,000: parsed, that is up to 14 MB.
    pub max_values: usize,
    /// Largest number of namespaces one connection may join. Default 32.
    pub max_namespaces: usize,
    /// Packets that one connection may send. One that exceeds the rate is read more slowly:
    /// [`ServerSession::paused_until`](crate::server::ServerSession::paused_until) says how much. What came all the
    /// same, in one request, may exceed it by one burst; past that the connection is closed with
    /// [`DisconnectReason::RateLimit`](crate::DisconnectReason::RateLimit). Default none.
    pub event_rate: Option<Rate>,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(45),
            upgrade_timeout: Duration::from_secs(10),
            upgrades: true,
            max_payload: 1_000_000,
            queue_bytes: 1024 * 1024,
            queue_large_bytes: 16 * 1024 * 1024,
            queue_events: 1_000,
            max_attachments: 10,
            max_values: 20_000,
            max_namespaces: 32,
            event_rate: None,
        }
    }
}

impl SessionLimits {
    crate::setters! {
        with_ping_interval => ping_interval: Duration,
        with_ping_timeout => ping_timeout: Duration,
        with_connect_timeout => connect_timeout: Duration,
        with_upgrade_timeout => upgrade_timeout: Duration,
        with_upgrades => upgrades: bool,
        with_max_payload => max_payload: usize,
        with_queue_bytes => queue_bytes: usize,
        with_queue_large_bytes => queue_large_bytes: usize,
        with_queue_events => queue_events: usize,
        with_max_attachments => max_attachments: usize,
        with_max_values => max_values: usize,
        with_max_namespaces => max_namespaces: usize,
        with_event_rate => event_rate: Option<Rate>,
    }
}

/// So many per second in the long run, and so many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many per second are allowed in the long run.
    pub per_second: u32,
    /// How many are allowed at once after a pause.
    pub burst: u32,
}
