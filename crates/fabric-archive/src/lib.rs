//! A whole guild as a folder of JSON lines: how it is backed up, and how it moves to another kind of database.
//!
//! docs/archive.md describes the format. [`export`] writes what a [`BulkReader`] reads; [`Archive`] is checked, and
//! then loaded into a [`BulkWriter`]. Bytes of files go with both. Exporting what was loaded gives the same bytes
//! again. Both read the data once or twice; the memory that they need grows with channels and members, but not with
//! messages.
//!
//! ```text
//! BulkReader -> Record -> line -> Checker -> *.jsonl -> line -> Checker -> Record -> BulkWriter
//! ```
//!
//! - `port`: what a database has to do for it;
//! - `line`: the types of the lines, which are the format, apart from tables and wire, so that both may change and old
//!   archives stay readable;
//! - `check`: whether lines belong together;
//! - `lines`, `manifest`, `bytes`, `disk`: files, sums and folders;
//! - `export`, `import`: the two ways.

mod bytes;
mod check;
mod disk;
mod error;
mod export;
mod handover;
mod import;
mod line;
mod lines;
mod manifest;
mod part;
mod port;
mod progress;
mod read;
mod target;

pub use error::ArchiveError;
pub use export::{ExportOptions, export};
pub use import::{Archive, VerifiedArchive};
pub use manifest::{Summary, VERSION};
pub use part::Part;
pub use port::{BulkError, BulkReader, BulkWriter, Record, Reference};
pub use progress::{Observer, Progress, SharedObserver, Step};
