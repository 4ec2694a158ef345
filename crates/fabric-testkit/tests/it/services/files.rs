//! Uploads and the sweep, interrupted wherever they can be.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use fabric_domain::decisions::{Limits, Post};
use fabric_domain::model::{Author, ChannelType, File, FileId, FileName, FileRules, MediaType, Quota};
use fabric_domain::ports::{ByteSource, BytesError, Draft, FileBytes, Listing};
use fabric_domain::services::{ServiceError, Upload};
use fabric_testkit::{MemoryBytes, TestGuild};

use super::{channel, code};

/// When the process dies: before or after the step with this number has its effect.
#[derive(Debug, Clone, Copy)]
enum Death {
    Before(usize),
    After(usize),
}

/// A place for bytes whose process dies at a step. From then on nothing works, and nothing is tidied up.
struct Mortal {
    inner: Arc<MemoryBytes>,
    life: Arc<Life>,
}

struct Life {
    death: Option<Death>,
    steps: AtomicUsize,
}

impl Life {
    fn is_over(&self) -> bool {
        let steps = self.steps.load(Ordering::SeqCst);
        match self.death {
            Some(Death::Before(n) | Death::After(n)) => steps > n,
            None => false,
        }
    }

    /// Takes a step, unless it is too late; answers whether it has its effect.
    async fn step<T>(&self, effect: impl Future<Output = Result<T, BytesError>>) -> Result<T, BytesError> {
        let dead = || BytesError::Unavailable("dead".to_owned());
        let number = self.steps.fetch_add(1, Ordering::SeqCst);
        match self.death {
            Some(Death::Before(n)) if number >= n => Err(dead()),
            Some(Death::After(n)) if number > n => Err(dead()),
            Some(Death::After(n)) if number == n => {
                // What it gives is lost with the process, and not dropped in good order.
                std::mem::forget(effect.await?);
                Err(dead())
            }
            _ => effect.await,
        }
    }
}

#[async_trait]
impl FileBytes for Mortal {
    async fn begin(&self, id: &FileId) -> Result<Box<dyn Draft>, BytesError> {
        let inner = self.life.step(self.inner.begin(id)).await?;
        Ok(Box::new(MortalDraft { inner: Some(inner), life: Arc::clone(&self.life) }))
    }

    async fn read(&self, id: &FileId, range: Range<u64>) -> Result<Option<Box<dyn ByteSource>>, BytesError> {
        self.life.step(self.inner.read(id, range)).await
    }

    async fn size(&self, id: &FileId) -> Result<Option<u64>, BytesError> {
        self.life.step(self.inner.size(id)).await
    }

    async fn remove(&self, id: &FileId) -> Result<(), BytesError> {
        self.life.step(self.inner.remove(id)).await
    }

    async fn list(&self) -> Result<Box<dyn Listing>, BytesError> {
        self.life.step(self.inner.list()).await
    }
}

struct MortalDraft {
    inner: Option<Box<dyn Draft>>,
    life: Arc<Life>,
}

#[async_trait]
impl Draft for MortalDraft {
    async fn write(&mut self, chunk: Bytes) -> Result<(), BytesError> {
        let inner = self.inner.as_mut().expect("a draft that is not complete");
        self.life.step(inner.write(chunk)).await
    }

    async fn complete(mut self: Box<Self>) -> Result<(), BytesError> {
        let inner = self.inner.take().expect("a draft that is not complete");
        let life = Arc::clone(&self.life);
        if matches!(life.death, Some(Death::Before(n)) if life.steps.load(Ordering::SeqCst) >= n) {
            std::mem::forget(inner);
            return life.step(async { Ok(()) }).await;
        }
        life.step(inner.complete()).await
    }
}

impl Drop for MortalDraft {
    fn drop(&mut self) {
        if self.life.is_over() {
            std::mem::forget(self.inner.take());
        }
    }
}

/// A guild in its next life, with the bytes of the former ones.
fn reborn(guild: TestGuild, inner: &Arc<MemoryBytes>, death: Option<Death>) -> (TestGuild, Arc<Life>) {
    let life = Arc::new(Life { death, steps: AtomicUsize::new(0) });
    let mortal = Mortal { inner: Arc::clone(inner), life: Arc::clone(&life) };
    let limits = guild.guild.limits();
    (guild.keeping(Arc::new(mortal), limits), life)
}

fn begun() -> (TestGuild, Arc<MemoryBytes>) {
    let guild = TestGuild::default();
    let inner = Arc::new(MemoryBytes::new(Arc::clone(&guild.clock) as _));
    let guild = reborn(guild, &inner, None).0;
    (guild, inner)
}

