//! HTTP and websocket by hand, so that a test can also send what no library would.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Long enough for any machine; a test that needs it has failed.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("in time")
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Response {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses the length may close before it has read everything.
    let _ = stream.write_all(body).await;
    let mut bytes = Vec::new();
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Response { status, head: head.into(), body: body.into() }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Response {
    request(address, "GET", path, "", b"").await
}

pub(crate) async fn post(address: SocketAddr, path: &str, body: &str) -> Response {
    request(address, "POST", path, "", body.as_bytes()).await
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(u16, String),
    /// The connection ended.
    End,
}

pub(crate) struct Ws {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Ws {
    /// The status other than 101 is an error.
    pub(crate) async fn connect(address: SocketAddr, path: &str, headers: &str) -> Result<Self, u16> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut buffer = Vec::new();
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
                break at + 4;
            }
            if soon(stream.read_buf(&mut buffer)).await.unwrap() == 0 {
                break buffer.len();
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        buffer.drain(..end);
        if status == 101 { Ok(Self { stream, buffer }) } else { Err(status) }
    }

    /// One frame with this first byte (`0x81`: a whole text message).
    pub(crate) async fn frame(&mut self, first: u8, payload: &[u8]) {
        let bytes = frame(first, payload);
        // A server may have closed already; the test looks at what comes back.
        let _ = self.stream.write_all(&bytes).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes()).await;
    }

    /// Several in one write.
    pub(crate) async fn texts(&mut self, texts: &[&str]) {
        let bytes: Vec<u8> = texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect();
        let _ = self.stream.write_all(&bytes).await;
    }

    pub(crate) async fn binary(&mut self, bytes: &[u8]) {
        self.frame(0x82, bytes).await;
    }

    async fn need(&mut self, length: usize) -> bool {
        while self.buffer.len() < length {
            match soon(self.stream.read_buf(&mut self.buffer)).await {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
        }
        true
    }

    pub(crate) async fn next(&mut self) -> Frame {
        if !self.need(2).await {
            return Frame::End;
        }
        let (skip, length) = match self.buffer[1] {
            126 => {
                assert!(self.need(4).await);
                (4, usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]])))
            }
            127 => {
                assert!(self.need(10).await);
                let bytes: [u8; 8] = self.buffer[2..10].try_into().unwrap();
                (10, usize::try_from(u64::from_be_bytes(bytes)).unwrap())
            }
            short => (2, usize::from(short)),
        };
        if !self.need(skip + length).await {
            return Frame::End;
        }
        let first = self.buffer[0];
        let payload: Vec<u8> = self.buffer.drain(..skip + length).skip(skip).collect();
        match first {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x82 => Frame::Binary(payload),
            0x88 => Frame::Close(
                u16::from_be_bytes([payload[0], payload[1]]),
                String::from_utf8(payload[2..].to_vec()).unwrap(),
            ),
            0x89 => Frame::Ping,
            0x8a => Frame::Pong(payload),
            other => panic!("unexpected frame {other:x}"),
        }
    }

    /// The next text, without the server's pings, which are answered.
    pub(crate) async fn read(&mut self) -> String {
        loop {
            match self.next().await {
                Frame::Text(text) if text == "2" => self.text("3").await,
                Frame::Text(text) => return text,
                other => panic!("expected text, got {other:?}"),
            }
        }
    }

    /// Everything is read until the server closes: its code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Frame::Close(code, reason) => return (code, reason),
                Frame::End => return (0, String::new()),
                _ => {}
            }
        }
    }

    /// A websocket that joined `/`.
    pub(crate) async fn joined(address: SocketAddr) -> Self {
        let mut ws = Self::connect(address, WS, "").await.unwrap();
        assert!(ws.read().await.starts_with('0'));
        ws.text("40").await;
        assert!(ws.read().await.starts_with("40{\"sid\":"));
        ws
    }
}

pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..65_536 => {
            bytes.push(0xfe);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0xff);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    // Masked with zeros: allowed, and easy to read in a dump.
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

pub(crate) const WS: &str = "/socket.io/?EIO=4&transport=websocket";
pub(crate) const POLL: &str = "/socket.io/?EIO=4&transport=polling";
pub(crate) const RAW_WS: &str = "/engine.io/?EIO=4&transport=websocket";
pub(crate) const RAW_POLL: &str = "/engine.io/?EIO=4&transport=polling";

/// A polling session: its id.
pub(crate) async fn session(address: SocketAddr, path: &str) -> String {
    let response = get(address, path).await;
    assert_eq!(response.status, 200, "{}", response.body);
    // What is due at once, where limits are short, comes with it.
    let open = response.body.split('\u{1e}').next().unwrap();
    let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    open["sid"].as_str().unwrap().to_owned()
}
