//! What is measured: servers that speak the same HTTP and the same Socket.IO, so that one generator drives all.

mod bare;
mod fabric;
mod peers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fabric_testkit::servers::{MariaDb, Postgres, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http;
use super::people::{GUILD, token_of, user};
use super::program::{Program, pause};
use crate::Outcome;

pub use bare::{Bare, serve as serve_bare};
#[cfg(test)]
pub(super) use bare::{Courier, Loop};

/// Members that a request may name.
const MEMBERS_AT_ONCE: usize = 1_000;
/// How long a server may take to be ready.
const READY: Duration = Duration::from_mins(1);

/// A server that can be measured.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// As the report calls it.
    pub(super) name: String,
    kind: Kind,
    database: Database,
}

#[derive(Debug, Clone)]
enum Kind {
    /// The binary.
    Fabric(PathBuf),
    Node {
        broadcasts: bool,
    },
    Nest,
    Bare,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Database {
    None,
    Sqlite,
    MariaDb,
    Postgres,
}

/// Where things are.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// This program.
    pub(super) program: PathBuf,
    /// Builds of ours, by name.
    pub(super) binaries: Vec<(String, PathBuf)>,
    /// The folder of the peers.
    pub(super) peers: PathBuf,
    /// Where databases are made.
    pub(super) data: Option<PathBuf>,
    /// Center's address.
    pub(super) center: SocketAddr,
}

/// What outlives a server that is started again.
#[derive(Debug)]
pub(super) struct Home {
    folder: TempDir,
    /// Empty without a database.
    url: String,
}

/// All names that [`Target::named`] knows.
pub(super) const NAMES: [&str; 8] =
    ["fabric", "fabric-mariadb", "fabric-postgres", "node", "node-memory", "node-broadcast", "nest", "bare"];

impl Target {
    /// The targets that a name on the command line means.
    pub(super) fn named(name: &str, places: &Places) -> Outcome<Vec<Self>> {
        let ours = |database, suffix: &str| {
            let builds = places.binaries.iter().map(|(build, path)| Self {
                name: format!("{build}{suffix}"),
                kind: Kind::Fabric(path.clone()),
                database,
            });
            Ok(builds.collect())
        };
        let one = |kind, database| Ok(vec![Self { name: name.to_owned(), kind, database }]);
        match name {
            "fabric" => ours(Database::Sqlite, ""),
            "fabric-mariadb" => ours(Database::MariaDb, "-mariadb"),
            "fabric-postgres" => ours(Database::Postgres, "-postgres"),
            "node" => one(Kind::Node { broadcasts: false }, Database::Sqlite),
            "node-memory" => one(Kind::Node { broadcasts: false }, Database::None),
            "node-broadcast" => one(Kind::Node { broadcasts: true }, Database::Sqlite),
            "nest" => one(Kind::Nest, Database::MariaDb),
            "bare" => one(Kind::Bare, Database::None),
            _ => Err(format!("there is no target {name}, only {}", NAMES.join(", "))),
        }
    }

    /// Whether its answers promise that a post is on the disk.
    pub(super) fn is_durable(&self) -> bool {
        self.database != Database::None
    }

    /// Whether its posts are measured: what it does for sockets makes no difference there.
    pub(super) fn posts(&self) -> bool {
        self.is_durable() && !matches!(self.kind, Kind::Node { broadcasts: true })
    }

    /// Whether it is measured with sockets: the database of ours makes no difference there.
    pub(super) fn fans_out(&self) -> bool {
        !matches!((&self.kind, self.database), (Kind::Fabric(_), Database::MariaDb | Database::Postgres))
    }

    /// Whether it is one of those that are compared, not a variation of them.
    pub(super) fn is_compared(&self) -> bool {
        match self.kind {
            Kind::Fabric(_) => self.database == Database::Sqlite,
            Kind::Node { broadcasts } => !broadcasts && self.is_durable(),
            Kind::Nest => false,
            Kind::Bare => true,
        }
    }

    /// A folder and an empty database.
    pub(super) fn home(&self, places: &Places) -> Outcome<Home> {
        let folder = match &places.data {
            Some(data) => tempfile::tempdir_in(data),
            None => tempfile::tempdir(),
        };
        let folder = folder.map_err(|error| format!("no folder: {error}"))?;
        let url = match self.database {
            Database::None => String::new(),
            Database::Sqlite => format!("sqlite://{}", folder.path().join("chat.db").display()),
            Database::MariaDb => mariadb(),
            Database::Postgres => postgres(),
        };
        Ok(Home { folder, url })
    }

    /// Starts it, and waits until it is ready; also answers how long that took.
    pub(super) fn start(&self, places: &Places, home: &Home) -> Outcome<(Running, Duration)> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = self.command(places, home, address)?;
        let began = Instant::now();
        let program = Program::start(&mut command, home.folder.path(), &self.name)?;
        let mut running = Running { program, address };
        running.until_ready()?;
        Ok((running, began.elapsed()))
    }

    fn command(&self, places: &Places, home: &Home, address: SocketAddr) -> Outcome<Command> {
        let folder = home.folder.path();
        match &self.kind {
            Kind::Fabric(binary) => Ok(fabric::command(binary, folder, &home.url, address, places.center)),
            Kind::Node { broadcasts } => peers::node(&places.peers, &home.url, address, *broadcasts),
            Kind::Nest => peers::nest(&places.peers, &home.url, address),
            Kind::Bare => Ok(bare::command(&places.program, address)),
        }
    }
}

/// A fresh database on a server that keeps what it commits. It runs on the core of this process.
fn mariadb() -> String {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    SERVER.get_or_init(MariaDb::durable).database().url
}

/// As [`mariadb`].
fn postgres() -> String {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(Postgres::durable).database().url
}

/// A server that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) program: Program,
    pub(super) address: SocketAddr,
}

impl Running {
    fn until_ready(&mut self) -> Outcome {
        let until = Instant::now() + READY;
        while http::call(self.address, "GET", "/healthz", "", &Value::Null).is_err() {
            self.program.still_runs()?;
            if Instant::now() > until {
                return Err(format!("a server is not ready:\n{}", self.program.says()));
            }
            pause(Duration::from_millis(1));
        }
        Ok(())
    }

    /// A channel of the first so many users; answers its id.
    pub(super) fn channel(&self, members: usize) -> Outcome<String> {
        self.channel_of(&(0..members).collect::<Vec<_>>())
    }

    /// A channel of these users, the first user among them; answers its id.
    pub(super) fn channel_of(&self, members: &[usize]) -> Outcome<String> {
        let others: Vec<_> =
            members.iter().filter(|number| **number > 0).map(|number| user(*number)).collect();
        let mut parts = others.chunks(MEMBERS_AT_ONCE);
        let first = parts.next().unwrap_or_default();
        let body = json!({ "guildId": GUILD, "name": "bench", "xType": "general", "memberUserIds": first });
        let made = self.ask("/api/channels", &body)?;
        let id = made["id"].as_str().ok_or_else(|| format!("a channel without an id: {made}"))?;
        for more in parts {
            self.ask(&format!("/api/channels/{id}/members"), &json!({ "userIds": more }))?;
        }
        Ok(id.to_owned())
    }

    fn ask(&self, path: &str, body: &Value) -> Outcome<Value> {
        http::call(self.address, "POST", path, &token_of(&user(0)), body)
    }
}

/// The path of a `SQLite` database.
fn path_of(url: &str) -> &Path {
    Path::new(url.trim_start_matches("sqlite://"))
}
