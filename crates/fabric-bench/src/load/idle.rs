//! Sockets that do nothing.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use fabric_domain::model::ChannelType;
use tokio::runtime::Builder;

use super::number;
use crate::client::{Options, Peer, connect_all, join_all};
use crate::world::{Backing, World, node_limits};
use crate::{Outcome, process, say};

/// Idle sockets in a process of their own.
#[derive(Debug, Args)]
pub struct Idle {
    /// Where the guild listens
    #[arg(long)]
    address: SocketAddr,
    /// The channel to join
    #[arg(long)]
    channel: String,
    /// How many
    #[arg(long)]
    sockets: usize,
}

/// Holds the sockets: says `ready` when all have joined, and ends when standard input does.
pub fn hold(options: &Idle) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let users = (0..options.sockets).map(user);
    let peers: Vec<Peer> = runtime.block_on(async {
        let peers = connect_all(options.address, users, Options::default()).await?;
        join_all(&peers, &options.channel.as_str().into()).await?;
        Ok::<_, String>(peers)
    })?;
    say("ready");
    // Nothing is written to it: this is its end.
    let _ = std::io::stdin().read(&mut [0]);
    drop(peers);
    Ok(())
}

/// Few users with many sockets each: a thousand users that come at once tell each other half a million
/// times that they are online, and what the allocator keeps of that moment is no idle socket's.
fn user(number: usize) -> String {
    format!("u{}", number / 90)
}

/// Bytes of the server for each socket.
pub(super) struct Memory {
    pub(super) each: f64,
    /// What the allocator keeps when they are gone.
    pub(super) left: f64,
}

pub(super) fn measure(program: &Path, sockets: usize) -> Outcome<Memory> {
    let world = World::start(node_limits(), Backing::Memory)?;
    let mut users: Vec<_> = (0..sockets).map(user).collect();
    users.dedup();
    for user in &users {
        world.user(user);
    }
    let channel = world.runtime().block_on(world.channel(ChannelType::Announce, &users))?;
    let before = process::resident().ok_or("this system does not tell its memory")?;
    let mut child = Command::new(program)
        .args(["idle", "--address", &world.address().to_string(), "--channel", channel.as_str()])
        .args(["--sockets", &sockets.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("idle sockets: {error}"))?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
    }
    let with = process::resident().unwrap_or_default();
    // The end of its input ends it.
    drop(child.stdin.take());
    let status = child.wait().map_err(|error| error.to_string())?;
    if line.trim() != "ready" || !status.success() {
        return Err(format!("idle sockets ended with {status}"));
    }
    world.runtime().block_on(async {
        world.settles_at(0, 0).await?;
        // What closes behind the last socket does so in the background.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, String>(())
    })?;
    let after = process::resident().unwrap_or_default();
    world.stop(false)?;
    let for_each = |bytes: u64| number(usize::try_from(bytes).unwrap_or_default()) / number(sockets);
    Ok(Memory { each: for_each(with.saturating_sub(before)), left: for_each(after.saturating_sub(before)) })
}
