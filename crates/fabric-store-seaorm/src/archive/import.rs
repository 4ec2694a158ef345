//! Filling an empty database from an archive.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fabric_domain::model::{File, FileId, GuildId, Timestamp};
use fabric_domain::ports::{FileBytes, StoreError};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::check::Row;
use super::error::ArchiveError;
use super::manifest::{Manifest, Part};
use super::read::{find_line, read};
use super::under_way::{self, Batch, Unwanted};
use super::{Observer, Progress, Step, Summary, bytes};
use crate::bulk::{BulkError, BulkLoad, ROWS};
use crate::schema::migrate::SchemaError;

/// How an archive is imported.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Whose database it is: the archive has to be of the same guild.
    pub guild: GuildId,
    /// Whether the schema may be brought up to date; otherwise an old one is refused.
    pub sync: bool,
    /// Any number, and another one each time: tells this import from others.
    pub token: u64,
    /// Noted while the import is at work.
    pub now: Timestamp,
}

/// What the threads that read share.
type SharedObserver = Arc<dyn Fn(Progress) + Send + Sync>;

/// Checks an archive; answers what is in it.
pub async fn verify(from: &Path, observer: SharedObserver) -> Result<Summary, ArchiveError> {
    let folder = from.to_owned();
    let manifest = Manifest::read(&folder)?;
    check(folder, manifest, observer).await.map(|manifest| manifest.summary())
}

/// Fills the database at `url`, which must be empty, with the archive in the folder `from`. The bytes of files go to
/// `bytes`; those that are there already are left alone.
///
/// The archive is checked first, and nothing is written before that. From then on until the end the database
/// is marked as incomplete, and no server starts on it. An import that breaks off leaves the mark, and the next
/// one begins anew; one that fails for a reason in the archive leaves the database empty.
pub async fn import(
    url: &str,
    from: &Path,
    options: &ImportOptions,
    bytes: Arc<dyn FileBytes>,
    observer: SharedObserver,
) -> Result<Summary, ArchiveError> {
    let folder = from.to_owned();
    let manifest = Manifest::read(&folder)?;
    if manifest.guild != options.guild {
        let (archive, node) = (manifest.guild.to_string(), options.guild.to_string());
        return Err(ArchiveError::OtherGuild { archive, node });
    }
    let manifest = check(folder.clone(), manifest, Arc::clone(&observer)).await?;
    let mut loader = BulkLoad::begin(url, options.sync, options.token, options.now).await?;
    let mut copies = Copies { archive: folder.clone(), bytes, made: Vec::new() };
    match load(&mut loader, &mut copies, folder, manifest.clone(), observer).await {
        Ok(()) => {
            loader.finish().await?;
            Ok(manifest.summary())
        }
        Err(error) => match loader.abandon(copies.undo()).await {
            Ok(()) => Err(error),
            // It may look like something else before: rows that are there already are the other one's.
            Err(BulkError::TakenOver) => Err(ArchiveError::TakenOver),
            Err(again) => {
                // The mark stays and says the same.
                tracing::warn!(error = %again, "the database stays marked as incomplete");
                Err(error)
            }
        },
    }
}

async fn check(
    folder: PathBuf,
    manifest: Manifest,
    observer: SharedObserver,
) -> Result<Manifest, ArchiveError> {
    blocking(move || read(&folder, &manifest, Step::Checking, &*observer, |_, _| Ok(())).map(|()| manifest))
        .await
}

/// On a thread of its own, since reading and hashing wait for nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(stopped(error)))
}

/// The thread that reads has panicked, or nobody listens to it any more.
fn stopped(error: impl std::fmt::Display) -> ArchiveError {
    SchemaError::Store(StoreError::Unavailable(format!("reading has stopped: {error}"))).into()
}

/// Bytes that were copied out of an archive.
struct Copies {
    archive: PathBuf,
    bytes: Arc<dyn FileBytes>,
    /// Of these files.
    made: Vec<FileId>,
}

impl Copies {
    async fn make(&mut self, file: &File) -> Result<(), ArchiveError> {
        if bytes::store(&self.archive, file, self.bytes.as_ref()).await? {
            self.made.push(file.id.clone());
        }
        Ok(())
    }

    /// Bytes that stay nevertheless, also those of an import that was taken over, have no row or are wanted: the server
    /// sweeps the former.
    async fn undo(&self) {
        for id in &self.made {
            if let Err(error) = self.bytes.remove(id).await {
                tracing::warn!(%error, %id, "the bytes of a file stay behind");
            }
        }
    }
}

async fn load(
    loader: &mut BulkLoad,
    copies: &mut Copies,
    folder: PathBuf,
    manifest: Manifest,
    observer: SharedObserver,
) -> Result<(), ArchiveError> {
    let (rows, waiting) = under_way::channel();
    let reading = {
        let (folder, manifest) = (folder.clone(), manifest.clone());
        spawn_blocking(move || hand_over(&folder, &manifest, &*observer, rows))
    };
    let mut messages = 0;
    // The reader stops when nobody listens any more.
    let done = fill(loader, copies, waiting, &mut messages).await;
    let read = reading.await.map_err(stopped)?;
    match done {
        Ok(()) => read?,
        Err(ArchiveError::Duplicate("messages")) => {
            return Err(blocking(move || duplicate(&folder, &manifest, messages)).await?);
        }
        Err(ArchiveError::Duplicate("search_documents")) => {
            let what = "a message is there twice".to_owned();
            return Err(ArchiveError::Damaged { file: Part::SearchOrder.file(), what });
        }
        Err(ArchiveError::NoSuchMessage(stray)) => {
            let stray = move |_, id: &str| id == stray.as_str();
            let line = blocking(move || find_line(&folder, &manifest, Part::SearchOrder, stray)).await?;
            let what = "there is no such message, or it is a note of a command".to_owned();
            return Err(ArchiveError::BadLine {
                file: Part::SearchOrder.file(),
                line: line.unwrap_or_default(),
                what,
            });
        }
        Err(error) => return Err(error),
    }
    examine(loader.connection(), &folder, &manifest).await
}

