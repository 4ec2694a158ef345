//! Throw-away database servers: private, in a temporary folder, on a free port, gone with the test binary.
//!
//! [`mariadb`] and [`postgres`] answer a fresh database of the one server that a test binary shares. The
//! installed programs are used (Debian: `mariadb-server`, `postgresql`; `cargo xtask test` installs them), but
//! never the services that may run from them.
//!
//! Nothing stays behind, however a test ends: each server has a guardian, a shell that reads from a pipe whose
//! other end the test binary holds. When that end closes, because the server is dropped or because the binary
//! is gone, killed even, the guardian ends its server by process id and removes the folder.

// It is test code: it fails by panicking.
#![expect(clippy::missing_panics_doc, reason = "a server that does not start fails the test")]

mod guarded;
mod mariadb;
mod postgres;
mod programs;
mod proxy;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use guarded::Guarded;
pub use mariadb::MariaDb;
pub use postgres::Postgres;
pub use proxy::{Mode, Proxy};

/// A fresh database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Address for a store: `mysql://…` or `postgres://…`.
    pub url: String,
    /// The server's port on 127.0.0.1, for a proxy in between.
    pub port: u16,
}

impl Database {
    /// The same database through another port of 127.0.0.1.
    #[must_use]
    pub fn through(&self, port: u16) -> Self {
        let url = self.url.replace(&format!(":{}/", self.port), &format!(":{port}/"));
        Self { url, port }
    }
}

/// A fresh database on this test binary's `MariaDB`.
pub fn mariadb() -> Database {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    SERVER.get_or_init(MariaDb::start).database()
}

/// A fresh database on this test binary's `PostgreSQL`.
pub fn postgres() -> Database {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(Postgres::start).database()
}

/// A name that no other database has.
fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A port on which nobody listens now, and that the system gives to nobody by itself until somebody does; each one
/// once in a process.
pub fn free_port() -> u16 {
    // Below those that systems hand out for connections and for port 0.
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Processes side by side begin far from each other.
        let begin = std::process::id().wrapping_mul(61);
        let place = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + place).expect("it is below 32,000");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
