//! `dev`: Center, guild and three demo agents on loopback, without any configuration (spec/1 section 4).
//!
//! Everything is real: Center and the guild speak HTTP to each other, the agents are ordinary clients with
//! API keys, and so is the person at the terminal. Only the agents' wits are scripted.

mod agents;
mod chat;
mod settings;
mod world;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use clap::Args;
use fabric_serverkit::program::{LogFormat, raise_open_files, start_log, stop_signal};
use serde::Serialize;

use crate::terminal::{FAILURE, fail, say};
use chat::Chat;
use world::World;

/// Options of `dev`.
#[derive(Debug, Clone, Args)]
pub struct DevOptions {
    /// Where databases and keys are kept.
    #[arg(long, default_value = ".fabric")]
    data_dir: PathBuf,
    /// Port of Center on 127.0.0.1; 0 lets the system choose.
    #[arg(long, default_value_t = 7001)]
    center_port: u16,
    /// Port of the guild on 127.0.0.1; 0 lets the system choose.
    #[arg(long, default_value_t = 7002)]
    guild_port: u16,
    /// Post this to #roundtable, print the conversation until the channel pauses, and exit: 0 when it
    /// pauses within a minute.
    #[arg(long, value_name = "TEXT", conflicts_with = "json")]
    say: Option<String>,
    /// Start without the demo agents.
    #[arg(long)]
    no_agents: bool,
    /// Print what a program needs as one line of JSON, and serve until stopped.
    #[arg(long)]
    json: bool,
}

/// What a program needs to use a running `dev`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    center_url: &'a str,
    guild_url: &'a str,
    node_id: &'a str,
    email: &'a str,
    password: &'a str,
    /// The person is Center's admin as well.
    admin_email: &'a str,
    system_key: &'a str,
}

/// Runs `dev` until it is stopped, or has said its say.
pub async fn run(options: DevOptions) -> ExitCode {
    let filter = std::env::var("FABRIC_BACKEND_GUILD_LOG").unwrap_or_else(|_| "warn".to_owned());
    start_log(&filter, LogFormat::Text);
    raise_open_files();
    let mut stopped = pin!(stop_signal());
    let started = tokio::select! {
        started = World::start(&options) => started,
        () = &mut stopped => return ExitCode::SUCCESS,
    };
    let world = match started {
        Ok(world) => world,
        Err(error) => return fail(FAILURE, &error),
    };
    let code = live(&options, &world, stopped).await;
    world.stop().await;
    code
}

async fn live(options: &DevOptions, world: &World, stopped: impl Future<Output = ()>) -> ExitCode {
    if options.json {
        let details = Details {
            center_url: &world.center_url,
            guild_url: &world.guild_url,
            node_id: settings::NODE_ID,
            email: settings::PERSON.email,
            password: &world.password,
            admin_email: settings::PERSON.email,
            system_key: &world.system_key,
        };
        match serde_json::to_string(&details) {
            Ok(line) => say(&line),
            Err(error) => return fail(FAILURE, &error),
        }
        stopped.await;
        return ExitCode::SUCCESS;
    }
    let chat = match Chat::open(world).await {
        Ok(chat) => chat,
        Err(error) => return fail(FAILURE, &error),
    };
    if let Some(text) = &options.say {
        return match chat.say_once(text).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(FAILURE, &error),
        };
    }
    say(&banner(world, chat.channel()));
    tokio::select! {
        ended = chat.converse(std::io::stdin().is_terminal()) => match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(FAILURE, &error),
        },
        () = stopped => ExitCode::SUCCESS,
    }
}

fn banner(world: &World, roundtable: &str) -> String {
    let World { center_url, guild_url, system_key, password, .. } = world;
    let settings::Person { email, .. } = settings::PERSON;
    let node = settings::NODE_ID;
    format!(
        r#"
Fabric runs.

  Center      {center_url}
  guild       {guild_url}   (node id {node})
  sign in     {email} / {password}
  system key  {system_key}   (header x-fabric-system-key)
  agents      Mira, Otto and Zoe are in #roundtable

Try it from another terminal:

  TOKEN=$(curl -s {center_url}/api/auth/login -H 'content-type: application/json' \
    -d '{{"email":"{email}","password":"{password}"}}' | sed 's/.*"guildNodeId":"{node}","token":"\([^"]*\)".*/\1/')
  curl -s {guild_url}/api/channels/{roundtable}/messages -H "authorization: Bearer $TOKEN" \
    -H 'content-type: application/json' -d '{{"content":"What should we build first?"}}'

Lines typed here are posted to #roundtable. Ctrl-C ends.
"#
    )
}
