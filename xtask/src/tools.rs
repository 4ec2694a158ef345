//! Running other programs, and getting them when they are missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What went wrong, for the person at the terminal.
pub(crate) type Outcome = Result<(), String>;

/// The oldest Node.js on which the tests run.
const NODE_MAJOR: u32 = 20;
const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";

#[expect(clippy::print_stdout, reason = "this is a program for the terminal")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// The cargo that runs us.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

/// Runs a command to its successful end.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let shown = describe(command);
    say(&format!("$ {shown}"));
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("`{shown}` cannot be run: {error}")),
    }
}

/// What a command prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = describe(command);
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("`{shown}` cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "`{shown}` ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn describe(command: &Command) -> String {
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ")
}

fn is_there(program: &str, probe: &str) -> bool {
    output(Command::new(program).arg(probe)).is_ok()
}

/// Installs cargo-deny when it is missing.
pub(crate) fn ensure_cargo_deny() -> Outcome {
    if output(&mut cargo(&["deny", "--version"])).is_ok() {
        return Ok(());
    }
    // Without default features it needs no TLS of its own: it only reads what is on this machine.
    let version = format!("cargo-deny@{CARGO_DENY}");
    run(&mut cargo(&["install", "--locked", "--no-default-features", &version]))
}

/// Installs cargo-fuzz when it is missing, and the nightly toolchain that it needs.
pub(crate) fn ensure_cargo_fuzz() -> Outcome {
    if output(Command::new("cargo").args(["+nightly", "--version"])).is_err() {
        run(Command::new("rustup").args(["toolchain", "install", "nightly", "--profile", "minimal"]))
            .map_err(|problem| format!("a nightly toolchain is needed for fuzzing: {problem}"))?;
    }
    if output(&mut cargo(&["fuzz", "--version"])).is_ok() {
        return Ok(());
    }
    run(&mut cargo(&["install", "--locked", &format!("cargo-fuzz@{CARGO_FUZZ}")]))
}

/// Node.js with npm: installed from Debian's packages when missing and we may.
pub(crate) fn ensure_node() -> Outcome {
    if !is_there("node", "--version") || !is_there("npm", "--version") {
        install_debian_packages(&["nodejs", "npm"])?;
    }
    let version = output(Command::new("node").arg("--version"))?;
    let major =
        version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= NODE_MAJOR => Ok(()),
        _ => Err(format!("Node.js {NODE_MAJOR} or newer is needed, this is {}", version.trim())),
    }
}

/// An interpreter that has these requirements, in an environment of its own. Python itself is installed from
/// Debian's packages when missing and we may.
pub(crate) fn ensure_python(environment: &Path, requirements: &Path) -> Result<PathBuf, String> {
    if output(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_err() {
        install_debian_packages(&["python3", "python3-venv"])?;
    }
    let python = environment.join("bin").join("python");
    if output(Command::new(&python).args(["-m", "pip", "--version"])).is_err() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment))?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&python).args(install).arg(requirements))?;
    Ok(python)
}

/// `MariaDB` and `PostgreSQL`, of which the tests start servers of their own: installed from Debian's packages
/// when missing and we may.
pub(crate) fn ensure_databases() -> Outcome {
    let mut missing = Vec::new();
    let programs = ["mariadbd", "mariadb-install-db", "mariadb"];
    if !programs.iter().all(|program| is_installed(program)) {
        missing.push("mariadb-server");
    }
    if !["initdb", "postgres", "psql"].iter().all(|program| is_installed(program)) {
        missing.push("postgresql");
    }
    if missing.is_empty() { Ok(()) } else { install_debian_packages(&missing) }
}

/// Another installation, and a mirror that fails once, are waited for.
const APT_PATIENCE: [&str; 4] = ["-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"];

/// Whether a program is there, in `PATH` or where Debian keeps servers.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .chain(versions.map(|version| version.path().join("bin")))
        .any(|folder| folder.join(program).is_file())
}

fn install_debian_packages(packages: &[&str]) -> Outcome {
    let by_hand = format!("please install: {}", packages.join(" "));
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root || !is_there("apt-get", "--version") {
        return Err(by_hand);
    }
    let apt = |args: &[&str]| {
        run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(APT_PATIENCE).args(args))
    };
    apt(&["update", "-q"])?;
    apt(&[&["install", "-y", "-q", "--no-install-recommends"], packages].concat()).map_err(|_| by_hand)
}

/// A folder that goes when it is dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("fabric-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
