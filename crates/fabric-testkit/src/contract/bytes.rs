//! What every place for the bytes of files promises (`fabric_domain::ports::files`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fabric_domain::model::FileId;
use fabric_domain::ports::FileBytes;

/// Generates one `#[tokio::test]` for each promise of [`FileBytes`]. The argument is an async function that opens
/// an empty place: `(Arc<dyn FileBytes>, anything to keep alive)`.
#[macro_export]
macro_rules! file_bytes_contract_tests {
    ($open:expr) => {
        $crate::file_bytes_contract_tests!(@ $open;
            what_is_complete_is_read_in_any_range,
            a_draft_is_not_readable_and_leaves_nothing_behind,
            removing_is_final_and_may_be_repeated,
            everything_is_listed_once,
        );
    };
    (@ $open:expr; $($name:ident),* $(,)?) => {
        mod file_bytes_contract {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    let (bytes, _keep) = $open().await;
                    $crate::contract::bytes::$name(bytes).await;
                }
            )*
        }
    };
}

/// Ids as the server makes them: a place may have an eye on what is none.
fn id(n: u32) -> FileId {
    FileId::new(format!("01890a5d-ac96-774b-bcce-{n:012x}"))
}

async fn write(bytes: &Arc<dyn FileBytes>, id: &FileId, chunks: &[&'static [u8]]) {
    let mut draft = bytes.begin(id).await.unwrap();
    for chunk in chunks {
        draft.write(Bytes::from_static(chunk)).await.unwrap();
    }
    draft.complete().await.unwrap();
}

async fn read(bytes: &Arc<dyn FileBytes>, id: &FileId, from: u64, to: u64) -> Option<Vec<u8>> {
    let mut source = bytes.read(id, from..to).await.unwrap()?;
    let mut all = Vec::new();
    while let Some(portion) = source.next().await.unwrap() {
        assert!(!portion.is_empty());
        all.extend_from_slice(&portion);
    }
    Some(all)
}

/// Any part of a complete file, and none beyond it.
pub async fn what_is_complete_is_read_in_any_range(bytes: Arc<dyn FileBytes>) {
    let [id, other, large] = [0xa1, 0xa2, 0xa3].map(id);
    write(&bytes, &id, &[b"hello", b"", b" world"]).await;
    assert_eq!(bytes.size(&id).await.unwrap(), Some(11));
    for (from, to, part) in [(0, 11, "hello world"), (0, 1, "h"), (4, 7, "o w"), (10, 11, "d"), (3, 3, "")] {
        assert_eq!(read(&bytes, &id, from, to).await.unwrap(), part.as_bytes());
    }
    assert_eq!(read(&bytes, &id, 0, 12).await, None);
    assert_eq!(read(&bytes, &other, 0, 1).await, None);
    assert_eq!(bytes.size(&other).await.unwrap(), None);
    // Larger than any portion.
    let mut draft = bytes.begin(&large).await.unwrap();
    let chunk: Vec<u8> = (0..=255).cycle().take(100_001).collect();
    for _ in 0..3 {
        draft.write(Bytes::from(chunk.clone())).await.unwrap();
    }
    draft.complete().await.unwrap();
    let whole = [chunk.as_slice(), &chunk, &chunk].concat();
    assert_eq!(read(&bytes, &large, 0, 300_003).await.unwrap(), whole);
    assert_eq!(read(&bytes, &large, 99_999, 200_005).await.unwrap(), whole[99_999..200_005]);
}

/// Nothing is seen of a draft, and nothing stays of one that was given up.
pub async fn a_draft_is_not_readable_and_leaves_nothing_behind(bytes: Arc<dyn FileBytes>) {
    let id = id(0xb1);
    let mut draft = bytes.begin(&id).await.unwrap();
    draft.write(Bytes::from_static(b"half")).await.unwrap();
    assert_eq!(read(&bytes, &id, 0, 4).await, None);
    assert_eq!(bytes.size(&id).await.unwrap(), None);
    let listed = bytes.list().await.unwrap().next().await.unwrap();
    assert_eq!(
        listed.iter().map(|stored| (&stored.id, stored.is_complete)).collect::<Vec<_>>(),
        [(&id, false)]
    );
    drop(draft);
    // What is left is removed beside us.
    let gone = async {
        while !bytes.list().await.unwrap().next().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.expect("the draft goes");
}

/// What is gone is gone, also for the second time.
pub async fn removing_is_final_and_may_be_repeated(bytes: Arc<dyn FileBytes>) {
    let id = id(0xc1);
    bytes.remove(&id).await.unwrap();
    write(&bytes, &id, &[b"x"]).await;
    let mut open = bytes.read(&id, 0..1).await.unwrap().unwrap();
    bytes.remove(&id).await.unwrap();
    bytes.remove(&id).await.unwrap();
    assert_eq!(read(&bytes, &id, 0, 1).await, None);
    // Who reads already, reads on.
    assert_eq!(open.next().await.unwrap().unwrap(), "x");
}

/// A walk over more than one portion.
pub async fn everything_is_listed_once(bytes: Arc<dyn FileBytes>) {
    let ids: BTreeSet<FileId> = (0..1_001).map(id).collect();
    for id in &ids {
        drop(bytes.begin(id).await.unwrap().complete().await);
    }
    let (mut listing, mut listed) = (bytes.list().await.unwrap(), Vec::new());
    loop {
        let portion = listing.next().await.unwrap();
        if portion.is_empty() {
            break;
        }
        assert!(portion.iter().all(|stored| stored.is_complete && stored.written_at.0 > 0));
        listed.extend(portion.into_iter().map(|stored| stored.id));
    }
    assert_eq!(listed.len(), ids.len());
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), ids);
}