async fn begin(guild: &TestGuild, user: &str) -> Result<Upload, ServiceError> {
    let (name, mime) = (FileName::sanitise("a.txt"), MediaType::read("text/plain"));
    guild.guild.begin_upload(&guild.human(user), name, mime, 0).await
}

async fn upload(guild: &TestGuild, user: &str, bytes: &'static [u8]) -> Result<File, ServiceError> {
    let mut upload = begin(guild, user).await?;
    for chunk in bytes.chunks(2) {
        upload.write(Bytes::from_static(chunk)).await?;
    }
    guild.guild.finish_upload(upload).await
}

/// Every row has its bytes, whole, and there is nothing else.
async fn assert_together(guild: &TestGuild, bytes: &MemoryBytes, context: &str) {
    let rows = guild.store.files_after(None, 1_000).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|file| (file.id, true, file.size)).collect();
    let stored = bytes.everything();
    let stored: Vec<_> =
        stored.into_iter().map(|(id, whole, bytes)| (id, whole, bytes.len() as u64)).collect();
    assert_eq!(rows, stored, "{context}");
}

async fn sweep(guild: &TestGuild) {
    guild.guild.expire_files().await.unwrap();
    let swept = guild.guild.reconcile_files().await.unwrap();
    assert_eq!(swept.missing, 0);
}

fn deaths() -> impl Iterator<Item = Death> {
    (0..).flat_map(|n| [Death::Before(n), Death::After(n)])
}

/// At every step of an upload. Afterwards there is the whole file, or nothing.
#[tokio::test]
async fn an_upload_may_die_at_any_step() {
    for death in deaths() {
        let (guild, bytes) = begun();
        let kept = upload(&guild, "alice", b"kept").await.unwrap();
        let (guild, life) = reborn(guild, &bytes, Some(death));
        let uploaded = upload(&guild, "alice", b"some bytes").await;
        let survived = !life.is_over();
        let (guild, _) = reborn(guild, &bytes, None);
        guild.clock.advance_seconds(2 * 3_600);
        sweep(&guild).await;
        assert_together(&guild, &bytes, &format!("{death:?}")).await;
        let store = &guild.store;
        assert!(store.file(&kept.id).await.unwrap().is_some(), "{death:?}");
        if let Ok(file) = &uploaded {
            assert!(store.file(&file.id).await.unwrap().is_some(), "{death:?}: acknowledged and lost");
        }
        if survived {
            assert!(uploaded.is_ok(), "{uploaded:?}");
            return;
        }
    }
}

/// At every step of a sweep that has expired files, rests of uploads and bytes of nobody to remove.
#[tokio::test]
async fn a_sweep_may_die_at_any_step() {
    for death in deaths() {
        let (guild, bytes) = begun();
        let id = channel(&guild, ChannelType::General, "alice bob").await;
        for _ in 0..3 {
            upload(&guild, "alice", b"old").await.unwrap();
        }
        let attached = upload(&guild, "alice", b"attached").await.unwrap();
        let post = Post { attachments: vec![attached.id.clone()], ..Post::default() };
        guild.guild.post(&Author::User(guild.human("alice")), &id, post, None).await.unwrap();
        bytes.plant(&"orphan".into(), b"bytes of nobody", true);
        bytes.plant(&"draft".into(), b"the rest of an upl", false);
        guild.clock.advance_seconds(25 * 3_600);
        let young = upload(&guild, "alice", b"young").await.unwrap();

        let (guild, life) = reborn(guild, &bytes, Some(death));
        let _ = guild.guild.expire_files().await;
        let _ = guild.guild.reconcile_files().await;
        let survived = !life.is_over();
        let (guild, _) = reborn(guild, &bytes, None);
        sweep(&guild).await;
        assert_together(&guild, &bytes, &format!("{death:?}")).await;
        let rows = guild.store.files_after(None, 10).await.unwrap();
        assert_eq!(rows.iter().map(|file| &file.id).collect::<Vec<_>>(), [&attached.id, &young.id]);
        if survived {
            return;
        }
    }
}

