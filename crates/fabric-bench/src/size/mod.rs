//! How answers slow down as a guild grows, and how long a guild takes to move.
//!
//! Guilds of several sizes are made with the same settings, loaded in bulk, and asked the same questions in one
//! run. What is printed are times and, which is what travels, how many times those of the smallest guild they are.

mod asking;
mod making;
mod moving;
mod text;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use fabric_testkit::servers;
use tokio::runtime::Runtime;

use crate::{Outcome, millis, say, times, whole};

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Sqlite,
    Mariadb,
    Postgres,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Mariadb => "MariaDB",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// A new, empty database, for as long as this process lives; a file goes into the folder.
    fn fresh(self, folder: &Path, name: &str) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", folder.join(format!("{name}.db")).display()),
            Self::Mariadb => servers::mariadb().url,
            Self::Postgres => servers::postgres().url,
        }
    }
}

/// Which guilds are measured, and where.
#[derive(Debug, Args)]
pub struct Options {
    /// Numbers of messages, the smallest first
    #[arg(long, value_delimiter = ',', default_value = "10000,10000000")]
    messages: Vec<u64>,
    /// Databases; servers of their own are started
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    databases: Vec<Kind>,
    /// How often each question is asked
    #[arg(long, default_value_t = 400)]
    samples: usize,
    /// Where files of databases are; a folder within it is made and removed [default: the system's]. Servers
    /// have theirs in the system's temporary folder (`TMPDIR`)
    #[arg(long)]
    dir: Option<std::path::PathBuf>,
    /// Measure how long a guild of the largest number takes to move out of `SQLite` and into each database,
    /// instead of asking it questions
    #[arg(long)]
    moving: bool,
}

/// Measures and prints the tables.
pub fn run(options: &Options) -> Outcome {
    let folder = match &options.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let folder = folder.map_err(|error| format!("no folder: {error}"))?;
    let runtime = Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    let build = if cfg!(debug_assertions) { "debug: not worth comparing" } else { "release" };
    let busy = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = busy.split(' ').next().unwrap_or("unknown");
    say(&format!("{build} build, load average {busy} at the start\n"));
    if options.moving {
        let messages = options.messages.iter().max().copied().unwrap_or_default();
        return runtime.block_on(moving::measure(folder.path(), messages, &options.databases));
    }
    for kind in &options.databases {
        runtime.block_on(ask(options, folder.path(), *kind))?;
    }
    Ok(())
}

/// One database: every size, and a table.
async fn ask(options: &Options, folder: &Path, kind: Kind) -> Outcome {
    let (mut columns, mut sizes) = (Vec::new(), Vec::new());
    for messages in &options.messages {
        let url = kind.fresh(folder, &format!("{messages}"));
        let began = Instant::now();
        let made = making::make(&url, *messages).await?;
        let rate = rate(*messages, began.elapsed());
        say(&format!(
            "{}: {} messages in {} channels, the largest of {}, loaded at {} messages a second",
            kind.name(),
            whole_of(*messages),
            made.channels.len(),
            whole_of(made.largest().last_seq),
            whole(rate),
        ));
        columns.push(asking::ask(&url, &made, options.samples).await?);
        sizes.push(*messages);
        if kind == Kind::Sqlite {
            remove(folder, &format!("{messages}.db"))?;
        }
    }
    table(kind, &sizes, &columns);
    Ok(())
}

fn table(kind: Kind, sizes: &[u64], columns: &[Vec<asking::Answered>]) {
    let heads = sizes.iter().map(|size| format!(" p50 at {0} | p99 at {0} |", whole_of(*size)));
    say(&format!("\n| {} |{} p50 ratio | p99 ratio |", kind.name(), heads.collect::<Vec<_>>().concat()));
    say(&format!("|---|{}", "--:|".repeat(2 * sizes.len() + 2)));
    let (Some(first), Some(last)) = (columns.first(), columns.last()) else { return };
    for (place, question) in first.iter().enumerate() {
        let cells = columns.iter().map(|column| {
            let answered = &column[place];
            format!(" {} | {} |", millis(answered.median), millis(answered.slow))
        });
        let ratio = |few: Duration, many: Duration| times(many.as_secs_f64() / few.as_secs_f64());
        let (median, slow) =
            (ratio(question.median, last[place].median), ratio(question.slow, last[place].slow));
        say(&format!("| {} |{} {median} | {slow} |", question.name, cells.collect::<Vec<_>>().concat()));
    }
    say("");
}

/// Removes a file of `SQLite` and its companions, so that one guild at a time is on the disk.
fn remove(folder: &Path, name: &str) -> Outcome {
    for ending in ["", "-wal", "-shm"] {
        match std::fs::remove_file(folder.join(format!("{name}{ending}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{name}: {error}"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "numbers of messages are far below 2^53")]
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of messages are far below 2^53")]
fn whole_of(count: u64) -> String {
    whole(count as f64)
}
