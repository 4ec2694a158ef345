//! Clients that only count, so that they cost next to nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use fabric_api::realtime::{JoinChannel, event};
use fabric_domain::model::ChannelId;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::client::{Inbox, Wire, masked};
use crate::world::PATIENCE;
use crate::{Outcome, ensure};

const CREATED: &[u8] = b"42/realtime,[\"message.created\"";

/// Messages that arrived at any of the clients.
#[derive(Debug, Default)]
pub(super) struct Tally {
    total: AtomicUsize,
    /// When the total reached `target`.
    target: AtomicUsize,
    reached: Mutex<Option<Instant>>,
    news: Notify,
}

impl Tally {
    fn add(&self, count: usize) {
        let before = self.total.fetch_add(count, Ordering::AcqRel);
        let target = self.target.load(Ordering::Acquire);
        if before < target && before + count >= target {
            *self.reached.lock() = Some(Instant::now());
            self.news.notify_waiters();
        }
    }

    /// Waits until so many have arrived in all, and says when that was.
    pub(super) async fn until(&self, target: usize) -> Outcome<Instant> {
        *self.reached.lock() = None;
        self.target.store(target, Ordering::Release);
        let waiting = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if let Some(at) = *self.reached.lock() {
                    return at;
                }
                // Before the target was set.
                if self.total.load(Ordering::Acquire) >= target {
                    return Instant::now();
                }
                news.await;
            }
        };
        let total = || self.total.load(Ordering::Acquire);
        timeout(PATIENCE, waiting).await.map_err(|_| format!("{} of {target} deliveries came", total()))
    }
}

/// Joins a channel and hands the connection to a task that counts until it ends.
pub(super) async fn count(mut wire: Wire, channel: &ChannelId, tally: &Arc<Tally>) -> Outcome {
    let request = JoinChannel { channel_id: channel.clone(), since_seq: None };
    let answer = wire.ask(event::JOIN_CHANNEL, &request).await?;
    ensure!(answer["ok"] == true, "not joined: {answer}");
    let (stream, inbox, _) = wire.into_parts();
    tokio::spawn(read(stream, inbox, Arc::clone(tally)));
    Ok(())
}

async fn read(mut stream: TcpStream, mut inbox: Inbox, tally: Arc<Tally>) {
    loop {
        let (mut count, mut is_pinged) = (0, false);
        while let Ok(Some((_, payload))) = inbox.raw() {
            count += usize::from(payload.starts_with(CREATED));
            is_pinged |= payload == b"2";
        }
        if count > 0 {
            tally.add(count);
        }
        if is_pinged && stream.write_all(&masked(0x81, b"3")).await.is_err() {
            return;
        }
        match stream.read_buf(inbox.space()).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
