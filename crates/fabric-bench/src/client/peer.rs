//! A client that behaves, unless told otherwise, and writes down what it sees.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fabric_api::realtime::{JoinAck, JoinChannel, LeaveChannel, NAMESPACE, event};
use fabric_domain::model::{ChannelId, Seq};
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use socketio_proto::client::{ClientEvent, ClientSession, CloseReason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::frame::{Frame, Inbox};
use super::journal::Journal;
use super::wire::{End, Wire, transmits};
use crate::world::World;
use crate::{Outcome, ensure};

/// How a presence event begins.
const PRESENCE: &str = r#"42/realtime,["presence""#;
/// How many clients connect at the same time.
const AT_ONCE: usize = 64;

/// How a client differs from an ordinary one.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether it answers pings.
    pub pongs: bool,
    /// Whether it writes down presence events.
    pub presence: bool,
    /// Size of its receive buffer in bytes.
    pub receive_buffer: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { pongs: true, presence: false, receive_buffer: None }
    }
}

/// How a client goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It says goodbye.
    Goodbye,
    /// Its process ends: the connection is closed without a word.
    Silent,
    /// The connection is reset.
    Reset,
}

/// One socket of one user.
#[derive(Debug)]
pub struct Peer {
    /// Whose it is.
    pub user: String,
    /// The Engine.IO session's id.
    pub sid: String,
    /// What it has seen.
    pub journal: Arc<Journal>,
    speaker: Arc<Speaker>,
    reads: watch::Sender<bool>,
    reader: JoinHandle<()>,
}

/// The session, and where it writes.
#[derive(Debug)]
struct Speaker {
    session: Mutex<ClientSession>,
    write: tokio::sync::Mutex<OwnedWriteHalf>,
}

impl Speaker {
    /// Writes what the session has to say. Reading goes on meanwhile, should the server not read.
    async fn flush(&self) -> std::io::Result<()> {
        let bytes = transmits(&mut self.session.lock());
        if bytes.is_empty() { Ok(()) } else { self.write.lock().await.write_all(&bytes).await }
    }
}

impl Peer {
    /// Connects with the user's own token.
    pub async fn connect(world: &World, user: &str) -> Outcome<Self> {
        Self::connect_as(world, user, Options::default()).await
    }

    /// Connects; the token is the user's id, with anything after a `~`.
    pub async fn connect_as(world: &World, token: &str, options: Options) -> Outcome<Self> {
        Self::connect_to(world.address(), token, options).await
    }

    async fn connect_to(server: SocketAddr, token: &str, options: Options) -> Outcome<Self> {
        let mut wire = Wire::open(server, options.receive_buffer).await?;
        wire.enter(token).await?;
        let sid = wire.sid.clone();
        let (stream, inbox, session) = wire.into_parts();
        let (read, write) = stream.into_split();
        let journal = Arc::new(Journal::default());
        let speaker = Speaker { session: Mutex::new(session), write: tokio::sync::Mutex::new(write) };
        let speaker = Arc::new(speaker);
        let (reads, may_read) = watch::channel(true);
        let reader =
            Reader { read, inbox, journal: Arc::clone(&journal), speaker: Arc::clone(&speaker), options };
        let reader = tokio::spawn(reader.run(may_read));
        let user = token.split_once('~').map_or(token, |(user, _)| user).to_owned();
        Ok(Self { user, sid, journal, speaker, reads, reader })
    }

    /// Stops reading, or goes on.
    pub fn read(&self, reads: bool) {
        self.reads.send_replace(reads);
    }

    /// Sends an event and waits for its answer; also says how many messages came before it.
    pub async fn ask(&self, name: &str, payload: &impl Serialize) -> Outcome<(usize, Value)> {
        let unsent = |error: &dyn std::fmt::Display| format!("{}: not sent: {error}", self.user);
        let ack = self.speaker.session.lock().emit_with_ack(NAMESPACE, name, payload);
        let ack = ack.map_err(|error| unsent(&error))?;
        self.speaker.flush().await.map_err(|error| unsent(&error))?;
        let what = format!("the answer to {name} of {}", self.user);
        self.journal.until(&what, |state| state.answers.remove(&ack)).await
    }

