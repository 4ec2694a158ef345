//! Developer commands: `cargo xtask dev`, `cargo xtask test`.

mod dev;
mod fuzz;
mod test;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <command>

  dev [ARG...]      build and run Center, guild and demo agents on loopback;
                    arguments go to `fabric-guild-server dev` (try --help)
  test [PART...]    everything CI runs, or only these parts, in this order:";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let result = match args.next().as_deref() {
        Some("dev") => dev::run(&args.collect::<Vec<_>>()),
        Some("test") => test::run_parts(&args.collect::<Vec<_>>()),
        _ => {
            tools::say(USAGE);
            for part in test::PARTS {
                tools::say(&format!("      {:<14}{}", part.name, part.what));
            }
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            tools::say(&format!("\nxtask: {problem}"));
            ExitCode::FAILURE
        }
    }
}
