//! As much HTTP as the judge needs: small requests, answers with a length.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use memchr::memmem;
use serde_json::Value;

use crate::{Outcome, ensure};

const PATIENCE: Duration = Duration::from_mins(2);

/// The answer that these bytes begin with, if all of it is there: its status, where its body is, and its end.
pub(super) fn answer(bytes: &[u8]) -> Outcome<Option<(u16, Range<usize>, usize)>> {
    let Some(head) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head]).map_err(|error| error.to_string())?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("no HTTP: {text}"))?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let length: usize = length.ok_or_else(|| format!("an answer without a length: {text}"))?;
    let body = head + 4..head + 4 + length;
    Ok((bytes.len() >= body.end).then(|| (status, body.clone(), body.end)))
}

/// One request; its answer must be a success.
pub(super) fn call(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: &Value,
) -> Outcome<Value> {
    let failed = |error: std::io::Error| format!("{method} {path}: {error}");
    let mut stream = TcpStream::connect(server).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        if let Some((status, body, _)) = answer(&bytes)? {
            let body = &bytes[body];
            ensure!(status < 300, "{method} {path} was answered {status}: {}", String::from_utf8_lossy(body));
            return serde_json::from_slice(body).map_err(|error| format!("{method} {path}: {error}"));
        }
        let count = stream.read(&mut piece).map_err(failed)?;
        ensure!(count > 0, "{method} {path} was not answered");
        bytes.extend_from_slice(&piece[..count]);
    }
}
