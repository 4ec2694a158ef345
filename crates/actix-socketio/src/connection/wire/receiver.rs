//! The reading half of a websocket.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    net::tcp::OwnedReadHalf,
};

use super::decoder::{Broken, Decoder, Received};

/// What is read at once.
const CHUNK: usize = 64 * 1024;

thread_local! {
    /// Where a worker reads to. One for all its connections: an idle one has no buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads frames.
pub(super) struct Receiver {
    half: OwnedReadHalf,
    decoder: Decoder,
    /// Bytes that were read and not looked at yet.
    unread: Vec<u8>,
    ended: bool,
}

/// Why nothing more can be read.
pub(super) enum End {
    /// The client is gone, or says that it goes.
    Gone,
    /// It broke a rule.
    Broken(Broken),
}

impl Receiver {
    /// `unread` was read before.
    pub(super) fn new(half: OwnedReadHalf, decoder: Decoder, unread: Vec<u8>) -> Self {
        Self { half, decoder, unread, ended: false }
    }

    /// Waits until something arrives, and gives it to `take` until that answers false; what follows comes with the
    /// next call.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Received<'_>) -> bool,
    ) -> Poll<Result<(), End>> {
        let mut is_closed = false;
        let mut each = |received: Received<'_>| {
            is_closed |= received == Received::Close;
            !is_closed && take(received)
        };
        let decoded = if self.unread.is_empty() {
            let Self { half, decoder, unread, .. } = self;
            let read = ready!(read(half, cx, |chunk| {
                decoder.decode(chunk, &mut each).map(|used| unread.extend_from_slice(&chunk[used..]))
            }));
            let Ok(Some(decoded)) = read else {
                self.ended = true;
                return Poll::Ready(Err(End::Gone));
            };
            decoded
        } else {
            let mut chunk = std::mem::take(&mut self.unread);
            self.decoder.decode(&mut chunk, &mut each).map(|used| {
                if used < chunk.len() {
                    chunk.drain(..used);
                    self.unread = chunk;
                }
            })
        };
        Poll::Ready(match decoded {
            Ok(()) if is_closed => Err(End::Gone),
            Ok(()) => Ok(()),
            Err(broken) => Err(End::Broken(broken)),
        })
    }

    /// Throws away what still arrives, until the client ends the connection as well.
    pub(super) async fn drain(&mut self) {
        self.unread = Vec::new();
        while !self.ended {
            let read = std::future::poll_fn(|cx| read(&mut self.half, cx, |_| ())).await;
            self.ended = !matches!(read, Ok(Some(())));
        }
    }
}

/// Reads into the worker's buffer and shows it to `look`. `None`: the client sends nothing more.
fn read<R>(
    half: &mut OwnedReadHalf,
    cx: &mut Context<'_>,
    look: impl FnOnce(&mut [u8]) -> R,
) -> Poll<io::Result<Option<R>>> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK, 0);
        let mut space = ReadBuf::new(buffer);
        ready!(Pin::new(half).poll_read(cx, &mut space))?;
        let chunk = space.filled_mut();
        Poll::Ready(Ok(if chunk.is_empty() { None } else { Some(look(chunk)) }))
    })
}
