//! The command line of Center. JSON on stdout, errors on stderr; exit 2 for wrong usage.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

#[actix_web::main]
async fn main() -> ExitCode {
    cli::run(cli::Cli::parse()).await
}
