//! The product, running.

use crate::tools::{Outcome, cargo};

/// Builds and runs `fabric-guild-server dev`; it has the terminal to itself.
pub(crate) fn run(args: &[String]) -> Outcome {
    let mut command = cargo(&["run", "--package", "fabric-guild-server", "--", "dev"]);
    // What the person calls `.fabric` is where they are.
    if let Ok(here) = std::env::current_dir() {
        command.current_dir(here);
    }
    match command.args(args).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("dev ended with {status}")),
        Err(error) => Err(format!("cargo cannot be run: {error}")),
    }
}
