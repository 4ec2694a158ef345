//! One pass over an archive: every line is read, checked and handed on.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::bytes;
use crate::check::Checker;
use crate::error::ArchiveError;
use crate::line::{
    AttachmentLine, ChannelLine, FileLine, IdempotencyLine, MemberLine, MessageLine, OwedWakeLine,
    PresenceLine, ReadMarkerLine, RevisionLine, SearchOrderLine,
};
use crate::lines::PartReader;
use crate::manifest::Manifest;
use crate::part::Part;
use crate::port::Record;
use crate::progress::{OBSERVED_EVERY, Observer, Progress, Step};

/// What a checked line says.
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// Of a file: whether the archive has its bytes.
    pub(crate) has_bytes: bool,
}

/// Calls `take` with every entry of the archive and the length of its line in bytes, until it returns an error.
pub(crate) fn read(
    folder: &Path,
    manifest: &Manifest,
    step: Step,
    observer: Observer<'_>,
    mut take: impl FnMut(Entry, usize) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut checker = Checker::default();
    for (part, described) in &manifest.parts {
        let mut reader = PartReader::open(folder, *part, described)?;
        let observe = |done| observer(Progress { step, part: *part, done, of: Some(described.records) });
        while let Some(entry) = next(&mut reader, *part, &mut checker)? {
            if let (Step::Checking, Entry { record: Record::File(file), has_bytes: true }) = (step, &entry) {
                bytes::check(folder, file)?;
            }
            take(entry, reader.length())?;
            if reader.number().is_multiple_of(OBSERVED_EVERY) {
                observe(reader.number());
            }
        }
        checker.end_of(*part).map_err(|what| ArchiveError::Damaged { file: part.file(), what })?;
        observe(described.records);
    }
    Ok(())
}

/// The next line of a part, checked.
fn next(reader: &mut PartReader, part: Part, checker: &mut Checker) -> Result<Option<Entry>, ArchiveError> {
    let Some(line) = reader.next()? else { return Ok(None) };
    let mut has_bytes = false;
    let record = match part {
        Part::Channels => parse::<ChannelLine>(line).and_then(|line| checker.channel(line)),
        Part::Members => parse::<MemberLine>(line).and_then(|line| checker.member(line)),
        Part::Messages => parse::<MessageLine>(line).and_then(|line| checker.message(line)),
        Part::SearchOrder => parse::<SearchOrderLine>(line).and_then(|line| checker.search_order(line)),
        Part::Attachments => parse::<AttachmentLine>(line).and_then(|line| checker.attachment(line)),
        Part::Revisions => parse::<RevisionLine>(line).and_then(|line| checker.revision(line)),
        Part::ReadMarkers => parse::<ReadMarkerLine>(line).and_then(|line| checker.read_marker(line)),
        Part::Presences => parse::<PresenceLine>(line).and_then(|line| checker.presence(line)),
        Part::OwedWakes => parse::<OwedWakeLine>(line).and_then(|line| checker.owed_wake(line)),
        Part::IdempotencyKeys => {
            parse::<IdempotencyLine>(line).and_then(|line| checker.idempotency_key(line))
        }
        Part::Files => parse::<FileLine>(line).and_then(|line| {
            has_bytes = !line.missing;
            checker.file(line)
        }),
    };
    record.map(|record| Some(Entry { record, has_bytes })).map_err(|what| reader.bad_line(what))
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

/// The number of the first line of a part whose message `is` the one that is looked for. `is` gets the number of the
/// line and the id of the message.
pub(crate) fn find_line(
    folder: &Path,
    manifest: &Manifest,
    part: Part,
    mut is: impl FnMut(u64, &str) -> bool,
) -> Result<Option<u64>, ArchiveError> {
    let Some(described) = manifest.parts.get(&part) else { return Ok(None) };
    let mut reader = PartReader::open(folder, part, described)?;
    loop {
        let Some(line) = reader.next()? else { return Ok(None) };
        let id = match part {
            Part::Messages => parse::<MessageLine>(line).map(|line| line.id),
            Part::SearchOrder => parse::<SearchOrderLine>(line).map(|line| line.message_id),
            Part::Attachments => parse::<AttachmentLine>(line).map(|line| line.message_id),
            _ => parse::<RevisionLine>(line).map(|line| line.message_id),
        };
        let id = id.map_err(|what| reader.bad_line(what))?;
        if is(reader.number(), id.as_str()) {
            return Ok(Some(reader.number()));
        }
    }
}
