//! Writing an archive of a database.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fabric_domain::model::IdempotencySlot;
use fabric_domain::model::{Channel, ChannelId, FileId, GuildId, Seq, Timestamp};
use fabric_domain::ports::FileBytes;
use futures_util::TryStreamExt as _;
use sea_orm::{ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, Select};
use serde::Serialize;

use super::check::{Checker, Row};
use super::error::ArchiveError;
use super::file_record::{AttachmentLine, FileLine};
use super::lines::{PartWriter, create, of_file};
use super::manifest::{self, Described, MAX_LINE, Manifest, Part};
use super::record::{
    ChannelLine, IdempotencyLine, MemberLine, MessageLine, OwedWakeLine, PresenceLine, ReadMarkerLine,
    RevisionLine, SearchOrderLine,
};
use super::{ExportOptions, Observer, Progress, Step, Summary, TOLD_EVERY, bytes};
use crate::error::DatabaseError;
use crate::query;
use crate::schema::connect::{self, Purpose};
use crate::schema::convert::{self, from_json, to_column};
use crate::schema::entity::{
    attachment, channel, idempotency_key, member, message, owed_wake, presence, read_marker, revision,
    search_document,
};
use crate::schema::migrate::{self, SchemaError};

/// Messages of one query.
const PAGE: i64 = 1_000;
/// Files of one query.
const FILES: u32 = 500;

/// Writes the guild in the database at `url`, and its files' `bytes`, into the folder `to`, which must not be
/// there, or be empty. What
/// is written is of one moment, whoever writes to the database meanwhile. An export that fails leaves nothing.
pub async fn export(
    url: &str,
    to: &Path,
    options: &ExportOptions,
    bytes: &dyn FileBytes,
    observer: Observer<'_>,
) -> Result<Summary, ArchiveError> {
    let connection = connect::open(url, Purpose::Copying, 1).await.map_err(SchemaError::from)?;
    match migrate::pending(&connection).await? {
        0 => migrate::refuse_incomplete(&connection).await?,
        pending => return Err(SchemaError::Old(pending).into()),
    }
    let target = Target::create(to)?;
    let snapshot = query::snapshot(&connection).await?;
    let mut exporter = Exporter {
        snapshot,
        folder: target.partial.clone(),
        checker: Checker::default(),
        channels: Vec::new(),
        bytes,
        observer,
    };
    let manifest = Manifest {
        guild: options.guild.clone(),
        exported_at: options.now,
        program: options.program.clone(),
        parts: exporter.parts().await?,
    };
    drop(exporter);
    // Nothing depends on it: an unclosed connection is closed by the end of its pool.
    let _ = connection.close().await;
    target.complete(&manifest)?;
    Ok(manifest.summary())
}

/// The folder, under another name until it is complete.
struct Target {
    folder: PathBuf,
    partial: PathBuf,
    is_complete: bool,
}

impl Target {
    fn create(folder: &Path) -> Result<Self, ArchiveError> {
        match fs::read_dir(folder) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(ArchiveError::TargetNotEmpty(folder.to_owned()));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(of_file(folder)(error)),
        }
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = folder.with_file_name(name);
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&partial) {
            Ok(()) => Ok(Self { folder: folder.to_owned(), partial, is_complete: false }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(ArchiveError::TargetBusy(partial))
            }
            Err(error) => Err(of_file(&partial)(error)),
        }
    }

    /// The manifest, then the name, each once what was before it is on the disk.
    fn complete(mut self, manifest: &Manifest) -> Result<(), ArchiveError> {
        let path = self.partial.join(manifest::FILE);
        let json = manifest.to_json().map_err(|error| of_file(&path)(error.into()))?;
        let mut file = create(&path)?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(of_file(&path))?;
        sync_folder(&self.partial)?;
        if self.folder.is_dir() {
            fs::remove_dir(&self.folder).map_err(of_file(&self.folder))?;
        }
        fs::rename(&self.partial, &self.folder).map_err(of_file(&self.folder))?;
        self.is_complete = true;
        match self.folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
            _ => sync_folder(Path::new(".")),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.is_complete {
            // Half an archive is of no use; and it is not mistaken for one, should this fail.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// Waits until the names in a folder are on the disk, where the system knows such a thing.
fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(of_file(folder))?;
    }
    Ok(())
}

/// Reads everything in one snapshot.
struct Exporter<'a> {
    snapshot: DatabaseTransaction,
    folder: PathBuf,
    checker: Checker,
    channels: Vec<Heading>,
    bytes: &'a dyn FileBytes,
    observer: Observer<'a>,
}

