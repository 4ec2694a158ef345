//! `PostgreSQL`.

use std::path::Path;
use std::process::Command;

use super::guarded::{Guarded, folder};
use super::programs::{find, id, is_root, run, text};
use super::{Database, free_port, fresh_name};

const PACKAGE: &str = "postgresql";

/// A private `PostgreSQL` server.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    _server: Guarded,
}

impl Postgres {
    /// Starts one that need not survive a power cut.
    pub fn start() -> Self {
        Self::with(&["fsync=off", "full_page_writes=off"])
    }

    /// Starts one that keeps what it commits, as an operator would have it.
    pub fn durable() -> Self {
        Self::with(&["fsync=on", "synchronous_commit=on"])
    }

    fn with(durability: &[&str]) -> Self {
        let folder = folder("postgres");
        let user = Unprivileged::find();
        user.own(&folder);
        let data = folder.join("data");
        let mut init = user.command(&find("initdb", PACKAGE));
        init.args(["--username=fabric", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        // A locale in which letters do not sort by their bytes, as servers often have.
        init.args(["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=de"]);
        run(init.arg("--pgdata").arg(&data).current_dir("/"));

        let port = free_port();
        let mut server = user.command(&find("postgres", PACKAGE));
        server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k", text(&folder)]);
        server.args(["-h", "127.0.0.1"]);
        for setting in ["max_connections=500"].iter().chain(durability) {
            server.args(["-c", setting]);
        }
        // Its "immediate" way to end, in which it takes its own processes and its shared memory with it.
        let server = Guarded::start(&server, "QUIT", Some(&folder), "ready to accept connections");
        Self { port, _server: server }
    }

    /// A fresh, empty database.
    pub fn database(&self) -> Database {
        let name = fresh_name();
        self.sql(&format!("CREATE DATABASE {name}"));
        Database { url: format!("postgres://fabric@127.0.0.1:{}/{name}", self.port), port: self.port }
    }

    /// Runs a statement; answers the rows, tab-separated.
    pub fn sql(&self, statement: &str) -> String {
        let mut client = Command::new(find("psql", PACKAGE));
        client.args(["--no-psqlrc", "--host=127.0.0.1", "--username=fabric", "--dbname=postgres"]);
        client.args(["--quiet", "--tuples-only", "--no-align", "--field-separator=\t"]);
        run(client.args([&format!("--port={}", self.port), "--command", statement]))
    }
}

/// Who runs the server: it refuses to run as root.
enum Unprivileged {
    Ourselves,
    User { uid: u32, gid: u32 },
}

impl Unprivileged {
    fn find() -> Self {
        if !is_root() {
            return Self::Ourselves;
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Some(Self::User { uid: id(&["-u", name])?, gid: id(&["-g", name])? }))
            .expect("a user who is not root")
    }

    fn own(&self, folder: &Path) {
        if let Self::User { uid, gid } = self {
            std::os::unix::fs::chown(folder, Some(*uid), Some(*gid)).expect("root may give folders away");
        }
    }

    /// Runs a program as that user, in the same process, so that its id is the server's.
    fn command(&self, program: &Path) -> Command {
        match self {
            Self::Ourselves => Command::new(program),
            Self::User { uid, gid } => {
                let mut command = Command::new(find("setpriv", "util-linux"));
                command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
                command.arg("--clear-groups").arg("--").arg(program);
                command
            }
        }
    }
}
