//! The built binary: it is killed, its database is taken away, and its guild moves to another one.

mod archive;
mod containers;
mod crash;
mod deeds;
mod disk;
mod files;
mod load;
mod metrics;
mod oracle;
mod outage;
mod slow_clients;
mod stop;
mod world;

/// A line that `--nocapture` shows.
#[expect(clippy::print_stdout, reason = "how hard a test was is worth knowing")]
pub(crate) fn report(line: &str) {
    println!("{line}");
}
