//! The judge: drives servers in processes of their own over real sockets, checks what they deliver, and reports
//! what that takes them. Numbers are compared with each other within one run on one machine; what is delivered
//! wrongly fails the measurement.

mod center;
mod generator;
mod http;
mod measures;
mod people;
mod program;
mod report;
mod targets;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::{Outcome, say};
use measures::{Notes, Posting, Times, quantities as of};
use report::{Book, Table};
use targets::{Places, Running, Target};

pub use targets::{Bare, serve_bare};

/// Bytes of every frame on the wire, whoever sends it.
const FRAME: usize = 800;
/// From so many sockets on, only what is compared is measured, not its variations.
const MANY: usize = 2_000;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Durable posts per second in one channel, nobody listening
    Posts,
    /// Deliveries to many sockets: rate, CPU time, time from post to receipt; memory of idle sockets
    FanOut,
    /// Connecting, and everybody coming back at once
    Storm,
    /// From start to ready, and memory when idle
    Start,
    /// Posts in a channel of 10,000 members, and in one of 10
    Members,
    /// System calls of a post, counted by `strace`; only when asked for
    SystemCalls,
}

/// Sockets, and over how many channels they are spread: `1000` or `1000/100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Crowd {
    sockets: usize,
    channels: usize,
}

impl FromStr for Crowd {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sockets, channels) = text.split_once('/').unwrap_or((text, "1"));
        Ok(Self { sockets: sockets.parse()?, channels: channels.parse()? })
    }
}

impl std::fmt::Display for Crowd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.channels {
            1 => write!(f, "{}", self.sockets),
            channels => write!(f, "{}/{channels}", self.sockets),
        }
    }
}

/// Whom to judge, and by what.
#[derive(Debug, Args)]
pub struct Options {
    /// Only these measures
    #[arg(long, value_delimiter = ',')]
    only: Vec<Measure>,
    /// Whom to measure
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "fabric,fabric-mariadb,fabric-postgres,node,node-memory,node-broadcast,nest,bare"
    )]
    targets: Vec<String>,
    /// A build of ours; several, with names, are compared with each other
    #[arg(long, value_name = "[NAME=]PATH", default_value = "target/release/fabric-guild-server")]
    binary: Vec<String>,
    /// Numbers of sockets; `1000/100` spreads a thousand over a hundred channels
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000,10000,1000/100")]
    sockets: Vec<Crowd>,
    /// Numbers of connections that post
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    posters: Vec<usize>,
    /// How often everything is measured, all targets in turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds for which each number is counted
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// One round, half a second each, at most a thousand sockets: to see that it works
    #[arg(long)]
    quick: bool,
    /// Puts the report into this file, between its marks, and the plots beside it
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Where databases are made [default: the system's folder for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where the peers are
    #[arg(long, default_value = "peers")]
    peers: PathBuf,
}

/// Measures, and prints or writes the report. `program` is this program.
pub fn run(options: &Options, program: &Path) -> Outcome {
    let about = about(options);
    let _settled = program::settle_self(program::OTHER)?;
    let places = Places {
        program: program.to_owned(),
        binaries: options.binary.iter().map(|given| binary(given)).collect::<Outcome<_>>()?,
        peers: std::path::absolute(&options.peers).map_err(|error| error.to_string())?,
        data: options.dir.clone(),
        center: center::serve()?,
    };
    let targets = options.targets.iter().map(|name| Target::named(name, &places));
    let targets = targets.collect::<Outcome<Vec<_>>>()?.concat();
    let ours = places.binaries.last().map_or("fabric", |(name, _)| name).to_owned();
    let began = Instant::now();
    let mut court = Court { options, places, targets, book: Book::default() };
    for round in 1..=options.rounds() {
        say(&format!("round {round} of {}, after {} s", options.rounds(), began.elapsed().as_secs()));
        court.round();
    }
    if options.only.contains(&Measure::SystemCalls) {
        court.system_calls()?;
    }
    say(&format!("\n{}", report::text(&court.book, &about, &ours, None)));
    if let Some(file) = &options.write {
        report::write(&court.book, &about, &ours, file)?;
    }
    match court.book.failures.len() {
        0 => Ok(()),
        failed => Err(format!("{failed} measurements failed")),
    }
}

impl Options {
    fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }

    fn times(&self) -> Times {
        let counted = Duration::from_secs_f64(if self.quick { 0.5 } else { self.seconds });
        Times { warm: Duration::from_millis(if self.quick { 100 } else { 400 }), counted }
    }

    fn wants(&self, measure: Measure) -> bool {
        self.only.contains(&measure) || (self.only.is_empty() && measure != Measure::SystemCalls)
    }

    fn crowds(&self) -> impl Iterator<Item = Crowd> {
        let most = if self.quick { 1_000 } else { usize::MAX };
        self.sockets.iter().copied().filter(move |crowd| crowd.sockets <= most)
    }
}

/// A run: whom, by what, and what was found.
struct Court<'a> {
    options: &'a Options,
    places: Places,
    targets: Vec<Target>,
    book: Book,
}

