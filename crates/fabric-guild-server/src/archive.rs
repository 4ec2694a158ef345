//! `export` and `import`: progress on standard error, a summary on standard output.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fabric_domain::model::GuildId;
use fabric_domain::ports::{Clock, Entropy};
use fabric_files::{DiskFiles, FolderError};
use fabric_store_seaorm::archive::{
    self, ArchiveError, ExportOptions, ImportOptions, Progress, Step, Summary,
};
use fabric_store_seaorm::migrate;

use crate::cli::{FAILURE, fail, say};
use crate::config::Settings;
use crate::system::{SystemClock, SystemEntropy};

/// A line of progress for so many records.
const SHOWN_EVERY: u64 = 100_000;

/// Where the bytes of this node's files are.
fn files(settings: &Settings) -> Result<DiskFiles, FolderError> {
    DiskFiles::open(&settings.file_dir, &GuildId::new(&settings.node_id))
}

pub(crate) async fn export(settings: &Settings, to: &Path) -> ExitCode {
    let files = match files(settings) {
        Ok(files) => files,
        Err(error) => return refuse(&error),
    };
    let made_at = match migrate::made_at(settings.db_url.reveal()).await {
        Ok(made_at) => made_at,
        Err(error) => return finish("exported", Err(error.into())),
    };
    // Of files that are elsewhere the archive would only say that they are missing.
    if let Err(error) = files.belong_to(made_at) {
        return refuse(&error);
    }
    let options = ExportOptions {
        guild: GuildId::new(&settings.node_id),
        now: SystemClock.now(),
        program: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    finish("exported", archive::export(settings.db_url.reveal(), to, &options, &files, &show).await)
}

pub(crate) async fn import(settings: &Settings, from: &Path) -> ExitCode {
    let files = match files(settings) {
        Ok(files) => Arc::new(files),
        Err(error) => return refuse(&error),
    };
    // It is handed over at the end; better told now.
    if let Err(error) = files.is_ours_or_free() {
        return refuse(&error);
    }
    let options = ImportOptions {
        guild: GuildId::new(&settings.node_id),
        sync: settings.db_sync,
        token: SystemEntropy.seed().0,
        now: SystemClock.now(),
    };
    let (url, bytes) = (settings.db_url.reveal(), Arc::clone(&files) as _);
    let done = archive::import(url, from, &options, bytes, Arc::new(show)).await;
    if done.is_err() {
        return finish("imported", done);
    }
    match migrate::made_at(url).await {
        // They have moved with the guild.
        Ok(made_at) => match files.hand_over_to(made_at) {
            Ok(()) => finish("imported", done),
            Err(error) => refuse(&error),
        },
        Err(error) => finish("imported", Err(error.into())),
    }
}

fn refuse(error: &FolderError) -> ExitCode {
    fail(FAILURE, &format!("{error} ({})", error.code()))
}

fn finish(verb: &str, done: Result<Summary, ArchiveError>) -> ExitCode {
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
