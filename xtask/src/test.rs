//! Everything CI runs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::tools::{
    Outcome, TempDir, cargo, ensure_cargo_deny, ensure_databases, ensure_node, ensure_python, output, root,
    run, say,
};

/// One part of the tests.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    run: fn() -> Outcome,
}

/// All parts, the quick ones first.
pub(crate) const PARTS: &[Part] = &[
    Part { name: "fmt", what: "rustfmt has nothing to change", run: fmt },
    Part { name: "embed", what: "the rules alone need neither runtime, clock nor I/O", run: embed },
    Part { name: "deny", what: "licences, sources and duplicates of dependencies", run: deny },
    Part { name: "clippy", what: "no warnings, in any target and feature", run: clippy },
    Part { name: "docs", what: "the documentation builds without warnings", run: docs },
    Part { name: "release", what: "guild and Center build as they are installed", run: release },
    Part { name: "unit", what: "unit, property, scenario, contract and integration tests", run: unit },
    Part { name: "e2e", what: "the release binaries against the npm socket.io-client", run: e2e },
    Part { name: "python", what: "the release binaries against python-socketio", run: python },
    Part {
        name: "conversation",
        what: "the demo agents of the release binary discuss until the channel pauses",
        run: conversation,
    },
    Part { name: "fuzz", what: "a minute of inputs that nobody would think of", run: crate::fuzz::run_all },
];

/// Runs the named parts, or all.
pub(crate) fn run_parts(names: &[String]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| PARTS.iter().all(|part| part.name != name.as_str())) {
        return Err(format!("there is no part {unknown:?}"));
    }
    let wanted = PARTS.iter().filter(|part| names.is_empty() || names.iter().any(|name| name == part.name));
    let mut done = Vec::new();
    for part in wanted {
        say(&format!("\n== {}: {}", part.name, part.what));
        let started = Instant::now();
        (part.run)().map_err(|problem| format!("{} failed: {problem}", part.name))?;
        done.push(format!("{:<14}{:>5} s", part.name, started.elapsed().as_secs()));
    }
    say("\nAll parts passed:");
    for line in done {
        say(&format!("  {line}"));
    }
    Ok(())
}

fn fmt() -> Outcome {
    run(&mut cargo(&["fmt", "--all", "--check"]))
}

/// Crates that the rules may stand on.
const EMBEDDABLE: &[&str] = &[
    "fabric-domain",
    "serde",
    "serde_core",
    "serde_derive",
    "thiserror",
    "thiserror-impl",
    "rand_chacha",
    "rand_core",
    "ppv-lite86",
    "zerocopy",
    "zerocopy-derive",
    "proc-macro2",
    "quote",
    "syn",
    "unicode-ident",
    "unicode-normalization",
    "tinyvec",
    "tinyvec_macros",
    "unicode-segmentation",
];

fn embed() -> Outcome {
    let args = [
        "tree",
        "--package",
        "fabric-domain",
        "--no-default-features",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ];
    let tree = output(&mut cargo(&args))?;
    let strangers: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !EMBEDDABLE.contains(name))
        .collect();
    if !strangers.is_empty() {
        return Err(format!("the rules depend on {}", strangers.join(", ")));
    }
    run(&mut cargo(&["check", "--quiet", "--package", "fabric-domain", "--no-default-features"]))
}

/// Advisories need a database from the internet, and so a command of their own (CONTRIBUTING.md).
fn deny() -> Outcome {
    ensure_cargo_deny()?;
    run(&mut cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"]))
}

fn clippy() -> Outcome {
    run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"]))
}

fn docs() -> Outcome {
    let mut command = cargo(&["doc", "--workspace", "--all-features", "--no-deps"]);
    run(command.env("RUSTDOCFLAGS", "--deny warnings"))
}

fn unit() -> Outcome {
    ensure_databases()?;
    // All that fails is told in one run.
    run(&mut cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]))
}

/// What people install, built as they build it: from outside it is these binaries that are tested.
fn release() -> Outcome {
    run(&mut cargo(&["build", "--release", "--locked", "-p", "fabric-guild-server", "-p", "fabric-center"]))
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

/// The guild's; Center's is beside it.
fn release_binary() -> PathBuf {
    target().join("release").join("fabric-guild-server")
}

fn e2e() -> Outcome {
    ensure_node()?;
    release()?;
    let folder = root().join("e2e");
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    run(Command::new("node")
        .args(["--test", "--test-concurrency=3", "--test-reporter=spec", "tests/"])
        .env("FABRIC_GUILD_SERVER_BIN", release_binary())
        .current_dir(&folder))
}

fn python() -> Outcome {
    let folder = root().join("e2e").join("python");
    let python = ensure_python(&target().join("e2e-venv"), &folder.join("requirements.txt"))?;
    release()?;
    run(Command::new(python)
        .args(["-B", "-m", "unittest", "discover", "--verbose"])
        .env("FABRIC_GUILD_SERVER_BIN", release_binary())
        .current_dir(&folder))
}

fn conversation() -> Outcome {
    release()?;
    let folder = TempDir::new("conversation")?;
    let say_once = |text: &str| {
        let mut command = Command::new(release_binary());
        command.arg("dev").arg("--data-dir").arg(folder.path());
        run(command.args(["--center-port", "0", "--guild-port", "0", "--say", text]))
    };
    say_once("What should we build first?")?;
    // The same data once more: what was there is found again.
    say_once("<@user.name:Mira> and what comes second?")
}