async fn fill(
    loader: &mut BulkLoad,
    copies: &mut Copies,
    mut waiting: mpsc::Receiver<Batch>,
    messages: &mut u64,
) -> Result<(), ArchiveError> {
    while let Some(batch) = waiting.recv().await {
        for row in batch.rows {
            match &row {
                Row::Message(_) => *messages += 1,
                // Bytes are there before their row is.
                Row::File(file, true) => copies.make(file).await?,
                _ => {}
            }
            load_row(loader, row).await?;
        }
    }
    Ok(loader.flush().await?)
}

/// Reads the archive once more, and checks it once more: it may have changed since.
fn hand_over(
    folder: &Path,
    manifest: &Manifest,
    observer: Observer<'_>,
    mut rows: under_way::Sender,
) -> Result<(), ArchiveError> {
    let unwanted = |Unwanted| stopped("nobody takes what was read");
    read(folder, manifest, Step::Loading, observer, |row, bytes| rows.push(row, bytes).map_err(unwanted))?;
    rows.finish().map_err(unwanted)
}

async fn load_row(loader: &mut BulkLoad, row: Row) -> Result<(), BulkError> {
    match row {
        Row::Channel(channel, turn) => loader.channel(&channel, turn.as_deref()).await,
        Row::Member(channel, position, user, wake_mapped, settled) => {
            loader.member(&channel, position, &user, wake_mapped, settled).await
        }
        Row::Message(message) => loader.message(&message).await,
        Row::Numbered(number, message) => loader.numbered(number, &message).await,
        Row::Attachment(message, channel, position, kept) => {
            loader.attachment(&message, &channel, position, &kept).await
        }
        Row::Revision(message, number, revision, deleted_at) => {
            loader.revision(&message, number, &revision, deleted_at).await
        }
        Row::ReadMarker(channel, user, seq) => loader.read_marker(&channel, &user, seq).await,
        Row::Presence(presence) => loader.presence(&presence).await,
        Row::OwedWake(channel, seq, debt, created_at) => {
            loader.owed_wake(&channel, seq, &debt, created_at).await
        }
        Row::IdempotencyKey(answer, created_at) => {
            let (slot, outcome) = *answer;
            loader.idempotency_key(&slot, &outcome, created_at).await
        }
        Row::File(file, _) => loader.file(&file).await,
    }
}

/// Which message has an id that another one has: one of the latest that were loaded.
fn duplicate(folder: &Path, manifest: &Manifest, messages: u64) -> Result<ArchiveError, ArchiveError> {
    let mut latest = std::collections::HashMap::new();
    let first = messages.saturating_sub(ROWS as u64);
    find_line(folder, manifest, Part::Messages, |line, id| {
        if line > first {
            latest.entry(id.to_owned()).or_insert(line);
        }
        line >= messages
    })?;
    let mut same = None;
    let found = find_line(folder, manifest, Part::Messages, |line, id| {
        same = latest.get(id).copied().filter(|other| *other != line);
        same.is_some()
    })?;
    let (line, other) = (found.max(same).unwrap_or(messages), found.min(same).unwrap_or_default());
    let what = format!("its id is that of line {other}");
    Ok(ArchiveError::BadLine { file: Part::Messages.file(), line, what })
}

/// Messages that answer one that is not in their channel.
const STRAY_ANSWERS: &str = "SELECT m.id AS id FROM messages m WHERE m.reply_to IS NOT NULL AND NOT EXISTS \
     (SELECT 1 FROM messages r WHERE r.id = m.reply_to AND r.channel_id = m.channel_id) LIMIT 1";
/// Former texts of messages that are not there.
const STRAY_REVISIONS: &str = "SELECT r.message_id AS id FROM message_revisions r WHERE NOT EXISTS \
     (SELECT 1 FROM messages m WHERE m.id = r.message_id) LIMIT 1";

/// Attachments of messages that are not there.
const STRAY_ATTACHMENTS: &str = "SELECT a.message_id AS id FROM message_attachments a WHERE NOT EXISTS \
     (SELECT 1 FROM messages m WHERE m.id = a.message_id AND m.channel_id = a.channel_id) LIMIT 1";

/// What only the database can know at this size.
async fn examine(
    connection: &DatabaseConnection,
    folder: &Path,
    manifest: &Manifest,
) -> Result<(), ArchiveError> {
    let checks = [
        (STRAY_ANSWERS, Part::Messages, "it answers a message that is not in its channel"),
        (STRAY_ATTACHMENTS, Part::Attachments, "its message is not in its channel"),
        (STRAY_REVISIONS, Part::Revisions, "its message is not there"),
    ];
    for (query, part, what) in checks {
        let Some(stray) = first_id(connection, query).await.map_err(SchemaError::from)? else { continue };
        let (folder, manifest) = (folder.to_owned(), manifest.clone());
        let line = blocking(move || find_line(&folder, &manifest, part, |_, id| id == stray)).await?;
        let line = line.unwrap_or_default();
        return Err(ArchiveError::BadLine { file: part.file(), line, what: what.to_owned() });
    }
    Ok(())
}

async fn first_id(connection: &DatabaseConnection, query: &str) -> Result<Option<String>, DbErr> {
    let query = Statement::from_string(connection.get_database_backend(), query);
    connection.query_one_raw(query).await?.map(|row| row.try_get("", "id")).transpose()
}
