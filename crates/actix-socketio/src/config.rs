//! Every limit and interval, each with a default.

use std::time::Duration;

/// Settings of one server. `Config::default()` is what the reference server does, plus limits.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where the server answers, with slashes at both ends. Default `/socket.io/`.
    pub path: String,
    /// Time between two pings of the server. Default 25 s.
    pub ping_interval: Duration,
    /// Time a client has to answer a ping. Default 20 s.
    pub ping_timeout: Duration,
    /// Time a client has to join a namespace before its connection is closed. Default 45 s.
    pub connect_timeout: Duration,
    /// Time a probing websocket has to complete its upgrade. Default 10 s.
    pub upgrade_timeout: Duration,
    /// Largest request body or websocket message in bytes. Default 1,000,000.
    pub max_payload: usize,
    /// Largest number of bytes waiting to be sent to one connection. Default 1 MiB. A connection
    /// that lets them pile up is closed with [`crate::DisconnectReason::QueueFull`].
    pub queue_bytes: usize,
    /// Largest number of frames waiting to be sent to one connection. Default 1,000.
    pub queue_events: usize,
    /// Largest number of received events of one connection that wait for their handler. Default
    /// 1,000. Past it (or past [`Config::inbox_bytes`]) the connection is not read any more.
    pub inbox_events: usize,
    /// Largest number of bytes of received events that wait for their handler. Default 1 MiB.
    pub inbox_bytes: usize,
    /// Largest number of attachments of one binary packet. Default 10, as the reference has it.
    pub max_attachments: usize,
    /// Largest number of JSON values in one packet. Default 20,000: parsed, that is up to 14 MB.
    pub max_values: usize,
    /// Largest number of fragments of one websocket message. Default 1,024.
    pub max_fragments: usize,
    /// Largest number of namespaces one connection may join. Default 32.
    pub max_namespaces: usize,
    /// Largest number of acknowledgements one socket may owe at a time. Default 1,000.
    pub max_pending_acks: usize,
    /// Which web origins may connect. Default [`Origins::Any`].
    pub origins: Origins,
    /// Whether long-polling is offered. Default true.
    pub polling: bool,
    /// Whether websocket is offered. Default true.
    pub websocket: bool,
    /// Received packets per connection; breaking it closes that connection. Default none.
    pub event_rate: Option<Rate>,
    /// CONNECTs per address. Opening a connection takes one, for its first CONNECT; past the rate a handshake is
    /// answered 429, and a connection that asks to join once more is closed. Default none.
    pub connect_rate: Option<Rate>,
    /// Largest number of connections; past it a handshake is answered 503. Default none.
    pub max_connections: Option<usize>,
    /// Connection state recovery: what is kept for clients that lost their connection. Default
    /// none.
    pub recovery: Option<Recovery>,
    /// Takes the client's address from the last entry of `X-Forwarded-For`. Only behind a proxy
    /// that writes it: anybody else can send this header. Default false.
    pub trust_forwarded: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/socket.io/".into(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(45),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            queue_bytes: 1024 * 1024,
            queue_events: 1_000,
            inbox_events: 1_000,
            inbox_bytes: 1024 * 1024,
            max_attachments: 10,
            max_values: 20_000,
            max_fragments: 1_024,
            max_namespaces: 32,
            max_pending_acks: 1_000,
            origins: Origins::Any,
            polling: true,
            websocket: true,
            event_rate: None,
            connect_rate: None,
            max_connections: None,
            recovery: None,
            trust_forwarded: false,
        }
    }
}

impl Config {
    /// The defaults at another path; missing slashes at its ends are added.
    pub fn at(path: &str) -> Self {
        let inner = path.trim_matches('/');
        let path = if inner.is_empty() { "/".into() } else { format!("/{inner}/") };
        Self { path, ..Self::default() }
    }
}

/// Which web origins may connect. Requests without an `Origin` header do not come from a web page
/// and are always let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every origin (`Access-Control-Allow-Origin: *`).
    Any,
    /// Only these, written as browsers send them: `https://chat.example.org`.
    List(Vec<String>),
}

impl Origins {
    /// Whether a request with this `Origin` header is let through.
    pub fn allows(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (_, None) => true,
            (Self::List(list), Some(origin)) => {
                list.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
            }
        }
    }
}

/// What each namespace keeps so that a client that lost its connection finds its id, its rooms, its
/// data and the broadcasts it missed. Past any of these bounds the oldest goes first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// For how long. Default 2 minutes.
    pub window: Duration,
    /// Largest number of sockets. Default 10,000.
    pub max_sockets: usize,
    /// Largest number of broadcasts. Default 10,000.
    pub max_events: usize,
    /// Largest number of bytes of broadcasts. Default 16 MiB.
    pub max_bytes: usize,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            window: Duration::from_mins(2),
            max_sockets: 10_000,
            max_events: 10_000,
            max_bytes: 16 * 1024 * 1024,
        }
    }
}

/// A token bucket: `burst` at once, refilled at `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many per second are allowed in the long run.
    pub per_second: u32,
    /// How many are allowed at once after a pause.
    pub burst: u32,
}
