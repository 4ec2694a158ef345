//! One HTTP connection that posts, a post at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

use super::ledger::{ChannelNo, Ledger};
use super::text::PostNo;
use super::text::{Finder, content};
use crate::judge::http::answer;
use crate::{Outcome, ensure};

#[derive(Debug)]
pub(super) struct Poster {
    pub(super) stream: TcpStream,
    token: String,
    /// The post whose answer is to come.
    waits_for: Option<PostNo>,
    inbox: Vec<u8>,
}

impl Poster {
    pub(super) fn dial(server: SocketAddr, token: String) -> Outcome<Self> {
        let failed = |error: std::io::Error| format!("no connection: {error}");
        let stream = std::net::TcpStream::connect(server).map_err(failed)?;
        stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(failed)?;
        Ok(Self { stream: TcpStream::from_std(stream), token, waits_for: None, inbox: Vec::new() })
    }

    pub(super) fn is_free(&self) -> bool {
        self.waits_for.is_none()
    }

    /// Posts to the channel of this id.
    pub(super) fn post(&mut self, channel: &str, post: PostNo, length: usize) -> Outcome {
        let body = format!("{{\"content\":\"{}\"}}", content(post, length));
        let request = format!(
            "POST /api/channels/{channel}/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len(),
        );
        self.waits_for = Some(post);
        self.stream.write_all(request.as_bytes()).map_err(|error| format!("a post was not sent: {error}"))
    }

    /// Reads what is there.
    pub(super) fn read(&mut self, buffer: &mut [u8], ledger: &mut Ledger, finder: &mut Finder) -> Outcome {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err("the server closed a connection that posts".into()),
                Ok(count) => self.inbox.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("a connection that posts failed: {error}")),
            }
        }
        let Some((status, body, end)) = answer(&self.inbox)? else { return Ok(()) };
        let text = &self.inbox[body];
        ensure!(status == 201, "a post was answered {status}: {}", String::from_utf8_lossy(text));
        let seq = finder.seq(text).ok_or("an answer without a seq")?;
        let post = self.waits_for.take().ok_or("an answer that nobody has asked for")?;
        self.inbox.drain(..end);
        ledger.acknowledged(post, seq)
    }
}

/// Where posts go.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) id: String,
    pub(super) channel: ChannelNo,
}
