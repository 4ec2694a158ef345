//! A program of its own on a core of its own, watched from outside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Outcome, ensure, process};

/// The core of whatever is measured.
pub(super) const MEASURED: usize = 0;
/// The core of the generator and of all that a target needs besides itself: Center, a database server.
pub(super) const OTHER: usize = 1;
/// Sockets and other files that a process here may have.
const FILES: usize = 65_536;
/// How willingly the judge and its targets give way: hardly.
const NICENESS: &str = "-15";
/// How long a program may take to end by itself.
const ENDING: Duration = Duration::from_secs(20);

/// Whether there are cores to share out. With one, everything runs where it can.
fn can_pin() -> bool {
    static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from)) > OTHER
}

/// Moves this process, and the threads and programs that it will start, to a core; lets it have many sockets; and
/// puts it before what else runs on this machine, until the answer is dropped. What is not allowed is left out.
pub(super) fn settle_self(core: usize) -> Outcome<Haste> {
    let own = std::process::id().to_string();
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output();
        output.map_err(|error| format!("{program}: {error}")).map(|output| output.status.success())
    };
    run("prlimit", &["--pid", &own, &format!("--nofile={FILES}:{FILES}")])?;
    run("renice", &["-n", NICENESS, "-p", &own])?;
    if can_pin() {
        let is_moved = run("taskset", &["-cp", &core.to_string(), &own])?;
        ensure!(is_moved, "taskset could not move this process");
    }
    Ok(Haste::begin())
}

/// The whole session's place among the sessions of the machine: niceness counts only within one.
pub(super) struct Haste;

impl Haste {
    const FILE: &str = "/proc/self/autogroup";

    fn begin() -> Self {
        // Not every kernel has it, and not everybody may.
        let _ = std::fs::write(Self::FILE, NICENESS);
        Self
    }
}

impl Drop for Haste {
    fn drop(&mut self) {
        // As above.
        let _ = std::fs::write(Self::FILE, "0");
    }
}

/// Does nothing for so long. The judge has nothing else to do then, and nobody tells it what it waits for.
#[expect(clippy::disallowed_methods, reason = "no runtime here whose worker could be blocked")]
pub(super) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// CPU time of this process so far, in seconds.
pub(super) fn own_cpu() -> Outcome<f64> {
    cpu(std::process::id())
}

fn cpu(process: u32) -> Outcome<f64> {
    process::cpu_of(process).map(|time| time.as_secs_f64()).ok_or_else(|| "no CPU time".to_owned())
}

/// A program to be run on a core; it ends with this process, however that ends.
pub(super) fn command(core: usize, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    if can_pin() {
        command.args(["taskset", "-c", &core.to_string()]);
    }
    command.arg(program);
    command
}

/// A running program; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it; what it says goes into a file of that folder.
    pub(super) fn start(command: &mut Command, folder: &Path, name: &str) -> Outcome<Self> {
        let failed = |error: std::io::Error| format!("{name} cannot be started: {error}");
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).map_err(failed)?;
        command.stdin(Stdio::null()).stdout(file.try_clone().map_err(failed)?).stderr(file);
        let child = command.spawn().map_err(failed)?;
        Ok(Self { child, log })
    }

    /// Fails if it has ended.
    pub(super) fn still_runs(&mut self) -> Outcome {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(format!("a program ended early:\n{}", self.says())),
        }
    }

    /// What it has said.
    pub(super) fn says(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// CPU time so far, of all its threads, in seconds.
    pub(super) fn cpu(&self) -> Outcome<f64> {
        cpu(self.child.id())
    }

    /// Resident memory in bytes.
    pub(super) fn resident(&self) -> Outcome<u64> {
        process::resident_of(&self.child.id().to_string()).ok_or_else(|| "no memory".to_owned())
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn end(mut self) -> Outcome {
        signal(self.child.id(), "TERM")?;
        let until = Instant::now() + ENDING;
        while Instant::now() < until {
            if self.child.try_wait().map_err(|error| error.to_string())?.is_some() {
                return Ok(());
            }
            pause(Duration::from_millis(10));
        }
        Err("a program does not end".into())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already, if it fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(process: u32, signal: &str) -> Outcome {
    let status = Command::new("kill").args(["-s", signal, &process.to_string()]).status();
    status.map(drop).map_err(|error| format!("kill: {error}"))
}
