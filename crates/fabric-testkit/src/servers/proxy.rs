//! A TCP proxy before a database that can be as bad as a network.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They work.
    Open,
    /// They are closed, and new ones too.
    Refused,
    /// Nothing comes through, and nobody is told.
    Silent,
    /// The next `COMMIT` does not reach the server; its connection is closed, the others work.
    LosesCommit,
    /// The next `COMMIT` reaches the server, and its answer nobody; its connection is closed, the others work.
    LosesAnswer,
    /// The next `COMMIT` reaches the server late, when its connection has long been closed; the others work.
    DelaysCommit,
}

/// How late a delayed `COMMIT` is, and how long the server has for it then.
const DELAY: Duration = Duration::from_millis(100);

/// A proxy on a port of its own. It ends with the runtime.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    mode: Arc<watch::Sender<Mode>>,
}

impl Proxy {
    /// A proxy in front of a port of this machine.
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let mode = Arc::new(watch::Sender::new(Mode::Open));
        let modes = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(
                    Link { mode: Arc::clone(&modes), doomed: AtomicBool::new(false) }.run(client, to),
                );
            }
        });
        Self { port, mode }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happens from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// What happens now: a lost `COMMIT` leaves it [`Mode::Open`].
    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }
}

/// One connection. Its end closes both sides.
struct Link {
    mode: Arc<watch::Sender<Mode>>,
    /// The server's next answer is not passed on.
    doomed: AtomicBool,
}

impl Link {
    async fn run(self, client: TcpStream, to: u16) -> io::Result<()> {
        self.passable().await?;
        let server = TcpStream::connect(("127.0.0.1", to)).await?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let mut modes = self.mode.subscribe();
        tokio::select! {
            done = self.ask(from_client, to_server) => done,
            done = self.answer(from_server, to_client) => done,
            _ = modes.wait_for(|mode| *mode == Mode::Refused) => Ok(()),
        }
    }

    /// Waits out the silence.
    async fn passable(&self) -> io::Result<()> {
        let mut modes = self.mode.subscribe();
        match modes.wait_for(|mode| *mode != Mode::Silent).await.map(|mode| *mode) {
            Ok(mode) if mode != Mode::Refused => Ok(()),
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn ask(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = client.read(&mut buffer).await?;
            self.passable().await?;
            // Both protocols send it as plain text, in a packet of its own.
            if buffer[..count].windows(6).any(|bytes| bytes == b"COMMIT") {
                match self.mode.send_replace(Mode::Open) {
                    Mode::LosesCommit => return Ok(()),
                    Mode::LosesAnswer => self.doomed.store(true, Ordering::SeqCst),
                    Mode::DelaysCommit => {
                        tokio::spawn(async move {
                            sleep(DELAY).await;
                            // A server that has noticed already has rolled back.
                            if server.write_all(&buffer[..count]).await.is_ok() {
                                sleep(DELAY).await;
                            }
                        });
                        return Ok(());
                    }
                    other => drop(self.mode.send_replace(other)),
                }
            }
            if count == 0 {
                return Ok(());
            }
            server.write_all(&buffer[..count]).await?;
        }
    }

    async fn answer(&self, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = server.read(&mut buffer).await?;
            self.passable().await?;
            if count == 0 || self.doomed.load(Ordering::SeqCst) {
                return Ok(());
            }
            client.write_all(&buffer[..count]).await?;
        }
    }
}