    /// Joins a channel; answers its last seq, and how many messages came before the answer.
    pub async fn join(&self, channel: &ChannelId, since: Option<u64>) -> Outcome<(u64, usize)> {
        let request = JoinChannel { channel_id: channel.clone(), since_seq: since.map(Seq) };
        let (before, answer) = self.ask(event::JOIN_CHANNEL, &request).await?;
        let ack: JoinAck = serde_json::from_value(answer).map_err(|error| error.to_string())?;
        let last = ack.last_seq.ok_or_else(|| format!("{} may not join: {:?}", self.user, ack.error))?;
        Ok((last.0, before))
    }

    /// Leaves a channel; says how many messages came before the answer.
    pub async fn leave(&self, channel: &ChannelId) -> Outcome<usize> {
        let (before, answer) =
            self.ask(event::LEAVE_CHANNEL, &LeaveChannel { channel_id: channel.clone() }).await?;
        ensure!(answer["ok"] == true, "{} may not leave: {answer}", self.user);
        Ok(before)
    }

    /// Waits for the server to end the connection.
    pub async fn ended(&self) -> Outcome<End> {
        self.journal.until(&format!("the end of {}", self.user), |state| state.end.clone()).await
    }

    /// Goes away. What was seen stays in the journal.
    pub async fn cut(mut self, how: Cut) -> Arc<Journal> {
        if how == Cut::Goodbye {
            self.speaker.session.lock().close();
            // Gone already, if it fails.
            let _ = self.speaker.flush().await;
        }
        self.reader.abort();
        // Cancelled or ended: what it read with is closed now.
        let _ = (&mut self.reader).await;
        if how == Cut::Reset {
            // Nothing is sent after this but the reset.
            let _ = self.speaker.write.lock().await.as_ref().set_zero_linger();
        }
        Arc::clone(&self.journal)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Reader {
    read: OwnedReadHalf,
    inbox: Inbox,
    journal: Arc<Journal>,
    speaker: Arc<Speaker>,
    options: Options,
}

impl Reader {
    async fn run(mut self, mut may_read: watch::Receiver<bool>) {
        let mut disconnected = false;
        let (code, reason) = loop {
            match self.inbox.frame() {
                Ok(Some(Frame::Text(text))) => {
                    if let Err(problem) = self.packet(&text, &mut disconnected).await {
                        break (None, problem);
                    }
                    continue;
                }
                Ok(Some(Frame::Close { code, reason })) => break (code, reason),
                Ok(Some(Frame::Other)) => continue,
                Ok(None) => {}
                Err(problem) => break (None, problem),
            }
            // An error means that the peer is dropped, and this task with it.
            let _ = may_read.wait_for(|reads| *reads).await;
            match self.read.read_buf(self.inbox.space()).await {
                Ok(0) => break (None, String::new()),
                Ok(_) => {}
                Err(error) => break (None, error.to_string()),
            }
        };
        self.journal.note(|state| state.end = Some(End { code, reason, disconnected }));
    }

    async fn packet(&self, text: &str, disconnected: &mut bool) -> Outcome {
        // A thousand sockets that come and go tell each other a million times.
        if !self.options.presence && text.starts_with(PRESENCE) {
            return Ok(());
        }
        {
            let mut session = self.speaker.session.lock();
            // It is the scenario that waits in vain, so to the session no time passes.
            session.handle_text(text, Duration::ZERO);
            while let Some(event) = session.poll_event() {
                match event {
                    ClientEvent::Pinged if !self.options.pongs => {
                        // The answer is not written; nothing else waits to be.
                        transmits(&mut session);
                        self.journal.note(|state| state.pings += 1);
                    }
                    ClientEvent::Disconnected { .. } => *disconnected = true,
                    ClientEvent::Closed(reason @ CloseReason::Protocol(_)) => return Err(reason.to_string()),
                    event => self.journal.write(event, self.options.presence)?,
                }
            }
        }
        // The end of the connection is noticed by reading.
        let _ = self.speaker.flush().await;
        Ok(())
    }
}

/// Connects one peer for each token, some at a time, in the order of the tokens.
pub async fn connect_all(
    server: SocketAddr,
    tokens: impl IntoIterator<Item = String>,
    options: Options,
) -> Outcome<Vec<Peer>> {
    let connecting = |token: String| async move { Peer::connect_to(server, &token, options).await };
    stream::iter(tokens).map(connecting).buffered(AT_ONCE).try_collect().await
}

/// Has everybody join a channel, all at once.
pub async fn join_all(peers: &[Peer], channel: &ChannelId) -> Outcome {
    try_join_all(peers.iter().map(|peer| peer.join(channel, None))).await.map(drop)
}
