//! `MariaDB`.

use std::process::Command;

use super::guarded::{Guarded, folder};
use super::programs::{find, is_root, run, text};
use super::{Database, free_port, fresh_name};

const PACKAGE: &str = "mariadb-server";

/// A private `MariaDB` server.
#[derive(Debug)]
pub struct MariaDb {
    port: u16,
    _server: Guarded,
}

impl MariaDb {
    /// Starts one that need not survive a power cut.
    pub fn start() -> Self {
        Self::with("--innodb-flush-log-at-trx-commit=2")
    }

    /// Starts one that keeps what it commits, as an operator would have it.
    pub fn durable() -> Self {
        Self::with("--innodb-flush-log-at-trx-commit=1")
    }

    fn with(durability: &str) -> Self {
        let folder = folder("mariadb");
        let (data, init) = (folder.join("data"), folder.join("init.sql"));
        let data_dir = format!("--datadir={}", text(&data));
        let mut install = Command::new(find("mariadb-install-db", PACKAGE));
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.arg(&data_dir);
        if is_root() {
            install.arg("--user=root");
        }
        run(&mut install);
        std::fs::write(&init, "CREATE USER 'fabric'@'%';\nGRANT ALL ON *.* TO 'fabric'@'%';\n")
            .expect("a file in our folder");

        let port = free_port();
        let mut server = Command::new(find("mariadbd", PACKAGE));
        // The defaults of the program, not of the distribution: among them a character set that cannot hold
        // what we store, so that our tables have to say theirs.
        server.arg("--no-defaults").arg(&data_dir).args([
            format!("--init-file={}", text(&init)),
            format!("--socket={}", text(&folder.join("socket"))),
            format!("--pid-file={}", text(&folder.join("pid"))),
            format!("--port={port}"),
        ]);
        server.args([
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--max-connections=500",
            "--max-allowed-packet=64M",
            durability,
        ]);
        if is_root() {
            server.arg("--user=root");
        }
        // The line that says so names the port.
        let server = Guarded::start(&server, "KILL", Some(&folder), "port: ");
        Self { port, _server: server }
    }

    /// A fresh, empty database.
    pub fn database(&self) -> Database {
        let name = fresh_name();
        self.sql(&format!("CREATE DATABASE {name}"));
        Database { url: format!("mysql://fabric@127.0.0.1:{}/{name}", self.port), port: self.port }
    }

    /// Runs statements; answers the rows, tab-separated.
    pub fn sql(&self, statements: &str) -> String {
        let port = format!("--port={}", self.port);
        let mut client = Command::new(find("mariadb", PACKAGE));
        client.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--user=fabric", "--batch"]);
        run(client.args([&port, "--skip-column-names", "--execute", statements]))
    }
}
