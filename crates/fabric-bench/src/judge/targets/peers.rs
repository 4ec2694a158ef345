//! What users could pick instead: `peers/node-socketio` and `peers/nest-typeorm`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::path_of;
use crate::judge::program::{MEASURED, command as pinned};
use crate::{Outcome, ensure};

/// socket.io and better-sqlite3; without an address of a database, without one.
pub(super) fn node(peers: &Path, url: &str, address: SocketAddr, broadcasts: bool) -> Outcome<Command> {
    let mut command = peer(&peers.join("node-socketio"), "server.mjs", address)?;
    command.env("DB", if url.is_empty() { "none".as_ref() } else { path_of(url) });
    if broadcasts {
        command.env("BROADCAST", "1");
    }
    Ok(command)
}

/// `NestJS`, `TypeORM`, `MariaDB`.
pub(super) fn nest(peers: &Path, url: &str, address: SocketAddr) -> Outcome<Command> {
    let mut command = peer(&peers.join("nest-typeorm"), "dist/main.js", address)?;
    command.env("DB_URL", url);
    Ok(command)
}

fn peer(place: &Path, script: &str, address: SocketAddr) -> Outcome<Command> {
    let is_built = place.join("node_modules").is_dir() && place.join(script).is_file();
    ensure!(is_built, "{} is not built, see peers/README.md", place.display());
    let mut command = pinned(MEASURED, "node".as_ref());
    command.arg(script).current_dir(place);
    command.env("NODE_ENV", "production").env("PORT", address.port().to_string());
    Ok(command)
}
