//! Commands, each one use case of [`Center`].

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use fabric_center::{Center, DisplayName, Email, Endpoint, Error, NodeId, Password, Settings};
use fabric_serverkit::private;
use fabric_serverkit::program::{HealthError, check_health, start_log, stop_signal};
use serde_json::{Value, json};

/// Fabric's identity hub: users, agents' API keys, guild nodes.
#[derive(Debug, Parser)]
#[command(name = "fabric-center", version)]
pub(crate) struct Cli {
    /// Configuration file (default: fabric-center.toml, when it is there). `FABRIC_BACKEND_CENTER_…` wins over it.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Database address, for example <sqlite://fabric-center.db>; wins over file and environment.
    #[arg(long, global = true)]
    db_url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests until interrupted.
    Serve,
    /// Ask the Center that runs here with the same configuration whether it is well: for containers.
    Healthcheck,
    /// People, agents and the admin.
    #[command(subcommand)]
    User(UserCommand),
    /// Guild nodes.
    #[command(subcommand)]
    Node(NodeCommand),
}

#[derive(Debug, Args)]
struct ByEmail {
    /// The user's email, matched without case.
    #[arg(long)]
    email: String,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Create a user.
    Create {
        #[arg(long)]
        email: Email,
        #[arg(long, env = "FABRIC_PASSWORD", hide_env_values = true)]
        password: Password,
        /// Display name (default: the email).
        #[arg(long)]
        name: Option<DisplayName>,
    },
    /// List every user.
    List,
    /// Make a key with which the user can sign in as an agent; it is shown once.
    Apikey {
        #[command(flatten)]
        user: ByEmail,
        /// What the key is for.
        #[arg(long, default_value = "default")]
        label: DisplayName,
    },
    /// End the user's keys and every session opened with them.
    RevokeApikey {
        #[command(flatten)]
        user: ByEmail,
        /// Only keys with this label.
        #[arg(long)]
        label: Option<String>,
    },
    /// Make this user the only admin.
    SetAdmin(ByEmail),
    /// Have no admin.
    ClearAdmin,
    /// Show the admin.
    ShowAdmin,
    /// Keep a user out, at once.
    Disable(ByEmail),
}

#[derive(Debug, Args)]
struct ById {
    /// The node's id.
    #[arg(long)]
    node_id: NodeId,
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    /// Register a guild node; its key is shown the first time only.
    Register {
        #[command(flatten)]
        node: ById,
        #[arg(long)]
        name: DisplayName,
        /// Where users reach the node, for example <http://localhost:7002>.
        #[arg(long)]
        endpoint: Endpoint,
        /// Nobody may join without an invite.
        #[arg(long, conflicts_with = "open")]
        closed: bool,
        /// Anybody may join, as in a new guild. With neither, a known node stays as it is.
        #[arg(long)]
        open: bool,
        /// Keep the node's key in this file instead of showing it. A file that holds the key already stays as it is;
        /// when it does not, or is lost, the node gets another key.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Give the node another key; the former one ends at once.
    RotateKey(ById),
    /// List every node.
    List,
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Settings(#[from] fabric_center::SettingsError),
    #[error(transparent)]
    Open(#[from] fabric_center::OpenError),
    #[error(transparent)]
    Refused(#[from] Error),
    #[error(transparent)]
    Unhealthy(#[from] HealthError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs the command: 0 when it succeeded, 1 when not.
pub(crate) async fn run(cli: Cli) -> ExitCode {
    match execute(cli).await {
        Ok(answer) => {
            // Somebody who closed the pipe has seen enough.
            let _ = answer.map(|answer| writeln!(std::io::stdout(), "{answer:#}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "fabric-center: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(cli: Cli) -> Result<Option<Value>, CommandError> {
    let mut settings = Settings::load(cli.config.as_deref())?;
    if let Some(db_url) = cli.db_url {
        settings.db_url = db_url;
    }
    let serving = matches!(cli.command, Command::Serve);
    // Commands other than `serve` only say what went wrong.
    start_log(if serving { &settings.log } else { "warn" }, settings.log_format);
    match cli.command {
        Command::Serve => serve(&Center::open(settings).await?).await.map(|()| None),
        Command::Healthcheck => {
            check_health(SocketAddr::new(settings.bind, settings.port)).await?;
            Ok(None)
        }
        Command::User(command) => user(&Center::open(settings).await?, command).await.map(Some),
        Command::Node(command) => node(&Center::open(settings).await?, command).await.map(Some),
    }
}

async fn user(center: &Center, command: UserCommand) -> Result<Value, CommandError> {
    Ok(match command {
        UserCommand::Create { email, password, name } => {
            let name = name.as_ref().map(DisplayName::as_str);
            json!(center.create_user(email.as_str(), password.as_str(), name).await?)
        }
        UserCommand::List => json!(center.list_users().await?),
        UserCommand::Apikey { user, label } => {
            let key = center.create_api_key(&user.email, label.as_str()).await?;
            json!({ "email": user.email, "label": label.as_str(), "apiKey": key })
        }
        UserCommand::RevokeApikey { user, label } => {
            let revoked = center.revoke_api_keys(&user.email, label.as_deref()).await?;
            json!({ "email": user.email, "revoked": revoked })
        }
        UserCommand::SetAdmin(user) => json!(center.set_admin(&user.email).await?),
        UserCommand::ClearAdmin => json!({ "cleared": center.clear_admin().await? }),
        UserCommand::ShowAdmin => json!(center.admin().await?),
        UserCommand::Disable(user) => {
            let user = center.disable_user(&user.email).await?;
            json!({ "id": user.id, "email": user.email, "disabled": true })
        }
    })
}

async fn node(center: &Center, command: NodeCommand) -> Result<Value, CommandError> {
    Ok(match command {
        NodeCommand::Register { node, name, endpoint, closed, open, key_file } => {
            let open = (closed || open).then_some(open);
            let (id, name, endpoint) = (node.node_id.as_str(), name.as_str(), endpoint.as_str());
            let mut registered = center.register_node_with(id, name, endpoint, open).await?;
            if let Some(file) = key_file {
                keep_key(center, id, registered.api_key.take(), &file).await?;
            }
            json!(registered)
        }
        NodeCommand::RotateKey(node) => {
            let key = center.rotate_node_key(node.node_id.as_str()).await?;
            json!({ "nodeId": node.node_id.as_str(), "apiKey": key })
        }
        NodeCommand::List => json!(center.list_nodes().await?),
    })
}

/// Sees to it that the file holds the node's key. `new` is the one that it has just got, if it was not known before.
async fn keep_key(center: &Center, id: &str, new: Option<String>, file: &Path) -> Result<(), CommandError> {
    let key = match (new, std::fs::read_to_string(file)) {
        (Some(new), _) => new,
        (None, Ok(kept)) if center.is_node_key(id, kept.trim()).await? => return Ok(()),
        (None, Err(error)) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        // Center has only the hash of the former one.
        (None, _) => center.rotate_node_key(id).await?,
    };
    Ok(private::replace(file, format!("{key}\n").as_bytes())?)
}

async fn serve(center: &Center) -> Result<(), CommandError> {
    let (server, address) = center.server()?;
    // Before anybody is told that it runs: from now on a signal means a clean stop.
    let stopped = stop_signal();
    tracing::info!(%address, "Center listens");
    let stop = server.handle();
    let signals = tokio::spawn(async move {
        stopped.await;
        tracing::info!("stopping");
        stop.stop(true).await;
    });
    let outcome = server.await;
    signals.abort();
    Ok(outcome?)
}
