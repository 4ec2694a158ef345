//! The bare write loop: for each post it writes one frame to each socket of the channel, and does nothing else.
//! No server can do the same with less than this.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use clap::Args;
use memchr::memmem;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::Outcome;
use crate::judge::FRAME;
use crate::judge::program::{MEASURED, command as pinned};

const LISTENER: Token = Token(usize::MAX);
const HEAD: &str = "42/realtime,[\"message.created\",{\"seq\":";

/// The bare write loop; `judge` starts it.
#[derive(Debug, Args)]
pub struct Bare {
    /// Where to listen
    #[arg(long)]
    address: SocketAddr,
}

pub(super) fn command(program: &Path, address: SocketAddr) -> Command {
    let mut command = pinned(MEASURED, program);
    command.args(["bare", "--address", &address.to_string()]);
    command
}

/// Serves until it is killed.
pub fn serve(options: &Bare) -> Outcome {
    Loop::listen(options.address, Box::new(|frame| frame))?.serve()
}

/// Makes what sockets get of a post's frame: the frame, unless what is tried is whether mistakes are noticed.
pub(in crate::judge) type Courier = Box<dyn FnMut(Vec<u8>) -> Vec<u8> + Send>;

pub(in crate::judge) struct Loop {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    channels: Vec<Channel>,
    courier: Courier,
}

struct Connection {
    stream: TcpStream,
    inbox: Vec<u8>,
    is_upgraded: bool,
}

#[derive(Default)]
struct Channel {
    seq: u64,
    /// Places of connections.
    sockets: Vec<usize>,
}

/// What a client wants.
enum Wish {
    Health,
    Upgrade,
    Open,
    Enter,
    Join(usize),
    /// A post to this channel, with the beginning of its content.
    Post(usize, Vec<u8>),
}

impl Loop {
    pub(in crate::judge) fn listen(address: SocketAddr, courier: Courier) -> Outcome<Self> {
        let failed = |error: std::io::Error| format!("cannot listen: {error}");
        let mut listener = TcpListener::bind(address).map_err(failed)?;
        let poll = Poll::new().map_err(failed)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).map_err(failed)?;
        let events = Events::with_capacity(1024);
        Ok(Self { poll, events, listener, connections: Vec::new(), channels: Vec::new(), courier })
    }

    /// Serves for ever.
    pub(in crate::judge) fn serve(mut self) -> Outcome {
        loop {
            self.turn()?;
        }
    }

    fn turn(&mut self) -> Outcome {
        self.poll.poll(&mut self.events, None).map_err(|error| error.to_string())?;
        let tokens: Vec<_> = self.events.iter().map(mio::event::Event::token).collect();
        for Token(place) in tokens {
            if Token(place) == LISTENER {
                self.accept()?;
            } else if !self.read(place)? {
                self.connections[place] = None;
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Outcome {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let key = Token(self.connections.len());
            let registered = self.poll.registry().register(&mut stream, key, Interest::READABLE);
            registered.and_then(|()| stream.set_nodelay(true)).map_err(|error| error.to_string())?;
            self.connections.push(Some(Connection { stream, inbox: Vec::new(), is_upgraded: false }));
        }
        Ok(())
    }

    /// Reads a connection and does what it wants; false when it has ended.
    fn read(&mut self, place: usize) -> Outcome<bool> {
        let mut piece = [0; 16 * 1024];
        loop {
            let Some(connection) = &mut self.connections[place] else { return Ok(true) };
            match connection.stream.read(&mut piece) {
                Ok(0) => return Ok(false),
                Ok(count) => connection.inbox.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Ok(false),
            }
        }
        while let Some(wish) = self.connections[place].as_mut().and_then(Connection::wish) {
            self.grant(place, wish)?;
        }
        Ok(true)
    }

    fn grant(&mut self, place: usize, wish: Wish) -> Outcome {
        let ok = |body: &str| format!("HTTP/1.1 201 \r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = match wish {
            Wish::Health => ok("{}").into_bytes(),
            Wish::Open => {
                self.channels.push(Channel::default());
                ok(&format!("{{\"id\":\"{}\"}}", self.channels.len() - 1)).into_bytes()
            }
            Wish::Upgrade => {
                let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
                [head, frame("0{\"sid\":\"bare\"}").as_slice()].concat()
            }
            Wish::Enter => frame("40/realtime,{\"sid\":\"bare\"}"),
            Wish::Join(channel) => {
                let Channel { seq, sockets } = &mut self.channels[channel];
                sockets.push(place);
                frame(&format!("43/realtime,0[{{\"ok\":true,\"lastSeq\":{seq}}}]"))
            }
            Wish::Post(channel, content) => ok(&self.post(channel, &content)?).into_bytes(),
        };
        self.write(place, &answer)
    }

    fn post(&mut self, channel: usize, content: &[u8]) -> Outcome<String> {
        let Channel { seq, sockets } = &mut self.channels[channel];
        *seq += 1;
        let content = String::from_utf8_lossy(content);
        let text = format!("{HEAD}{seq},\"content\":\"{content}\"}}]");
        let frame = (self.courier)(frame(&format!("{text: <length$}", length = FRAME - 4)));
        for place in sockets {
            if let Some(connection) = &mut self.connections[*place] {
                // What is written fits the kernel's buffer; what does not would be seen as lost.
                connection.stream.write_all(&frame).map_err(|error| format!("not written: {error}"))?;
            }
        }
        Ok(format!("{{\"seq\":{seq}}}"))
    }

    fn write(&mut self, place: usize, bytes: &[u8]) -> Outcome {
        let Some(connection) = &mut self.connections[place] else { return Ok(()) };
        connection.stream.write_all(bytes).map_err(|error| format!("not written: {error}"))
    }
}

impl Connection {
    /// The next thing it asks for, if that is there as a whole.
    fn wish(&mut self) -> Option<Wish> {
        if self.is_upgraded { self.frame() } else { self.request() }
    }

    fn request(&mut self) -> Option<Wish> {
        let head = memmem::find(&self.inbox, b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.inbox[..head]).into_owned();
        let length =
            text.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
        let end = head + length.unwrap_or(0);
        if self.inbox.len() < end {
            return None;
        }
        let body: Vec<u8> = self.inbox.drain(..end).skip(head).collect();
        let path = text.split(' ').nth(1)?;
        if path.starts_with("/socket.io/") {
            self.is_upgraded = true;
            return Some(Wish::Upgrade);
        }
        match path.strip_prefix("/api/channels") {
            Some("") => Some(Wish::Open),
            Some(rest) if rest.ends_with("/messages") => {
                let channel = rest.split('/').nth(1)?.parse().ok()?;
                let content = memmem::find(&body, b"~")?;
                Some(Wish::Post(channel, body.get(content..content + 12)?.to_vec()))
            }
            _ => Some(Wish::Health),
        }
    }

    /// Clients' frames here are short and masked with zeros.
    fn frame(&mut self) -> Option<Wish> {
        let length = usize::from(*self.inbox.get(1)? & 0x7f);
        if self.inbox.len() < 6 + length {
            return None;
        }
        let text: Vec<u8> = self.inbox.drain(..6 + length).skip(6).collect();
        let text = String::from_utf8_lossy(&text).into_owned();
        if text.starts_with("40") {
            return Some(Wish::Enter);
        }
        let channel = text.split("\"channelId\":\"").nth(1)?.split('"').next()?;
        Some(Wish::Join(channel.parse().ok()?))
    }
}

/// A server's frame with this text.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(short) if short < 126 => bytes.push(short),
        _ => {
            bytes.push(126);
            bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}
