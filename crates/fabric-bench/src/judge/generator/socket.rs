//! One websocket that joins a channel and then only reads.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use memchr::memmem;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket as Raw, Type};

use super::ledger::{ChannelNo, Ledger};
use super::text::{Finder, number};
use crate::client::frame::{masked, whole};
use crate::{Outcome, ensure};

/// Sockets for each address that they come from: servers limit handshakes by address.
const PER_ADDRESS: usize = 200;
const MESSAGE: &[u8] = b"42/realtime,[\"message.created\",";

/// Who sits at a socket, and where it listens.
#[derive(Debug, Clone)]
pub(in crate::judge) struct Seat {
    pub(in crate::judge) token: String,
    /// The server's id of the channel.
    pub(in crate::judge) channel: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Dialing,
    Upgrading,
    Entering,
    Joining,
    Live,
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) stream: TcpStream,
    stage: Stage,
    seat: Seat,
    pub(super) channel: ChannelNo,
    /// The seq of the latest message.
    last: u64,
    /// The beginning of a frame whose end has not arrived.
    rest: Vec<u8>,
}

/// What all sockets share.
pub(super) struct Desk<'a> {
    pub(super) buffer: &'a mut [u8],
    pub(super) ledger: &'a mut Ledger,
    pub(super) finder: &'a mut Finder,
}

impl Socket {
    /// Begins to connect; the `number`th socket comes from an address that it shares with few others.
    pub(super) fn dial(server: SocketAddr, number: usize, seat: Seat, channel: ChannelNo) -> Outcome<Self> {
        let stream = dial(server, number).map_err(|error| format!("no connection: {error}"))?;
        Ok(Self { stream, stage: Stage::Dialing, seat, channel, last: 0, rest: Vec::new() })
    }

    /// The connection may be written for the first time.
    pub(super) fn upgrade(&mut self) -> Outcome {
        if self.stage == Stage::Dialing {
            self.stage = Stage::Upgrading;
            let request = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n\
                Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
            self.write(request)?;
        }
        Ok(())
    }

    /// Reads all that is there; says whether the socket has joined with it.
    pub(super) fn read(&mut self, desk: &mut Desk<'_>) -> Outcome<bool> {
        let was_live = self.stage == Stage::Live;
        loop {
            let kept = self.rest.len();
            desk.buffer[..kept].copy_from_slice(&self.rest);
            let space = &mut desk.buffer[kept..];
            let room = space.len();
            let count = match self.stream.read(space) {
                Ok(0) => return Err(format!("the server ended the socket of {}", self.seat.token)),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(!was_live && self.stage == Stage::Live);
                }
                Err(error) => return Err(format!("the socket of {} failed: {error}", self.seat.token)),
            };
            let now = Instant::now();
            let used = self.take(kept + count, desk, now)?;
            self.rest.clear();
            self.rest.extend_from_slice(&desk.buffer[used..kept + count]);
            // Less than there was room for was all there was.
            if count < room {
                return Ok(!was_live && self.stage == Stage::Live);
            }
        }
    }

    /// Takes whole frames; says where the first one begins that is not whole.
    fn take(&mut self, end: usize, desk: &mut Desk<'_>, now: Instant) -> Outcome<usize> {
        let Desk { buffer, ledger, finder } = desk;
        let bytes = &buffer[..end];
        let mut at = 0;
        if self.stage == Stage::Upgrading {
            let Some(head) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            ensure!(
                bytes.starts_with(b"HTTP/1.1 101 "),
                "a websocket was answered {}",
                String::from_utf8_lossy(&bytes[..head])
            );
            (self.stage, at) = (Stage::Entering, head + 4);
        }
        while let Some((first, payload)) = whole(&bytes[at..])? {
            let text = &bytes[at + payload.start..at + payload.end];
            at += payload.end;
            ensure!(first & 0x0f != 8, "the server closed a socket: {}", String::from_utf8_lossy(text));
            if self.stage != Stage::Live {
                self.greet(text, ledger)?;
            } else if text.starts_with(MESSAGE) {
                let found = finder
                    .find(text)
                    .ok_or_else(|| format!("no numbers: {}", String::from_utf8_lossy(text)))?;
                ledger.arrived(self.channel, &mut self.last, found, payload.end, now)?;
            } else if text == b"2" {
                self.write(&masked(0x81, b"3"))?;
            }
        }
        Ok(at)
    }

    /// Answers what a server says until the socket has joined.
    fn greet(&mut self, text: &[u8], ledger: &mut Ledger) -> Outcome {
        let told = || String::from_utf8_lossy(text).into_owned();
        if text.starts_with(b"0{") {
            let connect = format!("40/realtime,{{\"token\":\"{}\"}}", self.seat.token);
            self.write(&masked(0x81, connect.as_bytes()))?;
        } else if text.starts_with(b"40/realtime,") {
            self.stage = Stage::Joining;
            let join = format!("42/realtime,0[\"join_channel\",{{\"channelId\":\"{}\"}}]", self.seat.channel);
            self.write(&masked(0x81, join.as_bytes()))?;
        } else if text.starts_with(b"43/realtime,0") {
            let key = b"\"lastSeq\":";
            let last = memmem::find(text, key).and_then(|place| number(&text[place + key.len()..]));
            self.last = last.ok_or_else(|| format!("joining was answered {}", told()))?;
            self.stage = Stage::Live;
            ledger.joined(self.channel);
        } else if text.starts_with(b"44") {
            return Err(format!("a socket was refused: {}", told()));
        }
        Ok(())
    }

    /// A socket has all that it is owed.
    pub(super) fn check_end(&self, ledger: &Ledger) -> Outcome {
        ledger.check_end(self.channel, self.last)
    }

    /// What is sent here is small, and the connection's buffer is empty.
    fn write(&mut self, bytes: &[u8]) -> Outcome {
        self.stream.write_all(bytes).map_err(|error| format!("not written: {error}"))
    }
}

/// Loopback is a whole network, 127.0.0.0/8.
fn dial(server: SocketAddr, number: usize) -> std::io::Result<TcpStream> {
    let group = number / PER_ADDRESS;
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    let from = Ipv4Addr::new(127, 1, byte(group / 250), byte(1 + group % 250));
    let raw = Raw::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    raw.bind(&SocketAddr::from((from, 0)).into())?;
    raw.set_tcp_nodelay(true)?;
    raw.set_nonblocking(true)?;
    match raw.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => return Err(error),
        _ => {}
    }
    Ok(TcpStream::from_std(raw.into()))
}

/// `EINPROGRESS` of Linux: the connection will be there later.
const IN_PROGRESS: i32 = 115;
