//! Writing an archive of what a [`BulkReader`] reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fabric_domain::model::{File, GuildId, Message, Timestamp};
use fabric_domain::ports::FileBytes;
use futures_util::TryStreamExt as _;
use serde::Serialize;

use crate::bytes;
use crate::check::{Checked, Checker};
use crate::disk::sync_folder;
use crate::error::ArchiveError;
use crate::line::{
    AttachmentLine, ChannelLine, FileLine, IdempotencyLine, MemberLine, MessageLine, OwedWakeLine,
    PresenceLine, ReadMarkerLine, RevisionLine, SearchOrderLine,
};
use crate::lines::PartWriter;
use crate::manifest::{Described, MAX_LINE, Manifest, Summary};
use crate::part::Part;
use crate::port::{BulkReader, Record};
use crate::progress::{OBSERVED_EVERY, Observer, Progress, Step};
use crate::target::Target;

/// Whose archive it is, and when and by what it is written.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The guild that is exported: an archive is imported only by a node of the same id.
    pub guild: GuildId,
    /// Noted in the archive.
    pub now: Timestamp,
    /// Name and version of the program, noted in the archive.
    pub program: String,
}

/// Writes the guild that is read, and its files' `bytes`, into the folder `to`, which must not exist or be empty. An
/// export that fails leaves nothing.
pub async fn export(
    mut reader: impl BulkReader,
    to: &Path,
    options: &ExportOptions,
    bytes: &dyn FileBytes,
    observer: Observer<'_>,
) -> Result<Summary, ArchiveError> {
    let target = Target::create(to)?;
    let mut exporter =
        Exporter { folder: target.partial.clone(), checker: Checker::default(), bytes, observer };
    let mut parts = BTreeMap::new();
    for part in Part::ALL {
        parts.insert(part, exporter.part(&mut reader, part).await?);
    }
    reader.close().await;
    let manifest = Manifest {
        guild: options.guild.clone(),
        exported_at: options.now,
        program: options.program.clone(),
        parts,
    };
    target.complete(&manifest)?;
    Ok(manifest.summary())
}

struct Exporter<'a> {
    folder: PathBuf,
    checker: Checker,
    bytes: &'a dyn FileBytes,
    observer: Observer<'a>,
}

fn inconsistent(what: String) -> ArchiveError {
    ArchiveError::Inconsistent(what)
}

impl Exporter<'_> {
    /// Writes a part. Records are read as they are written, so however many there are, few are in memory.
    async fn part(&mut self, reader: &mut impl BulkReader, part: Part) -> Result<Described, ArchiveError> {
        let mut writer = PartWriter::create(&self.folder, part)?;
        let files = match part {
            Part::Files => Some(bytes::create_folder(&self.folder)?),
            _ => None,
        };
        let mut records = reader.records(part);
        while let Some(record) = records.try_next().await? {
            if record.part() != part {
                let what = format!("there is a record of {} among {}", record.part().name(), part.name());
                return Err(inconsistent(what));
            }
            let done = self.record(&mut writer, record).await?;
            if done.is_multiple_of(OBSERVED_EVERY) {
                (self.observer)(Progress { step: Step::Exporting, part, done, of: None });
            }
        }
        self.checker.end_of(part).map_err(inconsistent)?;
        if let Some(folder) = files {
            sync_folder(&folder)?;
        }
        let described = writer.finish()?;
        if described.longest_line > MAX_LINE {
            let what = format!("{}: a line would be longer than {MAX_LINE} bytes", part.name());
            return Err(inconsistent(what));
        }
        let done = described.records;
        (self.observer)(Progress { step: Step::Exporting, part, done, of: Some(done) });
        Ok(described)
    }

    /// Writes a record; returns its number in its part.
    async fn record(&mut self, writer: &mut PartWriter, record: Record) -> Result<u64, ArchiveError> {
        match record {
            Record::Channel { channel, turn } => {
                self.line(writer, ChannelLine::new(*channel, turn.as_deref()), Checker::channel)
            }
            Record::Member { channel, user, wake_mapped, settled, position: _ } => {
                let line =
                    MemberLine { channel_id: channel, user_id: user, wake_mapped, settled_seq: settled };
                self.line(writer, line, Checker::member)
            }
            Record::Message(message) => self.message(writer, *message),
            Record::SearchOrder { number, message } => {
                self.line(writer, SearchOrderLine { number, message_id: message }, Checker::search_order)
            }
            Record::Attachment { message, channel, position, attachment } => {
                let line = AttachmentLine::new(message, channel, position, attachment);
                self.line(writer, line, Checker::attachment)
            }
            Record::Revision { message, number, revision, deleted_at } => {
                let line = RevisionLine::new(message, number, revision, deleted_at);
                self.line(writer, line, Checker::revision)
            }
            Record::ReadMarker { channel, user, seq } => {
                let line = ReadMarkerLine { channel_id: channel, user_id: user, seq };
                self.line(writer, line, Checker::read_marker)
            }
            Record::Presence(presence) => self.line(writer, PresenceLine::new(presence), Checker::presence),
            Record::OwedWake { channel, seq, pending, created_at } => {
                let line = OwedWakeLine::new(channel, seq, pending, created_at);
                self.line(writer, line, Checker::owed_wake)
            }
            Record::IdempotencyKey { slot, outcome, created_at } => {
                let line = IdempotencyLine::new(*slot, *outcome, created_at);
                self.line(writer, line, Checker::idempotency_key)
            }
            Record::File(file) => self.file(writer, *file).await,
        }
    }

    /// Writes a line, which has to pass the check that an import makes.
    fn line<L: Serialize>(
        &mut self,
        writer: &mut PartWriter,
        line: L,
        check: impl FnOnce(&mut Checker, L) -> Checked<Record>,
    ) -> Result<u64, ArchiveError> {
        let number = writer.write(&line)?;
        check(&mut self.checker, line)
            .map_err(|what| inconsistent(format!("record {number} of {}: {what}", writer.part().name())))?;
        Ok(number)
    }

    /// A line has no guild, since it is the channel's.
    fn message(&mut self, writer: &mut PartWriter, message: Message) -> Result<u64, ArchiveError> {
        if self.checker.guild_of(&message.channel_id).is_some_and(|guild| *guild != message.guild_id) {
            let what = format!("the message {} is of another guild than its channel", message.id);
            return Err(inconsistent(what));
        }
        self.line(writer, MessageLine::new(message), Checker::message)
    }

    async fn file(&mut self, writer: &mut PartWriter, file: File) -> Result<u64, ArchiveError> {
        let is_there = bytes::fetch(self.bytes, &file, &self.folder).await?;
        self.line(writer, FileLine::new(file, !is_there), Checker::file)
    }
}
