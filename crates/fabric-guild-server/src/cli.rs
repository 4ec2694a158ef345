//! Sub-commands.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use fabric_center_client::CenterClient;
use fabric_serverkit::program::{check_health, start_log, stop_signal};
use fabric_serverkit::system::SystemClock;

use crate::config::Settings;
use crate::dev::{self, DevOptions};
use crate::terminal::{FAILURE, USAGE, fail, say};
use crate::{Node, archive};

/// A guild node of Fabric: team chat in which the server decides who is woken and whose turn it is.
#[derive(Debug, Parser)]
#[command(name = "fabric-guild-server", version)]
pub struct Cli {
    /// Configuration file; the environment (`FABRIC_BACKEND_GUILD_…`) wins over it.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the guild (the default).
    Serve,
    /// Ask the guild that runs here with the same configuration whether it is well: for containers.
    Healthcheck,
    /// Center, guild and demo agents on loopback, without any configuration.
    Dev(DevOptions),
    /// The database schema.
    Migrate {
        #[command(subcommand)]
        step: Migrate,
    },
    /// Write the whole guild into a folder, also while it is served.
    Export {
        /// The folder; it must not be there yet, or be empty.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Fill an empty database, of any kind, from such a folder. Nothing may be served from it meanwhile.
    Import {
        /// The folder.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
    },
    /// Print the secret of system posts.
    PrintCommandsSyncKey,
    /// Read the configuration and say whether it is complete.
    CheckConfig,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Migrate {
    /// Run pending migrations.
    Up,
    /// Revert the latest migration.
    Down,
    /// List migrations.
    Status,
}

impl Cli {
    /// Runs the sub-command.
    pub async fn run(self) -> ExitCode {
        let command = self.command.unwrap_or(Command::Serve);
        // Boxed, like those below: the future of `main` is then no larger, nor nested more deeply, for any of them.
        if let Command::Dev(options) = command {
            return Box::pin(dev::run(options)).await;
        }
        let settings = match Settings::load(self.config.as_deref()) {
            Ok(settings) => settings,
            Err(error) => return fail(USAGE, &error),
        };
        match command {
            Command::Serve => Box::pin(serve(&settings)).await,
            Command::Healthcheck => match check_health(SocketAddr::new(settings.bind, settings.port)).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(FAILURE, &error),
            },
            Command::Migrate { step } => Box::pin(migrate(&settings, step)).await,
            Command::Export { to } => Box::pin(archive::export(&settings, &to)).await,
            Command::Import { from } => Box::pin(archive::import(&settings, &from)).await,
            Command::PrintCommandsSyncKey => {
                say(settings.commands_sync_key.expose());
                ExitCode::SUCCESS
            }
            Command::CheckConfig => {
                say(&format!("{settings:#?}"));
                ExitCode::SUCCESS
            }
            Command::Dev(_) => ExitCode::SUCCESS,
        }
    }
}

async fn serve(settings: &Settings) -> ExitCode {
    start_log(&settings.log, settings.log_format);
    let center = match CenterClient::new(settings.center(), Arc::new(SystemClock)) {
        Ok(center) => Arc::new(center),
        Err(error) => return fail(USAGE, &error),
    };
    // Before anybody is told that it runs: from now on a signal means a clean stop.
    let mut stopped = pin!(stop_signal());
    let started = tokio::select! {
        started = Node::start(settings, Arc::clone(&center) as _) => started,
        () = &mut stopped => return ExitCode::SUCCESS,
    };
    let node = match started {
        Ok(node) => node,
        Err(error) => return fail(FAILURE, &error),
    };
    let _registration = center.register_in_background(None, &settings.public_endpoint);
    stopped.await;
    node.stop().await;
    ExitCode::SUCCESS
}

async fn migrate(settings: &Settings, step: Migrate) -> ExitCode {
    let done = match step {
        Migrate::Up => fabric_store_seaorm::migrate::up(settings.db_url.expose()).await,
        Migrate::Down => fabric_store_seaorm::migrate::down(settings.db_url.expose()).await,
        Migrate::Status => fabric_store_seaorm::migrate::status(settings.db_url.expose()).await,
    };
    match done {
        Ok(lines) => {
            for line in &lines {
                say(line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(FAILURE, &error),
    }
}
