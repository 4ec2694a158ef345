//! Measurements, printed as tables. They are ratios within one run on one machine, and never assertions.
//!
//! Two bare costs of the machine are measured in the same run, so that numbers can be read as multiples of
//! them: a `write` of one frame to a loopback connection, and an `fsync`.

mod baseline;
mod durable;
mod fan_out;
mod idle;
mod tally;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::{Outcome, say};

pub use idle::{Idle, hold};

/// What to measure, and where.
#[derive(Debug, Args)]
pub struct Options {
    /// Numbers of sockets
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    sockets: Vec<usize>,
    /// Deliveries of one fan-out, about
    #[arg(long, default_value_t = 600_000)]
    deliveries: usize,
    /// How long posts are written to the database, in seconds for each of its rows
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Where the database is; a folder within it is made and removed [default: the system's]
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Measures everything and prints the tables. `program` is this program: idle sockets are held by another
/// process, so that their memory is not counted with the server's.
pub fn run(options: &Options, program: &Path) -> Outcome {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let build = if cfg!(debug_assertions) { "debug: not worth comparing" } else { "release" };
    let busy = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = busy.split(' ').next().unwrap_or("unknown");
    say(&format!("{cores} cores, {build} build, load average {busy} at the start\n"));

    let write = baseline::bare_write()?;
    say(&format!("A bare `write` of a frame of {} bytes costs {}.\n", baseline::FRAME, micros(write)));
    say(
        "| sockets | deliveries/s | posts/s | CPU per delivery | of a bare write | post to last delivery p50 | p99 |",
    );
    say("|--:|--:|--:|--:|--:|--:|--:|");
    for sockets in &options.sockets {
        let row = fan_out::measure(*sockets, options.deliveries)?;
        say(&format!(
            "| {sockets} | {} | {} | {} | {} | {} | {} |",
            whole(row.deliveries_per_second),
            whole(row.posts_per_second),
            row.cpu.map_or("?".into(), micros),
            row.cpu.map_or("?".into(), |cpu| times(cpu.as_secs_f64() / write.as_secs_f64())),
            millis(row.median),
            millis(row.slowest_of_hundred),
        ));
    }

    let folder = match &options.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let folder = folder.map_err(|error| format!("no folder: {error}"))?;
    let before = baseline::syncs_per_second(folder.path())?;
    let seconds = Duration::from_secs(options.seconds);
    let mut rows = Vec::new();
    for (channels, writers) in [(1, 1), (1, 64), (64, 64)] {
        rows.push((channels, writers, durable::measure(folder.path(), channels, writers, seconds)?));
    }
    // Disks have moods: the better of two.
    let sync = baseline::syncs_per_second(folder.path())?.max(before);
    say(&format!("\nThe disk takes {} pages a second, each with an `fsync`.\n", whole(sync)));
    say("| channels | writers | durable posts/s | of an `fsync` |");
    say("|--:|--:|--:|--:|");
    for (channels, writers, rate) in rows {
        say(&format!("| {channels} | {writers} | {} | {} |", whole(rate), times(rate / sync)));
    }

    say("\n| idle sockets | memory for each | kept for each when all are gone |");
    say("|--:|--:|--:|");
    let most = options.sockets.iter().max().copied().unwrap_or(1_000);
    let memory = idle::measure(program, most)?;
    say(&format!("| {most} | {:.1} KiB | {:.1} KiB |", memory.each / 1024.0, memory.left / 1024.0));
    Ok(())
}

/// `count` as a number to divide.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
fn number(count: usize) -> f64 {
    count as f64
}

fn micros(time: Duration) -> String {
    format!("{:.2} µs", time.as_secs_f64() * 1e6)
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

pub(crate) fn times(ratio: f64) -> String {
    format!("{ratio:.2} ×")
}

/// A large number with its thousands apart.
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_stand_apart() {
        let texts = [0.4, 12.0, 999.6, 1_234_567.0].map(super::whole);
        assert_eq!(texts, ["0", "12", "1,000", "1,234,567"]);
    }
}
