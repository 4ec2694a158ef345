//! Finding and running installed programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a program is. Servers are often outside of `PATH`.
pub(super) fn find(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    // The newest version last.
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.into_iter().map(|folder| folder.join(name)).find(|program| program.is_file()).unwrap_or_else(
        || panic!("{name} is not installed: please install {package}, or run `cargo xtask test`"),
    )
}

/// Runs a program to its successful end; answers what it says.
pub(super) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the program can be run");
    assert!(
        output.status.success(),
        "{} ended with {}:\n{}{}",
        command.get_program().display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The user and group that run this test binary, or a number of another user.
pub(super) fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(args).stdin(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// Whether this test binary runs as root.
pub(super) fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

/// A folder's path as an argument.
pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path in UTF-8")
}
