//! `fabric-bench`: stress and measurements on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use fabric_bench::stress::{self, Profile, SCENARIOS, Scenario};
use fabric_bench::{Outcome, judge, process, rng, size};

#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Scenarios that check themselves
    Stress(Stress),
    /// How answers slow down as a guild grows, as tables; and how long a guild takes to move
    Size(size::Options),
    /// Servers of ours and of others, measured in turn from outside
    Judge(judge::Options),
    /// The bare write loop; `judge` starts it
    #[command(hide = true)]
    Bare(judge::Bare),
}

#[derive(Debug, Args)]
struct Stress {
    /// The seed of the first repeat; each further one takes the next [default: any]
    #[arg(long)]
    seed: Option<u64>,
    /// How many times
    #[arg(long, default_value_t = 1)]
    repeat: u64,
    /// Only this scenario; may be given several times
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Fewer sockets and messages
    #[arg(long)]
    quick: bool,
    /// Names all scenarios
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Stress(options) if options.list => {
            list();
            Ok(())
        }
        Command::Stress(options) => run_stress(&options),
        Command::Size(options) => size::run(&options),
        Command::Judge(options) => judge::run(&options, &program()),
        Command::Bare(options) => judge::serve_bare(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            tell(&problem);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is a program for the terminal")]
fn tell(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::print_stdout, reason = "this is a program for the terminal")]
fn list() {
    for scenario in SCENARIOS {
        println!("{:<16} {}", scenario.name, scenario.about);
    }
}

/// This program, to be started once more.
fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "fabric-bench".into())
}

fn run_stress(options: &Stress) -> Outcome {
    let named: Vec<&Scenario> =
        options.scenario.iter().map(|name| stress::find(name)).collect::<Result<_, _>>()?;
    let chosen: Vec<&Scenario> = if named.is_empty() { SCENARIOS.iter().collect() } else { named };
    let profile = if options.quick { Profile::Quick } else { Profile::Full };
    let first = options.seed.unwrap_or_else(rng::any_seed);
    let (mut failed, mut memory) = (0_usize, Vec::new());
    for repeat in 0..options.repeat {
        for scenario in &chosen {
            if let Err(problem) = stress::play(scenario, profile, first.wrapping_add(repeat)) {
                tell(&problem);
                failed += 1;
            }
        }
        memory.extend(process::resident());
    }
    // With enough repeats their own noise says what growth is.
    if memory.len() >= 6 {
        stress::steady(&memory)?;
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} failed")) }
}
