//! The built program: JSON on stdout, errors on stderr, exit 2 for wrong usage.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn command(dir: &Path) -> Command {
    in_folder(Command::new(env!("CARGO_BIN_EXE_fabric-center")), dir)
}

/// The command, with its Center's data in this folder.
fn in_folder(mut command: Command, dir: &Path) -> Command {
    command.current_dir(dir).env("FABRIC_BACKEND_CENTER_DB_URL", "sqlite://center.db");
    command
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    command(dir).args(arguments).output().unwrap()
}

fn json(dir: &Path, arguments: &[&str]) -> Value {
    let output = run(dir, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exit code, after checking that the reason is on stderr and nothing on stdout.
fn fails(dir: &Path, arguments: &[&str]) -> i32 {
    let output = run(dir, arguments);
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(!output.stderr.is_empty(), "{output:?}");
    output.status.code().unwrap()
}

#[test]
fn an_operator_sets_up_users_keys_admin_and_nodes() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let password = "correct horse battery";
    let ada =
        json(d, &["user", "create", "--email", "Ada@example.org", "--password", password, "--name", "Ada"]);
    assert_eq!(ada["name"], "Ada");
    json(d, &["user", "create", "--email", "bot@example.org", "--password", password]);

    let key = json(d, &["user", "apikey", "--email", "BOT@example.org", "--label", "laptop"]);
    assert!(key["apiKey"].as_str().unwrap().starts_with("fak_"));
    assert_eq!(json(d, &["user", "show-admin"]), Value::Null);
    assert_eq!(json(d, &["user", "set-admin", "--email", "ada@example.org"])["userId"], ada["id"]);
    assert_eq!(json(d, &["user", "show-admin"])["email"], "Ada@example.org");

    let users = json(d, &["user", "list"]);
    assert_eq!((&users[0]["admin"], &users[1]["kind"]), (&Value::Bool(true), &Value::from("agent")));
    assert_eq!(json(d, &["user", "revoke-apikey", "--email", "bot@example.org"])["revoked"], 1);
    assert_eq!(json(d, &["user", "clear-admin"])["cleared"], true);
    assert_eq!(json(d, &["user", "disable", "--email", "bot@example.org"])["disabled"], true);

    let register =
        ["node", "register", "--node-id", "north", "--name", "N", "--endpoint", "http://localhost:7002"];
    let first = json(d, &register);
    assert!(first["apiKey"].as_str().unwrap().starts_with("fnk_"));
    assert!(json(d, &register).get("apiKey").is_none());
    let rotated = json(d, &["node", "rotate-key", "--node-id", "north"]);
    assert_ne!(rotated["apiKey"], first["apiKey"]);
    assert_eq!(json(d, &["node", "list"])[0]["nodeId"], "north");
}

#[test]
fn wrong_usage_exits_2_and_a_refusal_1() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    assert_eq!(fails(d, &[]), 2);
    assert_eq!(fails(d, &["user", "create"]), 2);
    assert_eq!(fails(d, &["user", "create", "--email", "nonsense", "--password", "long enough"]), 2);
    assert_eq!(fails(d, &["user", "create", "--email", "a@b.example", "--password", "short"]), 2);
    assert_eq!(fails(d, &["node", "register", "--node-id", "a b", "--name", "n", "--endpoint", "x"]), 2);
    assert_eq!(fails(d, &["user", "set-admin", "--email", "nobody@example.org"]), 1);
    assert_eq!(fails(d, &["user", "revoke-apikey", "--email", "nobody@example.org"]), 1);
    assert_eq!(fails(d, &["node", "rotate-key", "--node-id", "none"]), 1);
    assert_eq!(fails(d, &["--db-url", "sqlite:///no/such/folder/center.db", "user", "list"]), 1);
    assert_eq!(fails(d, &["--db-url", "redis://x", "user", "list"]), 1);
    assert_eq!(fails(d, &["--config", "missing.toml", "user", "list"]), 1);
}

#[test]
fn serve_listens_says_where_and_stops_when_told() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("fabric-center.toml"), "port = 0\nbind = \"127.0.0.1\"\n").unwrap();
    let mut child = command(dir.path())
        .arg("serve")
        .env("FABRIC_BACKEND_CENTER_LOG_FORMAT", "json")
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line: Value =
            serde_json::from_str(&lines.next().expect("it says where it listens").unwrap()).unwrap();
        if let Some(address) = line["fields"]["address"].as_str() {
            break address.to_owned();
        }
    };
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let port = address.rsplit(':').next().unwrap();
    let is_healthy =
        || command(dir.path()).arg("healthcheck").env("FABRIC_BACKEND_CENTER_PORT", port).output().unwrap();
    assert!(is_healthy().status.success(), "{:?}", is_healthy());
    let terminated = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(terminated.success());
    assert!(child.wait().unwrap().success(), "an orderly stop is no failure");
    assert_eq!(is_healthy().status.code(), Some(1), "nobody answers any more");
}

/// A node's key as a file has it, and its permissions.
fn kept(file: &Path) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn a_key_file_holds_the_nodes_key_whatever_it_held_before() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let file = d.join("key");
    let register = |id: &str| {
        let arguments =
            ["node", "register", "--node-id", id, "--name", "N", "--endpoint", "http://localhost:7002"];
        let node = json(d, &[&arguments[..], &["--key-file", file.to_str().unwrap()]].concat());
        assert_eq!((&node["nodeId"], node.get("apiKey")), (&Value::from(id), None), "it is in the file");
        kept(&file)
    };
    let first = register("north");
    assert!(first.starts_with("fnk_"), "{first}");
    assert_eq!(register("north"), first, "a valid key stays");

    std::fs::remove_file(&file).unwrap();
    let second = register("north");
    assert_ne!(second, first, "Center cannot tell the lost one");
    json(d, &["node", "rotate-key", "--node-id", "north"]);
    let third = register("north");
    assert_ne!(third, second, "that one has ended");
    assert_ne!(register("south"), third, "another node's key is not this one's");
}

#[test]
fn the_set_up_of_a_container_makes_what_a_guild_needs_once() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker/setup.sh");
    let programs = Path::new(env!("CARGO_BIN_EXE_fabric-center")).parent().unwrap();
    let path = std::env::join_paths(
        [programs.to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let secrets = d.join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    let set_up = || {
        let output = in_folder(Command::new("sh"), d)
            .arg(&script)
            .args(["north", "http://localhost:7002"])
            .arg(&secrets)
            .env("PATH", path.as_ref().unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        ["center-api-key", "commands-sync-key"].map(|name| kept(&secrets.join(name)))
    };
    let first = set_up();
    assert!(first[0].starts_with("fnk_") && first[1].trim().len() == 44, "{first:?}");
    assert_eq!(set_up(), first, "at the next start they stay");
    assert_eq!(json(d, &["node", "list"])[0]["endpoint"], "http://localhost:7002");
}

#[test]
fn commands_at_the_same_time_do_not_get_into_each_others_way() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let password = "correct horse battery";
    let children: Vec<_> = (0..8)
        .map(|n| {
            let email = format!("user{n}@example.org");
            let create = ["user", "create", "--email", &email, "--password", password];
            command(d).args(create).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(json(d, &["user", "list"]).as_array().unwrap().len(), 8);
}
