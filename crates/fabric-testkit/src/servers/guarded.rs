//! A program and its guardian.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::Mutex;

/// How long a program may take to be ready.
const READY: Duration = Duration::from_mins(2);
/// How much of what it says is kept.
const LOG_BYTES: usize = 1_000_000;

/// Starts the program, waits until nobody holds the other end of its standard input, ends the program and
/// removes the folder. Signals of the terminal are for the test binary, whose end is the guardian's cue.
const GUARDIAN: &str = r#"
trap '' INT TERM HUP
folder=$1 signal=$2
shift 2
"$@" </dev/null 2>&1 &
program=$!
read -r asked
kill -s "${asked:-$signal}" "$program"
wait "$program"
code=$?
[ -z "$folder" ] || rm -rf -- "$folder"
exit "$code"
"#;

/// A running program that ends when this is dropped, and also when the test binary does, however it does.
#[derive(Debug)]
pub struct Guarded {
    guardian: Child,
    leash: Option<ChildStdin>,
    ready: String,
    log: Arc<Mutex<String>>,
}

impl Guarded {
    /// Starts a program and waits until it says, in any line of its output, that it is `ready`. `signal` ends
    /// it, and then its folder is removed, if there is one.
    pub fn start(command: &Command, signal: &str, folder: Option<&Path>, ready: &'static str) -> Self {
        let mut guardian = Command::new("/bin/sh");
        guardian.args(["-c", GUARDIAN, "guardian"]).arg(folder.unwrap_or(Path::new(""))).arg(signal);
        guardian.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guardian.env(name, value),
                None => guardian.env_remove(name),
            };
        }
        guardian.current_dir(command.get_current_dir().unwrap_or(Path::new("/")));
        guardian.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut guardian = guardian.spawn().expect("a shell");
        let leash = guardian.stdin.take();
        let says = guardian.stdout.take().expect("a pipe");
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, told) = mpsc::channel();
        let heard = Arc::clone(&log);
        // Reads on after the program is ready, so that it never waits for us.
        std::thread::spawn(move || {
            for line in BufReader::new(says).lines().map_while(Result::ok) {
                if line.contains(ready) {
                    // Nobody may be waiting any more.
                    let _ = tell.send(line.clone());
                }
                let mut log = heard.lock();
                if log.len() < LOG_BYTES {
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        // From here on it is ended by its drop.
        let mut guarded = Self { guardian, leash, ready: String::new(), log };
        match told.recv_timeout(READY) {
            Ok(line) => guarded.ready = line,
            Err(error) => {
                let program = command.get_program().display();
                panic!("{program} is not ready ({error}):\n{}", guarded.log())
            }
        }
        guarded
    }

    /// The line that said that it is ready.
    pub fn ready_line(&self) -> &str {
        &self.ready
    }

    /// Ends it by this signal instead, and waits until it has ended: its exit code, more than 128 where a signal
    /// ended it.
    pub fn end(mut self, signal: &str) -> Option<i32> {
        if let Some(mut leash) = self.leash.take() {
            leash.write_all(format!("{signal}\n").as_bytes()).expect("the guardian listens");
        }
        self.guardian.wait().expect("the guardian ends").code()
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.log.lock().clone()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            // It fails when the guardian is gone, and then there is nothing to end.
            let _ = leash.write_all(b"\n");
        }
        let _ = self.guardian.wait();
    }
}

/// A temporary folder that is the guardian's to remove.
pub(super) fn folder(kind: &str) -> PathBuf {
    let name = format!("fabric-{kind}-{}-{}", std::process::id(), super::fresh_name());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).expect("a new temporary folder");
    folder
}
