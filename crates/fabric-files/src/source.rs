//! Bytes on their way out.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use fabric_domain::ports::{ByteSource, BytesError};

use crate::{blocking, present};

/// The most bytes of one portion.
const PORTION: usize = 64 * 1024;

/// A range of an open file. It stays readable when the file is removed meanwhile.
#[derive(Debug)]
pub(crate) struct DiskSource {
    /// Taken while a thread reads from it.
    file: Option<fs::File>,
    left: u64,
}

impl DiskSource {
    pub(crate) fn open(path: &Path, range: Range<u64>) -> io::Result<Option<Self>> {
        let Some(mut file) = present(fs::File::open(path))? else { return Ok(None) };
        if range.start > range.end || range.end > file.metadata()?.len() {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(range.start))?;
        Ok(Some(Self { file: Some(file), left: range.end - range.start }))
    }
}

#[async_trait]
impl ByteSource for DiskSource {
    async fn next(&mut self) -> Result<Option<Bytes>, BytesError> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(mut file) = self.file.take() else {
            return Err(BytesError::Unavailable("the file cannot be read any more".to_owned()));
        };
        let size = usize::try_from(self.left).unwrap_or(PORTION).min(PORTION);
        let (file, portion) = blocking(move || {
            let mut portion = BytesMut::zeroed(size);
            file.read_exact(&mut portion)?;
            Ok((file, portion.freeze()))
        })
        .await?;
        self.file = Some(file);
        self.left -= portion.len() as u64;
        Ok(Some(portion))
    }
}
