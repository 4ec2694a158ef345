//! One websocket: what it writes, and the task that reads it.

use std::{
    io::{self, IoSlice},
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::Notify,
};

use super::{
    decoder::{Broken, Decoder, Received},
    outbox::{Outbox, Sink, close_frame, pong_frame},
    receiver::{End, Receiver},
};
use crate::{
    connection::{
        conn::{Conn, Pulled},
        work::Busy,
        worker::Worker,
    },
    proto::server::{Input, Pull},
};

/// How long a websocket that has ended may take to write what is left.
const REST: Duration = Duration::from_secs(30);
/// And how long its client may then take to end the connection.
const LINGER: Duration = Duration::from_secs(5);

/// Answers to pings that may wait for a client that does not read. Past it the client is not read either.
const PONGS: usize = 16;

/// A TCP connection that became a websocket.
pub(crate) struct Taken {
    pub(crate) stream: TcpStream,
    /// The answer to the request, to be written before anything else.
    pub(crate) head: Bytes,
    /// What the client sent already.
    pub(crate) unread: Vec<u8>,
}

/// One websocket of a connection. All that it does it does on its worker's thread, so its lock is always free.
pub(crate) struct WebSocket {
    pub(crate) number: u64,
    conn: Arc<Conn>,
    half: OwnedWriteHalf,
    /// Whether it is in its worker's list of those that have something to write.
    listed: AtomicBool,
    sending: Mutex<Sending>,
    /// Tells its task that it has to wait before it can write on, or that it has ended.
    changed: Notify,
}

struct Sending {
    /// Frames that were taken from the session. It holds some only while the kernel takes no more.
    outbox: Outbox,
    state: State,
    /// Answers to pings in the outbox.
    pongs: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Waits until the kernel takes more.
    Blocked,
    /// As blocked, and the close frame is the last one in the outbox.
    Closing,
    /// All is written, or nothing can be any more.
    Done,
}

