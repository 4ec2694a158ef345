//! Lines of `attachments.jsonl` and `files.jsonl`.

use fabric_domain::model::{
    Attachment, ChannelId, File, FileId, FileName, MediaType, MessageId, Shelf, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

/// A line of `attachments.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AttachmentLine {
    pub(crate) message_id: MessageId,
    /// From 0, in the order in which they were given.
    pub(crate) position: u64,
    pub(crate) channel_id: ChannelId,
    /// The file itself may have expired.
    file_id: FileId,
    name: String,
    mime: String,
    size: u64,
}

impl AttachmentLine {
    pub(crate) fn new(message_id: MessageId, channel_id: ChannelId, position: u64, kept: Attachment) -> Self {
        let Attachment { id, name, mime, size } = kept;
        let (name, mime) = (name.as_str().to_owned(), mime.as_str().to_owned());
        Self { message_id, position, channel_id, file_id: id, name, mime, size }
    }

    pub(crate) fn into_attachment(self) -> Result<Attachment, String> {
        attachment(self.file_id, self.name, self.mime, self.size)
    }
}

/// Refuses names and types that sanitising would change.
pub(crate) fn attachment(id: FileId, name: String, mime: String, size: u64) -> Result<Attachment, String> {
    let (name, mime) = described(name, mime)?;
    Ok(Attachment { id, name, mime, size })
}

fn described(name: String, mime: String) -> Result<(FileName, MediaType), String> {
    if FileName::sanitise(&name).as_str() != name {
        return Err(format!("{name:?} is no harmless name of a file"));
    }
    if MediaType::read(&mime).as_str() != mime {
        return Err(format!("{mime:?} is no media type"));
    }
    Ok((FileName::stored(name), MediaType::stored(mime)))
}

/// A line of `files.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FileLine {
    pub(crate) id: FileId,
    name: String,
    mime: String,
    size: u64,
    sha256: String,
    uploader_user_id: UserId,
    created_at: Timestamp,
    shelf: ShelfOfLine,
    /// Its bytes were not there any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) missing: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ShelfOfLine {
    Loose(Timestamp),
    Attached(Timestamp),
}

impl FileLine {
    pub(crate) fn new(file: File, missing: bool) -> Self {
        let File { id, name, mime, size, sha256, uploader, created_at, shelf } = file;
        let shelf = match shelf {
            Shelf::Loose(since) => ShelfOfLine::Loose(since),
            Shelf::Attached(at) => ShelfOfLine::Attached(at),
        };
        let (name, mime) = (name.as_str().to_owned(), mime.as_str().to_owned());
        Self { id, name, mime, size, sha256, uploader_user_id: uploader, created_at, shelf, missing }
    }

    pub(crate) fn into_file(self) -> Result<File, String> {
        let (name, mime) = described(self.name, self.mime)?;
        Ok(File {
            id: self.id,
            name,
            mime,
            size: self.size,
            sha256: self.sha256,
            uploader: self.uploader_user_id,
            created_at: self.created_at,
            shelf: match self.shelf {
                ShelfOfLine::Loose(since) => Shelf::Loose(since),
                ShelfOfLine::Attached(at) => Shelf::Attached(at),
            },
        })
    }
}
