//! The binary of a guild node.

use std::process::ExitCode;

use clap::Parser;
use fabric_guild_server::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