impl WebSocket {
    /// Serves a websocket of a connection, on the connection's worker, whichever worker accepted it.
    pub(crate) fn start(conn: Arc<Conn>, number: u64, taken: Taken) {
        let open = conn.shared.sockets.begin();
        let worker = conn.worker().clone();
        if worker == Worker::current() {
            actix_web::rt::spawn(Self::serve(conn, number, taken, open));
            return;
        }
        // A TCP connection wakes the runtime it was made in; so it is made anew in the other one.
        let Taken { stream, head, unread } = taken;
        let stream = stream.into_std();
        worker.spawn(async move {
            match stream.and_then(TcpStream::from_std) {
                Ok(stream) => Self::serve(conn, number, Taken { stream, head, unread }, open).await,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not change its worker");
                    conn.handle(Input::WebSocketClosed { conn: number });
                }
            }
        });
    }

    async fn serve(conn: Arc<Conn>, number: u64, taken: Taken, open: Busy) {
        let config = &conn.shared.config;
        let decoder = Decoder::new(config.limits.max_payload, config.max_fragments);
        let (read, write) = taken.stream.into_split();
        let sending = Sending { outbox: Outbox::default(), state: State::Open, pongs: 0 };
        let socket = Served(Arc::new(Self {
            number,
            conn: Arc::clone(&conn),
            half: write,
            listed: AtomicBool::new(false),
            sending: Mutex::new(sending),
            changed: Notify::new(),
        }));
        socket.0.begin(taken.head);
        let mut receiver = Receiver::new(read, decoder, taken.unread);
        let is_written = socket.0.run(&mut receiver).await;
        drop((socket, open));
        if is_written {
            // Closing a connection with unread bytes would reset it, and what is on its way would be lost.
            let _ = tokio::time::timeout(LINGER, receiver.drain()).await;
        }
    }

    /// Writes the answer to the request and what is there already. From now on the session wakes this websocket, if
    /// it is the session's.
    fn begin(self: &Arc<Self>, head: Bytes) {
        let mut sending = self.sending.lock();
        sending.outbox.frames.push_back(head);
        let pulled = self.conn.attach(self, &mut sending.outbox.frames);
        self.write(&mut sending, Some(pulled));
        if sending.outbox.is_empty() {
            sending.outbox = Outbox::default();
        }
    }

    /// Communicates, and answers whether everything was written in the end.
    async fn run(&self, receiver: &mut Receiver) -> bool {
        let end = self.communicate(receiver).await;
        match end {
            // What is queued may still go out.
            _ if self.conn.is_closed() => {}
            Some(End::Broken(Broken(code))) => {
                self.conn.handle(Input::WebSocketBroken { conn: self.number, code });
            }
            Some(End::Gone) | None => {
                self.conn.handle(Input::WebSocketClosed { conn: self.number });
            }
        }
        // A client that reads gets the rest; the connection is not kept for one that does not.
        tokio::time::timeout(REST, self.finish()).await.is_ok()
    }

    /// Reads, and writes on when the kernel takes more, until either side ends it.
    async fn communicate(&self, receiver: &mut Receiver) -> Option<End> {
        loop {
            let (state, pongs) = {
                let sending = self.sending.lock();
                (sending.state, sending.pongs)
            };
            match state {
                State::Open => {}
                State::Blocked if !self.conn.is_closed() => {}
                _ => return None,
            }
            let is_blocked = state == State::Blocked;
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                _ = self.half.writable(), if is_blocked => self.write_on(),
                read = self.receive(receiver), if !is_blocked || pongs < PONGS => {
                    if let Err(end) = read {
                        return Some(end);
                    }
                    if self.conn.is_closed() {
                        return None;
                    }
                }
            }
        }
    }

    async fn receive(&self, receiver: &mut Receiver) -> Result<(), End> {
        self.conn.room().await;
        self.conn.paced().await;
        std::future::poll_fn(|cx| receiver.poll_receive(cx, |received| self.take(received))).await
    }

    /// What arrived. False when nothing more may be taken for now.
    fn take(&self, received: Received<'_>) -> bool {
        match received {
            Received::Text(text) => {
                self.conn.handle(Input::Text { conn: self.number, text });
            }
            Received::Binary(bytes) => {
                let bytes = Bytes::copy_from_slice(bytes);
                self.conn.handle(Input::Binary { conn: self.number, bytes });
            }
            Received::Ping(payload) => return self.pong(payload),
            Received::Close => return false,
        }
        self.conn.may_read_on()
    }

    /// Answers a ping. False when the client has left too many answers unread.
    fn pong(&self, payload: &[u8]) -> bool {
        let mut sending = self.sending.lock();
        match sending.state {
            State::Open | State::Blocked => {
                sending.outbox.frames.push_back(pong_frame(payload));
                sending.pongs += 1;
            }
            State::Closing | State::Done => return false,
        }
        if sending.state == State::Open {
            self.write(&mut sending, None);
        }
        sending.pongs < PONGS
    }

    /// Writes the rest, the close frame included, however long it takes.
    async fn finish(&self) {
        // The session has ended, so this takes all that there will ever be.
        self.write_on();
        while self.sending.lock().state != State::Done {
            if self.half.writable().await.is_err() {
                return;
            }
            self.write_on();
        }
    }

    /// Whether it is to be put into its worker's list; once until it has been written.
    pub(in crate::connection) fn list(&self) -> bool {
        // Looked at first, because mostly it is listed already when many events come at once.
        !self.listed.load(Ordering::Relaxed) && !self.listed.swap(true, Ordering::AcqRel)
    }

    /// Writes what waits, unless the kernel takes nothing; `spare` is an empty outbox that it may use, so that it
    /// needs none of its own.
    pub(in crate::connection) fn flush(&self, spare: &mut Outbox) {
        // Before looking: what is queued after the look lists it again.
        self.listed.store(false, Ordering::Release);
        let mut sending = self.sending.lock();
        match sending.state {
            State::Open => {
                std::mem::swap(&mut sending.outbox, spare);
                self.write(&mut sending, None);
                if sending.outbox.is_empty() {
                    std::mem::swap(&mut sending.outbox, spare);
                }
            }
            // Its task has to know if the session has ended.
            State::Blocked => self.changed.notify_one(),
            State::Closing | State::Done => {}
        }
    }

    /// Writes on after the kernel took no more.
    fn write_on(&self) {
        self.write(&mut self.sending.lock(), None);
    }

    /// Writes the outbox and then what the session has, as far as the kernel takes it. `pulled` is what the session
    /// said of what is in the outbox already.
    fn write(&self, sending: &mut Sending, mut pulled: Option<Pulled>) {
        loop {
            let is_all = pulled.as_ref().is_some_and(|pulled| pulled.is_all);
            if let Some(Pulled { next: Pull::End { code, reason }, .. }) = pulled
                && sending.state != State::Done
            {
                sending.outbox.frames.push_back(close_frame(code, reason));
                sending.state = State::Closing;
            }
            match sending.outbox.write(&Kernel(&self.half)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if sending.state == State::Open {
                        sending.state = State::Blocked;
                    }
                    self.changed.notify_one();
                    return;
                }
                // Its reader hears of it as well, and tells the session.
                Err(_) => {
                    sending.outbox = Outbox::default();
                    self.done(sending);
                    return;
                }
            }
            sending.pongs = 0;
            match sending.state {
                State::Open => {}
                State::Blocked => {
                    // It needs none of its own for now.
                    sending.outbox = Outbox::default();
                    sending.state = State::Open;
                }
                State::Closing => {
                    let _ = socket2::SockRef::from(self.half.as_ref()).shutdown(Shutdown::Write);
                    self.done(sending);
                    return;
                }
                State::Done => return,
            }
            if is_all {
                return;
            }
            pulled = Some(self.conn.pull(self.number, &mut sending.outbox.frames));
        }
    }

    fn done(&self, sending: &mut Sending) {
        sending.state = State::Done;
        self.changed.notify_one();
    }
}

/// Tells the session when its websocket has taken what it could, and also when its task is dropped because the worker
/// ends.
struct Served(Arc<WebSocket>);

impl Drop for Served {
    fn drop(&mut self) {
        let WebSocket { conn, number, .. } = &*self.0;
        conn.detach(*number);
        conn.handle(Input::WebSocketClosed { conn: *number });
    }
}

/// A socket as it is, without waiting.
struct Kernel<'a>(&'a OwnedWriteHalf);

impl Sink for Kernel<'_> {
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [only] => self.0.try_write(only),
            several => self.0.try_write_vectored(several),
        }
    }
}
