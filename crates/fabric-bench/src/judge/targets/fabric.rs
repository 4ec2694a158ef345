//! Our own server, as an operator runs it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::judge::people::GUILD;
use crate::judge::program::{MEASURED, command as pinned};

/// `fabric-guild-server serve`, with rate limits out of the way.
pub(super) fn command(
    binary: &Path,
    folder: &Path,
    url: &str,
    address: SocketAddr,
    center: SocketAddr,
) -> Command {
    let mut command = pinned(MEASURED, binary);
    command.arg("serve").current_dir(folder);
    let settings = [
        ("CENTER_BASE_URL", format!("http://{center}")),
        ("CENTER_API_KEY", "fnk_bench".to_owned()),
        ("NODE_ID", GUILD.to_owned()),
        ("BIND", address.ip().to_string()),
        ("PORT", address.port().to_string()),
        ("DB_URL", url.to_owned()),
        ("PUBLIC_ENDPOINT", format!("http://{address}")),
        ("LOG", "warn".to_owned()),
        ("RATE_USER_PER_SECOND", "0".to_owned()),
        ("RATE_POSTS_PER_SECOND", "0".to_owned()),
        ("RATE_CREATES_PER_MINUTE", "0".to_owned()),
        ("CONNECTS_PER_SECOND", "0".to_owned()),
        ("CONNECTIONS_PER_ADDRESS", "0".to_owned()),
        ("SOCKETS_PER_USER", "20000".to_owned()),
        ("CONNECTIONS_PER_USER", "20000".to_owned()),
    ];
    for (name, value) in settings {
        command.env(format!("FABRIC_BACKEND_GUILD_{name}"), value);
    }
    command
}