#[tokio::test]
async fn what_is_refused_or_given_up_leaves_nothing_behind() {
    let (guild, bytes) = begun();
    let files = FileRules { max_bytes: 6, quota: Quota { guild: 12, user: 9 }, ..FileRules::default() };
    let place = Arc::clone(&guild.files);
    let guild = guild.keeping(place, Limits { files, ..Limits::default() });
    assert_eq!(code(upload(&guild, "alice", b"seven b").await), "file_too_large");
    assert_eq!(code(upload(&guild, "alice", b"").await), "validation_failed");
    let (bob, name) = (guild.human("bob"), FileName::sanitise("x"));
    let announced = guild.guild.begin_upload(&bob, name, MediaType::default(), 7);
    assert_eq!(code(announced.await), "file_too_large");
    let mut given_up = begin(&guild, "alice").await.unwrap();
    given_up.write(Bytes::from_static(b"half")).await.unwrap();
    drop(given_up);
    assert_together(&guild, &bytes, "refused or given up").await;
    upload(&guild, "alice", b"sixsix").await.unwrap();
    assert_eq!(code(upload(&guild, "alice", b"four").await), "user_quota_exceeded");
    upload(&guild, "bob", b"sixsix").await.unwrap();
    assert_eq!(code(upload(&guild, "carol", b"1").await), "guild_quota_exceeded");
    assert_together(&guild, &bytes, "over the quota").await;
}

/// However late they end: while an upload runs here, no sweep takes it, whatever the clock says.
#[tokio::test]
async fn an_upload_that_still_runs_is_not_swept() {
    let (guild, bytes) = begun();
    let mut running = begin(&guild, "alice").await.unwrap();
    running.write(Bytes::from_static(b"slow")).await.unwrap();
    guild.clock.advance_seconds(1_000 * 24 * 3_600);
    assert_eq!(guild.guild.reconcile_files().await.unwrap().orphans, 0);
    guild.guild.finish_upload(running).await.unwrap();
    assert_together(&guild, &bytes, "after all").await;
}

/// Of another node, perhaps: what is younger than an hour is nobody's garbage yet.
#[tokio::test]
async fn young_bytes_without_a_row_are_left_alone() {
    let (guild, bytes) = begun();
    bytes.plant(&"elsewhere".into(), b"bytes", true);
    guild.clock.advance_seconds(3_600);
    assert_eq!(guild.guild.reconcile_files().await.unwrap().orphans, 0);
    guild.clock.advance_seconds(1);
    assert_eq!(guild.guild.reconcile_files().await.unwrap().orphans, 1);
    assert_together(&guild, &bytes, "an hour later").await;
}

/// A folder that is not mounted is no reason to forget what was in it.
#[tokio::test]
async fn a_row_without_bytes_reads_as_expired_and_stays() {
    let (guild, bytes) = begun();
    let file = upload(&guild, "alice", b"lost").await.unwrap();
    bytes.remove(&file.id).await.unwrap();
    let swept = guild.guild.reconcile_files().await.unwrap();
    assert_eq!((swept.missing, swept.orphans), (1, 0));
    let alice = guild.human("alice");
    let found = guild.guild.file(&alice, &file.id).await.unwrap();
    let read = guild.guild.read_file(&found, 0..4).await;
    assert!(matches!(read, Err(ServiceError::Refused(fabric_domain::model::Refusal::FileExpired))));
    bytes.plant(&file.id, b"lost", true);
    assert_eq!(guild.guild.reconcile_files().await.unwrap().missing, 0);
    assert!(guild.guild.read_file(&found, 0..4).await.is_ok());
}

#[tokio::test]
async fn a_user_has_so_many_uploads_at_once() {
    let (guild, _) = begun();
    let max = FileRules::default().uploads_per_user;
    let mut running = Vec::new();
    for _ in 0..max {
        running.push(begin(&guild, "alice").await.unwrap());
    }
    assert_eq!(code(begin(&guild, "alice").await), "too_many_uploads");
    assert!(begin(&guild, "bob").await.is_ok());
    running.pop();
    assert!(begin(&guild, "alice").await.is_ok());
}

/// It would vanish.
#[tokio::test]
async fn a_command_takes_no_files() {
    let (guild, _) = begun();
    let id = channel(&guild, ChannelType::Discuss, "alice bob").await;
    let file = upload(&guild, "alice", b"x").await.unwrap();
    let attachments = vec![file.id];
    let alice = Author::User(guild.human("alice"));
    let post = Post { attachments: attachments.clone(), ..Post::text("/force-proceed") };
    assert_eq!(code(guild.guild.post(&alice, &id, post, None).await), "validation_failed");
    let system = Author::System { wakeup: None };
    let post = Post { attachments, ..Post::text("from the guild") };
    assert_eq!(code(guild.guild.post(&system, &id, post, None).await), "validation_failed");
}
