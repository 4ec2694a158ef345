//! What a sub-command says to whoever ran it.

use std::fmt::Display;
use std::process::ExitCode;

/// The exit code of a command line that is right where something else is not.
pub(crate) const FAILURE: u8 = 1;
/// The exit code of wrong usage, as clap has it: here, an incomplete configuration.
pub(crate) const USAGE: u8 = 2;

/// Answers a line.
#[expect(clippy::print_stdout, reason = "a sub-command's answer belongs on standard output")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Says why the sub-command ends with this code.
#[expect(clippy::print_stderr, reason = "the log may not run yet, or be filtered")]
pub(crate) fn fail(code: u8, error: &dyn Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}
