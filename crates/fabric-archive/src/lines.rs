//! Files of JSON lines, written and read once from beginning to end, checked against the manifest.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::disk::{create, name, of_file, open};
use crate::error::ArchiveError;
use crate::manifest::Described;
use crate::part::Part;

const BUFFER: usize = 256 * 1024;

/// A part that is being written.
pub(crate) struct PartWriter {
    part: Part,
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    line: Vec<u8>,
    described: Described,
}

impl PartWriter {
    pub(crate) fn create(folder: &Path, part: Part) -> Result<Self, ArchiveError> {
        let path = folder.join(part.file());
        let file = BufWriter::with_capacity(BUFFER, create(&path)?);
        let described = Described { records: 0, bytes: 0, longest_line: 0, sha256: String::new() };
        Ok(Self { part, path, file, hash: Sha256::new(), line: Vec::new(), described })
    }

    pub(crate) fn part(&self) -> Part {
        self.part
    }

    /// Adds a line; returns its number, from 1.
    pub(crate) fn write(&mut self, record: &impl Serialize) -> Result<u64, ArchiveError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, record).map_err(|error| of_file(&self.path)(error.into()))?;
        self.described.longest_line = self.described.longest_line.max(self.line.len() as u64);
        self.line.push(b'\n');
        self.file.write_all(&self.line).map_err(of_file(&self.path))?;
        self.hash.update(&self.line);
        self.described.bytes += self.line.len() as u64;
        self.described.records += 1;
        Ok(self.described.records)
    }

    /// Waits until it is on the disk.
    pub(crate) fn finish(self) -> Result<Described, ArchiveError> {
        let Self { path, file, hash, mut described, .. } = self;
        let file = file.into_inner().map_err(|error| of_file(&path)(error.into_error()))?;
        file.sync_all().map_err(of_file(&path))?;
        described.sha256 = hex::encode(hash.finalize());
        Ok(described)
    }
}

/// A part that is being read.
pub(crate) struct PartReader {
    path: PathBuf,
    file: BufReader<File>,
    hash: Sha256,
    line: Vec<u8>,
    expected: Described,
    found: Described,
}

impl PartReader {
    pub(crate) fn open(folder: &Path, part: Part, expected: &Described) -> Result<Self, ArchiveError> {
        let path = folder.join(part.file());
        let Some(file) = open(&path)? else {
            let what = "the file is missing".to_owned();
            return Err(ArchiveError::Damaged { file: part.file(), what });
        };
        let found = Described { records: 0, bytes: 0, longest_line: 0, sha256: String::new() };
        let file = BufReader::with_capacity(BUFFER, file);
        Ok(Self { path, file, hash: Sha256::new(), line: Vec::new(), expected: expected.clone(), found })
    }

    /// The error of the line that was read last.
    pub(crate) fn bad_line(&self, what: impl Into<String>) -> ArchiveError {
        ArchiveError::BadLine { file: name(&self.path), line: self.found.records, what: what.into() }
    }

    /// The number of the line that was read last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.found.records
    }

    /// The length of the line that was read last, in bytes.
    pub(crate) fn length(&self) -> usize {
        self.line.len()
    }

    /// The next line without its end; `None` after the last one, once the file is what the manifest says.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, ArchiveError> {
        self.line.clear();
        // A byte more than the longest line, and its end: never more in memory, whatever the file has.
        let limit = self.expected.longest_line + 2;
        let mut limited = (&mut self.file).take(limit);
        let read = limited.read_until(b'\n', &mut self.line).map_err(of_file(&self.path))?;
        if read == 0 {
            return self.end().map(|()| None);
        }
        self.hash.update(&self.line);
        self.found.bytes += read as u64;
        self.found.records += 1;
        if self.line.pop() != Some(b'\n') {
            return Err(if read as u64 == limit {
                let longest = self.expected.longest_line;
                self.bad_line(format!("it is longer than the longest line has to be ({longest} bytes)"))
            } else {
                self.bad_line("the file ends within it")
            });
        }
        self.found.longest_line = self.found.longest_line.max(self.line.len() as u64);
        if self.found.longest_line > self.expected.longest_line {
            return Err(self.bad_line("it is longer than the longest line has to be"));
        }
        if self.found.records > self.expected.records {
            let records = self.expected.records;
            return Err(self.bad_line(format!("the manifest says that there are {records} lines")));
        }
        if names_nul(&self.line) {
            return Err(self.bad_line("there is a NUL in a text, which not every database stores"));
        }
        Ok(Some(&self.line))
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        self.found.sha256 = hex::encode(std::mem::take(&mut self.hash).finalize());
        if self.found == self.expected {
            return Ok(());
        }
        let (found, expected) = (&self.found, &self.expected);
        let what = if found.records == expected.records {
            "it was changed after it was written: its SHA-256 is not the one of the manifest".to_owned()
        } else {
            format!("it has {} lines, and the manifest says {}", found.records, expected.records)
        };
        Err(ArchiveError::Damaged { file: name(&self.path), what })
    }
}

/// Whether a text in this JSON has a NUL. In JSON it can only be written as an escape, or is an error.
fn names_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = &rest[place + 1..];
        if escape.starts_with(b"u0000") {
            return true;
        }
        // The escaped character may be a backslash, which escapes nothing itself.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_told_from_the_text_that_looks_like_one() {
        let texts = ["a\0", "\\u0000", "\\\0", "plain", "\\\\u0000\0"];
        let named = texts.map(|text| names_nul(&serde_json::to_vec(text).unwrap()));
        assert_eq!(named, [true, false, true, false, true]);
    }
}
