//! What a server is told when it is built, each setting with a default.

use std::time::Duration;

use socketio_proto::{Rate, SessionLimits};

/// Settings of one server. `Config::default()` is what the reference server does, plus limits.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where the server answers, with slashes at both ends. Default `/socket.io/`.
    pub path: String,
    /// What one session may do and hold: intervals, queues, sizes.
    pub limits: SessionLimits,
    /// Largest number of received events of one connection that wait for their handler. Default
    /// 1,000. Past it (or past [`Config::inbox_bytes`]) the connection is not read any more.
    pub inbox_events: usize,
    /// Largest number of bytes of received events that wait for their handler. Default 1 MiB.
    pub inbox_bytes: usize,
    /// Largest number of fragments of one websocket message. Default 1,024.
    pub max_fragments: usize,
    /// Largest number of acknowledgements one socket may owe at a time. Default 1,000.
    pub max_pending_acks: usize,
    /// Which web origins may connect. Default [`Origins::Any`].
    pub origins: Origins,
    /// Whether long-polling is offered. Default true.
    pub polling: bool,
    /// Whether websocket is offered. Default true.
    pub websocket: bool,
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
            limits: SessionLimits::default(),
            inbox_events: 1_000,
            inbox_bytes: 1024 * 1024,
            max_fragments: 1_024,
            max_pending_acks: 1_000,
            origins: Origins::Any,
            polling: true,
            websocket: true,
            connect_rate: None,
            max_connections: None,
            recovery: None,
            trust_forwarded: false,
        }
    }
}

/// Writes `with_` setters for public fields, to be chained: callers cannot write these structs as literals.
macro_rules! setters {
    ($($setter:ident => $field:ident: $kind:ty),+ $(,)?) => {$(
        #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $setter(mut self, $field: $kind) -> Self {
            self.$field = $field;
            self
        }
    )+};
}

impl Config {
    setters! {
        with_limits => limits: SessionLimits,
        with_inbox_events => inbox_events: usize,
        with_inbox_bytes => inbox_bytes: usize,
        with_max_fragments => max_fragments: usize,
        with_max_pending_acks => max_pending_acks: usize,
        with_origins => origins: Origins,
        with_polling => polling: bool,
        with_websocket => websocket: bool,
        with_connect_rate => connect_rate: Option<Rate>,
        with_max_connections => max_connections: Option<usize>,
        with_recovery => recovery: Option<Recovery>,
        with_trust_forwarded => trust_forwarded: bool,
    }

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
#[non_exhaustive]
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
/// data and the events it missed. Past any of these bounds the oldest goes first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// For how long. Default 2 minutes.
    pub window: Duration,
    /// Largest number of sockets. Default 10,000.
    pub max_sockets: usize,
    /// Largest number of events. Default 10,000. With 0 there is no log here: the application has one
    /// of its own and answers [`Handler::recover`](crate::Handler::recover).
    pub max_events: usize,
    /// Largest number of bytes of events. Default 16 MiB.
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

impl Recovery {
    setters! {
        with_window => window: Duration,
        with_max_sockets => max_sockets: usize,
        with_max_events => max_events: usize,
        with_max_bytes => max_bytes: usize,
    }
}
