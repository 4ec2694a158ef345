//! What the machine itself takes for the parts that nobody can leave out.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{Outcome, process};

/// Bytes of one `message.created` on the wire, about.
pub(super) const FRAME: usize = 420;
/// How many connections are written to in turn.
const CONNECTIONS: usize = 100;
const WRITES: u32 = 300_000;
/// Pages of the file that the disk is tried with.
const PAGES: usize = 1_000;
/// How long the disk is tried.
const SYNCING: Duration = Duration::from_secs(2);

/// CPU time of one `write` to one of many loopback connections that are read at the other end.
pub(super) fn bare_write() -> Outcome<Duration> {
    let failed = |error: std::io::Error| format!("loopback: {error}");
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (mut writers, mut readers) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS {
        readers.push(TcpStream::connect(address).map_err(failed)?);
        let (writer, _) = listener.accept().map_err(failed)?;
        writer.set_nodelay(true).map_err(failed)?;
        writers.push(writer);
    }
    let drain = std::thread::spawn(move || drain(&mut readers));
    let frame = [b'x'; FRAME];
    let before = process::thread_cpu();
    let began = Instant::now();
    for (_, place) in (0..WRITES).zip((0..CONNECTIONS).cycle()) {
        writers[place].write_all(&frame).map_err(failed)?;
    }
    // Without a clock of the thread the wall's has to do.
    let spent = match (before, process::thread_cpu()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => began.elapsed(),
    };
    drop(writers);
    drain.join().map_err(|_| "the reading thread failed")?.map_err(failed)?;
    Ok(spent / WRITES)
}

/// Reads each in turn to the end. What is not read yet fits the kernel's buffers or stops the writer.
fn drain(readers: &mut Vec<TcpStream>) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while !readers.is_empty() {
        let mut open = Vec::new();
        for mut reader in readers.drain(..) {
            if reader.read(&mut buffer)? > 0 {
                open.push(reader);
            }
        }
        *readers = open;
    }
    Ok(())
}

/// How often a second a page of a file can be written and be durable.
pub(super) fn syncs_per_second(folder: &Path) -> Outcome<f64> {
    let failed = |error: std::io::Error| format!("the disk: {error}");
    let mut file = File::create(folder.join("baseline")).map_err(failed)?;
    // As a database's log does once it has its size.
    file.write_all(&vec![0; 4096 * PAGES]).and_then(|()| file.sync_all()).map_err(failed)?;
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < SYNCING {
        if count % PAGES == 0 {
            file.rewind().map_err(failed)?;
        }
        file.write_all(&[7; 4096]).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        count += 1;
    }
    Ok(super::number(count) / began.elapsed().as_secs_f64())
}
