//! Sub-commands.

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use fabric_center_client::CenterClient;
use fabric_domain::model::GuildId;

use crate::config::Settings;
use crate::dev::{self, DevOptions};
use crate::system::SystemClock;
use crate::{Node, archive, log};

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

/// The command line is right but something else is not.
pub(crate) const FAILURE: u8 = 1;
/// Wrong usage, as clap has it: here, an incomplete configuration.
const USAGE: u8 = 2;

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
            Command::Migrate { step } => Box::pin(migrate(&settings, step)).await,
            Command::Export { to } => Box::pin(archive::export(&settings, &to)).await,
            Command::Import { from } => Box::pin(archive::import(&settings, &from)).await,
            Command::PrintCommandsSyncKey => {
                say(settings.commands_sync_key.reveal());
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

#[expect(clippy::print_stdout, reason = "a sub-command's answer belongs on standard output")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "the log may not run yet, or be filtered")]
pub(crate) fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}

async fn serve(settings: &Settings) -> ExitCode {
    log::start(&settings.log, settings.log_format);
    let center = match CenterClient::new(center_config(settings), Arc::new(SystemClock)) {
        Ok(center) => Arc::new(center),
        Err(error) => return fail(USAGE, &error),
    };
    // Before anybody is told that it runs: from now on a signal means a clean stop.
    let mut stopped = pin!(stopped());
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

/// How this node reaches Center.
pub(crate) fn center_config(settings: &Settings) -> fabric_center_client::Config {
    let key = settings.center_api_key.reveal();
    fabric_center_client::Config::new(&settings.center_base_url, key, GuildId::new(&settings.node_id))
}

async fn migrate(settings: &Settings, step: Migrate) -> ExitCode {
    let done = match step {
        Migrate::Up => fabric_store_seaorm::migrate::up(settings.db_url.reveal()).await,
        Migrate::Down => fabric_store_seaorm::migrate::down(settings.db_url.reveal()).await,
        Migrate::Status => fabric_store_seaorm::migrate::status(settings.db_url.reveal()).await,
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

/// Listens, from the call on, for the signal to stop: `Ctrl-C`, or `SIGTERM`; the future waits for it.
pub(crate) fn stopped() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt()).and_then(|one| Ok((one, signal(SignalKind::terminate())?)))
    };
    async move {
        #[cfg(unix)]
        if let Ok((mut interrupted, mut terminated)) = signals {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
        // Without a signal handler there is nothing to wait for but the end of the process.
        let _ = tokio::signal::ctrl_c().await;
    }
}
