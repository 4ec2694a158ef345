//! Files on the wire.

use fabric_domain::model::{self, FileId};
use serde::{Deserialize, Serialize};

/// Where a file is read, relative to the guild's address.
fn url(id: &FileId) -> String {
    // Our ids are letters, digits and hyphens, so nothing needs to be encoded.
    format!("/api/files/{id}")
}

/// An attached file. It stays in the message when the file itself has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file's id.
    pub id: FileId,
    /// Its name.
    pub name: String,
    /// Its media type, as its uploader said.
    pub mime: String,
    /// Bytes.
    pub size: u64,
    /// Relative to the guild's address.
    pub url: String,
}

impl From<model::Attachment> for Attachment {
    fn from(kept: model::Attachment) -> Self {
        Self {
            url: url(&kept.id),
            id: kept.id,
            name: kept.name.as_str().to_owned(),
            mime: kept.mime.as_str().to_owned(),
            size: kept.size,
        }
    }
}

/// The answer to POST /files, 201.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedFile {
    /// Its id, for `attachmentIds`.
    pub id: FileId,
    /// Its name, made harmless.
    pub name: String,
    /// Its media type; `application/octet-stream` where the client said none.
    pub mime: String,
    /// Bytes.
    pub size: u64,
    /// Relative to the guild's address.
    pub url: String,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

impl From<model::File> for UploadedFile {
    fn from(file: model::File) -> Self {
        let Attachment { id, name, mime, size, url } = file.attachment().into();
        Self { id, name, mime, size, url, sha256: file.sha256 }
    }
}