/// A channel whose messages are to be read.
struct Heading {
    id: ChannelId,
    guild: GuildId,
    last_seq: Seq,
}

fn failed(error: DbErr) -> ArchiveError {
    SchemaError::from(error).into()
}

fn inconsistent(what: String) -> ArchiveError {
    ArchiveError::Inconsistent(what)
}

impl Exporter<'_> {
    async fn parts(&mut self) -> Result<BTreeMap<Part, Described>, ArchiveError> {
        let mut parts = BTreeMap::new();
        for part in Part::ALL {
            let mut writer = PartWriter::create(&self.folder, part)?;
            match part {
                Part::Channels => self.channels(&mut writer).await?,
                Part::Members => self.members(&mut writer).await?,
                Part::Messages => self.messages(&mut writer).await?,
                Part::SearchOrder => self.search_order(&mut writer).await?,
                Part::Attachments => self.attachments(&mut writer).await?,
                Part::Revisions => self.revisions(&mut writer).await?,
                Part::ReadMarkers => self.read_markers(&mut writer).await?,
                Part::Presences => self.presences(&mut writer).await?,
                Part::OwedWakes => self.owed_wakes(&mut writer).await?,
                Part::IdempotencyKeys => self.idempotency_keys(&mut writer).await?,
                Part::Files => self.files(&mut writer).await?,
            }
            let described = writer.finish()?;
            if described.longest_line > MAX_LINE {
                let what = format!("{}: a line would be longer than {MAX_LINE} bytes", part.name());
                return Err(ArchiveError::Inconsistent(what));
            }
            self.tell(part, described.records);
            parts.insert(part, described);
        }
        Ok(parts)
    }

    fn tell(&self, part: Part, done: u64) {
        (self.observer)(Progress { step: Step::Exporting, part, done, of: Some(done) });
    }

    /// Writes every row of a query: its line, which has to pass the check that an import makes. Rows are read
    /// as they are written, so however many there are, few are in memory.
    async fn each<E: EntityTrait, L: Serialize>(
        &mut self,
        part: Part,
        writer: &mut PartWriter,
        rows: Select<E>,
        mut line: impl FnMut(E::Model) -> Result<L, DatabaseError>,
        check: impl Fn(&mut Checker, L) -> Result<Row, String>,
    ) -> Result<(), ArchiveError> {
        let mut rows = rows.stream(&self.snapshot).await.map_err(failed)?;
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let line = line(row)?;
            let done = writer.write(&line)?;
            check(&mut self.checker, line)
                .map_err(|what| inconsistent(format!("record {done} of {}: {what}", part.name())))?;
            if done.is_multiple_of(TOLD_EVERY) {
                (self.observer)(Progress { step: Step::Exporting, part, done, of: None });
            }
        }
        Ok(())
    }

    async fn channels(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let rows = channel::Entity::find().order_by_asc(channel::Column::Id);
        let mut headings = Vec::new();
        let line = |row| {
            let (channel, turn) = convert::channel(row)?;
            let Channel { id, guild_id, last_seq, .. } = &channel;
            headings.push(Heading { id: id.clone(), guild: guild_id.clone(), last_seq: *last_seq });
            Ok(ChannelLine::new(channel, turn.as_ref()))
        };
        self.each(Part::Channels, writer, rows, line, Checker::channel).await?;
        self.channels = headings;
        Ok(())
    }

    async fn members(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let rows = member::Entity::find()
            .order_by_asc(member::Column::ChannelId)
            .order_by_asc(member::Column::Position)
            .order_by_asc(member::Column::UserId);
        let line = |row| {
            let member::Model { channel_id, user_id, wake_mapped, position: _, settled_seq } = row;
            let (channel_id, user_id) = (channel_id.into(), user_id.into());
            Ok(MemberLine { channel_id, user_id, wake_mapped, settled_seq: convert::seq(settled_seq)? })
        };
        self.each(Part::Members, writer, rows, line, Checker::member).await?;
        self.checker.end_of_members().map_err(inconsistent)
    }

    /// A range of seq after the other: each is a piece of the index, so that no database has to sort.
    async fn messages(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        for Heading { id, guild, last_seq } in std::mem::take(&mut self.channels) {
            let last = to_column(last_seq.0);
            let mut after = 0;
            while after < last {
                let to = last.min(after + PAGE);
                let rows = message::Entity::find()
                    .filter(message::Column::ChannelId.eq(id.as_str()))
                    .filter(message::Column::Seq.gt(after))
                    .filter(message::Column::Seq.lte(to))
                    .order_by_asc(message::Column::Seq);
                let line = |row| {
                    let message = convert::message(row)?;
                    if message.guild_id != guild {
                        let what = format!("the message {} is of another guild than its channel", message.id);
                        return Err(DatabaseError::Inconsistent(what));
                    }
                    Ok(MessageLine::new(message))
                };
                self.each(Part::Messages, writer, rows, line, Checker::message).await?;
                after = to;
            }
        }
        self.checker.end_of_messages().map_err(inconsistent)
    }

    async fn search_order(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let rows = search_document::Entity::find().order_by_asc(search_document::Column::Number);
        let line = |row| {
            let search_document::Model { number, message_id } = row;
            Ok(SearchOrderLine { number, message_id: message_id.into() })
        };
        self.each(Part::SearchOrder, writer, rows, line, Checker::search_order).await?;
        self.checker.end_of_search_order().map_err(inconsistent)
    }

    async fn attachments(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let rows = attachment::Entity::find()
            .order_by_asc(attachment::Column::MessageId)
            .order_by_asc(attachment::Column::Position);
        let line = |row| {
            let (message, channel, position, kept) = convert::to_attachment(row)?;
            Ok(AttachmentLine::new(message, channel, position, kept))
        };
        self.each(Part::Attachments, writer, rows, line, Checker::attachment).await
    }

    async fn revisions(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let rows = revision::Entity::find()
            .order_by_asc(revision::Column::MessageId)
            .order_by_asc(revision::Column::Number);
        let line = |row| {
            let revision::Model { message_id, number, content, replaced_at, deleted_at } = row;
            Ok(RevisionLine {
                message_id: message_id.into(),
                number: convert::from_column("number", number)?,
                content,
                replaced_at: Timestamp(replaced_at),
                deleted_at: deleted_at.map(Timestamp),
            })
        };
        self.each(Part::Revisions, writer, rows, line, Checker::revision).await
    }

    async fn read_markers(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let rows = read_marker::Entity::find()
            .order_by_asc(read_marker::Column::ChannelId)
            .order_by_asc(read_marker::Column::UserId);
        let line = |row| {
            let read_marker::Model { channel_id, user_id, seq } = row;
            let (channel_id, user_id) = (channel_id.into(), user_id.into());
            Ok(ReadMarkerLine { channel_id, user_id, seq: convert::seq(seq)? })
        };
        self.each(Part::ReadMarkers, writer, rows, line, Checker::read_marker).await
    }

    async fn presences(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let rows = presence::Entity::find().order_by_asc(presence::Column::UserId);
        let line = |row| Ok(PresenceLine::new(convert::presence(row)));
        self.each(Part::Presences, writer, rows, line, Checker::presence).await
    }

    async fn owed_wakes(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let rows = owed_wake::Entity::find()
            .order_by_asc(owed_wake::Column::ChannelId)
            .order_by_asc(owed_wake::Column::Seq);
        let line = |row| {
            let owed_wake::Model { channel_id, seq, owed, created_at } = row;
            let (seq, debt) = (convert::seq(seq)?, from_json("owed wakes", &owed)?);
            Ok(OwedWakeLine::new(channel_id.into(), seq, debt, Timestamp(created_at)))
        };
        self.each(Part::OwedWakes, writer, rows, line, Checker::owed_wake).await
    }

    async fn idempotency_keys(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let rows = idempotency_key::Entity::find()
            .order_by_asc(idempotency_key::Column::Caller)
            .order_by_asc(idempotency_key::Column::Route)
            .order_by_asc(idempotency_key::Column::Key);
        let line = |row| {
            let idempotency_key::Model { caller, route, key, fingerprint, outcome, created_at } = row;
            let outcome = from_json("idempotent answer", &outcome)?;
            let slot = IdempotencySlot { caller: caller.into(), route, key, fingerprint };
            Ok(IdempotencyLine::new(slot, outcome, Timestamp(created_at)))
        };
        self.each(Part::IdempotencyKeys, writer, rows, line, Checker::idempotency_key).await
    }

    /// A page after the other, since bytes may take their time.
    async fn files(&mut self, writer: &mut PartWriter) -> Result<(), ArchiveError> {
        let folder = bytes::create_folder(&self.folder)?;
        let mut after: Option<FileId> = None;
        loop {
            let page = query::files::after(&self.snapshot, after.as_ref(), FILES).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for file in page {
                let is_there = bytes::fetch(self.bytes, &file, &self.folder).await?;
                let line = FileLine::new(file, !is_there);
                let done = writer.write(&line)?;
                let checked = self.checker.file(line);
                checked.map_err(|what| inconsistent(format!("record {done} of files: {what}")))?;
            }
        }
        sync_folder(&folder)
    }
}