impl Court<'_> {
    /// Everything once, all targets in turn.
    fn round(&mut self) {
        let times = self.options.times();
        if self.options.wants(Measure::Posts) {
            for posters in &self.options.posters {
                let posting = Posting { members: measures::WRITERS, connected: 0, posters: *posters };
                self.each(of::POSTS, &posters.to_string(), Target::posts, |running, notes| {
                    measures::posts(running, posting, times, notes)
                });
            }
        }
        if self.options.wants(Measure::FanOut) {
            for crowd in self.options.crowds() {
                let joins =
                    |target: &Target| target.fans_out() && (target.is_compared() || crowd.sockets < MANY);
                self.each(of::FAN_OUT, &crowd.to_string(), joins, |running, notes| {
                    measures::fan_out(running, crowd.sockets, crowd.channels, times, notes)
                });
            }
        }
        if self.options.wants(Measure::Storm) {
            self.each(of::STORM, "1000", Target::is_compared, |running, notes| {
                measures::storm(running, 1_000, notes)
            });
        }
        if self.options.wants(Measure::Members) {
            for posters in [1, 16] {
                for members in [10, 10_000] {
                    let case = format!("{members} members, {posters} posting");
                    let posting = Posting { members, connected: 10, posters };
                    self.each(
                        of::MEMBERS,
                        &case,
                        |target| target.is_compared() && target.posts(),
                        |running, notes| measures::posts(running, posting, times, notes),
                    );
                }
            }
        }
        if self.options.wants(Measure::Start) {
            for target in self.targets.iter().filter(|target| target.posts()) {
                let mut notes = Notes::new(&mut self.book, of::START, of::EXISTING.to_owned(), &target.name);
                let outcome = measures::start(target, &self.places, &mut notes);
                notes.close(outcome);
            }
        }
    }

    /// Measures one case at each target that takes part, freshly started.
    fn each(
        &mut self,
        table: Table,
        case: &str,
        takes_part: impl Fn(&Target) -> bool,
        measure: impl Fn(&Running, &mut Notes<'_>) -> Outcome,
    ) {
        for target in self.targets.iter().filter(|target| takes_part(target)) {
            let mut notes = Notes::new(&mut self.book, table, case.to_owned(), &target.name);
            let outcome = target.home(&self.places).and_then(|home| {
                let (running, _) = target.start(&self.places, &home)?;
                measure(&running, &mut notes)
            });
            notes.close(outcome);
        }
    }

    fn system_calls(&self) -> Outcome {
        for target in self.targets.iter().filter(|target| target.posts()) {
            for posters in &self.options.posters {
                let home = target.home(&self.places)?;
                let (running, _) = target.start(&self.places, &home)?;
                measures::system_calls(&target.name, &running, *posters)?;
            }
        }
        Ok(())
    }
}

fn binary(given: &str) -> Outcome<(String, PathBuf)> {
    let (name, path) = given.split_once('=').unwrap_or(("fabric", given));
    let path = std::path::absolute(path).map_err(|error| format!("{path}: {error}"))?;
    Ok((name.to_owned(), path))
}

/// What must be known of the machine and the run.
fn about(options: &Options) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let cpu = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = read("/proc/loadavg");
    format!(
        "{cores} cores ({}), Linux {}, load average {} before the run. Medians of {} rounds, all targets in \
         turn, {} s for each number.",
        cpu.map_or("unknown", |(_, name)| name),
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or("unknown"),
        options.rounds(),
        options.times().counted.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::generator::{Generator, Load, Seat};
    use super::targets::{Courier, Loop};
    use super::*;

    /// Posts to ten sockets of a bare loop whose frames this courier carries.
    fn drive(courier: Courier) -> Outcome<u64> {
        let address = ([127, 0, 0, 1], fabric_testkit::servers::free_port()).into();
        let server = Loop::listen(address, courier)?;
        // It ends with the test's process.
        std::thread::spawn(move || server.serve());
        let made = http::call(address, "POST", "/api/channels", "", &serde_json::Value::Null)?;
        let channel = made["id"].as_str().unwrap_or_default().to_owned();
        let mut generator = Generator::new(address, 20)?;
        generator.channel(&channel);
        generator.connect((0..10).map(|_| Seat { token: "t".into(), channel: channel.clone() }), 4)?;
        generator.posters(3, &["t".to_owned()])?;
        let count = generator.play(Load::InFlight(3), Duration::from_millis(50))?;
        let receipts = generator.play_for_receipts(Load::PerSecond(200.0), Duration::from_millis(50))?;
        assert!(!receipts.is_empty() && receipts.len() % 10 == 0, "{} receipts", receipts.len());
        assert_eq!(count.bytes, count.deliveries * FRAME as u64);
        Ok(count.deliveries)
    }

    #[test]
    fn the_generator_drives_a_server_and_counts_what_arrives() {
        assert!(drive(Box::new(|frame| frame)).unwrap() >= 10);
    }

    #[test]
    fn a_server_that_doubles_a_frame_fails() {
        let problem = drive(Box::new(|frame| [frame.clone(), frame].concat())).unwrap_err();
        assert!(problem.contains("got seq 1 after 1"), "{problem}");
    }

    #[test]
    fn a_server_that_loses_a_frame_fails() {
        let mut posts = 0;
        let courier = move |frame| {
            posts += 1;
            if posts == 2 { Vec::new() } else { frame }
        };
        let problem = drive(Box::new(courier)).unwrap_err();
        assert!(problem.contains("got seq 3 after 1"), "{problem}");
    }

    #[test]
    fn a_server_that_changes_the_order_fails() {
        let mut held = None;
        let courier = move |frame: Vec<u8>| {
            let earlier: Option<Vec<u8>> = held.take();
            if earlier.is_none() {
                held = Some(frame);
                return Vec::new();
            }
            [frame, earlier.unwrap_or_default()].concat()
        };
        let problem = drive(Box::new(courier)).unwrap_err();
        assert!(problem.contains("got seq 2 after 0"), "{problem}");
    }
}
