//! The way of entries from the thread that reads an archive to the task that fills the database. What is on its way is
//! bounded in bytes, too: a few hundred entries may be a few hundred megabytes.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::read::Entry;

/// The most entries of a batch, and the bytes of their lines after which it is full; and the most batches that wait.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
const WAITING: usize = 8;
/// The most bytes that wait or are being written. A larger batch goes alone.
const BYTES: u32 = 8 << 20;

/// Some entries. Their bytes count as on their way until it is dropped.
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    _room: OwnedSemaphorePermit,
}

/// The receiver is gone.
#[derive(Debug)]
pub(crate) struct ClosedError;

/// The reader's end.
pub(crate) struct Sender {
    batches: mpsc::Sender<Batch>,
    room: Arc<Semaphore>,
    runtime: Handle,
    entries: Vec<Entry>,
    bytes: usize,
}

/// Both ends. The sender blocks, so it is for a thread of its own.
pub(crate) fn channel() -> (Sender, mpsc::Receiver<Batch>) {
    let (batches, receiver) = mpsc::channel(WAITING);
    let room = Arc::new(Semaphore::new(BYTES as usize));
    (Sender { batches, room, runtime: Handle::current(), entries: Vec::new(), bytes: 0 }, receiver)
}

impl Sender {
    /// Takes an entry, whose line has so many bytes; blocks while too much is on its way.
    pub(crate) fn push(&mut self, entry: Entry, bytes: usize) -> Result<(), ClosedError> {
        self.entries.push(entry);
        self.bytes += bytes;
        if self.entries.len() >= BATCH || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands on what is left.
    pub(crate) fn finish(mut self) -> Result<(), ClosedError> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), ClosedError> {
        let entries = std::mem::replace(&mut self.entries, Vec::with_capacity(BATCH));
        let bytes = u32::try_from(std::mem::take(&mut self.bytes)).unwrap_or(BYTES).min(BYTES);
        let room = self.runtime.block_on(Arc::clone(&self.room).acquire_many_owned(bytes));
        let batch = Batch { entries, _room: room.map_err(|_| ClosedError)? };
        self.batches.blocking_send(batch).map_err(|_| ClosedError)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::spawn_blocking;

    use super::*;
    use crate::port::Record;

    fn entry() -> Entry {
        let record = Record::SearchOrder { number: 1, message: "m".into() };
        Entry { record, has_bytes: false }
    }

    const MEGABYTE: usize = 1_000_000;

    /// The most bytes that were read and not yet written at any moment, of so many rows of this size.
    async fn most_on_the_way(rows: usize, size: usize) -> usize {
        let (mut sender, mut batches) = channel();
        let (written, mut count) = (Arc::new(AtomicUsize::new(0)), 0);
        let reading = {
            let written = Arc::clone(&written);
            spawn_blocking(move || {
                let mut most = 0;
                for n in 0..rows {
                    most = most.max((n + 1) * size - written.load(Ordering::SeqCst));
                    sender.push(entry(), size).unwrap();
                }
                sender.finish().unwrap();
                most
            })
        };
        while let Some(batch) = batches.recv().await {
            count += batch.entries.len();
            // Written before it is dropped, so the reader never counts too much.
            written.fetch_add(batch.entries.len() * size, Ordering::SeqCst);
        }
        assert_eq!(count, rows);
        reading.await.unwrap()
    }

    #[tokio::test]
    async fn what_is_on_its_way_is_bounded_in_bytes() {
        let most = most_on_the_way(300, MEGABYTE).await;
        assert!(most <= BYTES as usize + BATCH_BYTES + MEGABYTE, "{most}");
        // Each one is more than may be on its way.
        let most = most_on_the_way(5, 20 * MEGABYTE).await;
        assert!(most <= 2 * 20 * MEGABYTE, "{most}");
        let most = most_on_the_way(100_000, 100).await;
        assert!(most <= (WAITING + 2) * BATCH * 100, "{most}");
    }

    #[tokio::test]
    async fn a_reader_that_waits_ends_when_nobody_takes_entries_any_more() {
        let (mut sender, mut batches) = channel();
        let push = move || (0..300).try_for_each(|_| sender.push(entry(), MEGABYTE));
        let reading = spawn_blocking(push);
        let batch = batches.recv().await.unwrap();
        drop((batches, batch));
        reading.await.unwrap().unwrap_err();
    }
}
