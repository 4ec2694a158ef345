//! `export` and `import`: progress on standard error, a summary on standard output.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fabric_archive::{Archive, ArchiveError, ExportOptions, Progress, Step, Summary};
use fabric_domain::model::GuildId;
use fabric_domain::ports::{Clock, IdGenerator};
use fabric_files::{DiskFiles, FolderError};
use fabric_serverkit::system::SystemClock;
use fabric_store_seaorm::bulk::{BeginError, SqlBulkReader, SqlBulkWriter};
use fabric_store_seaorm::{SchemaError, migrate};
use thiserror::Error;

use crate::config::Settings;
use crate::ids::SystemIds;
use crate::terminal::{FAILURE, fail, say};

/// A line of progress for so many records.
const SHOWN_EVERY: u64 = 100_000;

/// Where the bytes of this node's files are.
fn files(settings: &Settings) -> Result<DiskFiles, FolderError> {
    DiskFiles::open(&settings.file_dir, &GuildId::new(&settings.node_id))
}

/// Why a guild was not exported or imported.
#[derive(Debug, Error)]
enum MoveError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Begin(#[from] BeginError),
    #[error(transparent)]
    Files(#[from] FolderError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl MoveError {
    /// A stable code, for scripts.
    fn code(&self) -> &'static str {
        match self {
            Self::Archive(error) => error.code(),
            Self::Begin(error) => error.code(),
            Self::Files(error) => error.code(),
            Self::Schema(error) => error.code(),
        }
    }
}

pub(crate) async fn export(settings: &Settings, to: &Path) -> ExitCode {
    finish("exported", try_export(settings, to).await)
}

pub(crate) async fn import(settings: &Settings, from: &Path) -> ExitCode {
    finish("imported", try_import(settings, from).await)
}

async fn try_export(settings: &Settings, to: &Path) -> Result<Summary, MoveError> {
    let (url, files) = (settings.db_url.expose(), files(settings)?);
    // Of files that are elsewhere the archive would only say that they are missing.
    files.belong_to(migrate::made_at(url).await?)?;
    let options = ExportOptions {
        guild: GuildId::new(&settings.node_id),
        now: SystemClock.now(),
        program: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let reader = SqlBulkReader::open(url).await?;
    Ok(fabric_archive::export(reader, to, &options, &files, &show).await?)
}

async fn try_import(settings: &Settings, from: &Path) -> Result<Summary, MoveError> {
    let (url, files) = (settings.db_url.expose(), Arc::new(files(settings)?));
    // It is handed over at the end; better told now.
    files.is_ours_or_free()?;
    let archive = Archive::open(from)?.of_guild(&GuildId::new(&settings.node_id))?;
    let archive = archive.verify(Arc::new(show)).await?;
    let (token, now) = (SystemIds.turn_seed().0, SystemClock.now());
    let writer = SqlBulkWriter::begin(url, settings.db_sync, token, now).await?;
    let summary = archive.load(writer, Arc::clone(&files) as _, Arc::new(show)).await?;
    // They have moved with the guild.
    files.hand_over_to(migrate::made_at(url).await?)?;
    Ok(summary)
}

fn finish(verb: &str, done: Result<Summary, MoveError>) -> ExitCode {
    match done {
        Ok(summary) => {
            for (part, records) in &summary.records {
                say(&format!("{:<16} {records:>12}", part.name()));
            }
            say(&format!("{verb}: {} bytes", summary.bytes));
            ExitCode::SUCCESS
        }
        Err(error) => fail(FAILURE, &format!("{error} ({})", error.code())),
    }
}

#[expect(clippy::print_stderr, reason = "progress is for the terminal, and not a line of the log")]
fn show(progress: Progress) {
    let Progress { step, part, done, of } = progress;
    let is_end = of == Some(done);
    if done == 0 || !(is_end || done.is_multiple_of(SHOWN_EVERY)) {
        return;
    }
    let verb = match step {
        Step::Exporting => "exporting",
        Step::Checking => "checking",
        Step::Loading => "loading",
    };
    match of {
        Some(of) => eprintln!("{verb} {}: {done} of {of}", part.name()),
        None => eprintln!("{verb} {}: {done}", part.name()),
    }
}
