//! What the operating system says of processes. Only Linux tells; elsewhere the answers are `None`.

use std::time::Duration;

/// Length of one tick of `/proc/…/stat`: Linux counts 100 a second for programs, whatever the kernel's own.
const TICK: Duration = Duration::from_millis(10);

/// Resident memory in bytes.
pub fn resident() -> Option<u64> {
    resident_of("self")
}

/// Resident memory of another process in bytes.
pub fn resident_of(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// CPU time of another process so far, of all its threads, also those that have ended.
pub fn cpu_of(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    ticks(&stat).map(|ticks| TICK * ticks)
}

/// `pid (name) state …`: the name may hold anything, so what follows is counted from the last parenthesis.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// How many files this process may have open; sockets count as files.
pub fn open_files_limit() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "17 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(ticks(stat), Some(300));
    }

    #[test]
    fn linux_tells_memory_and_time() {
        if cfg!(target_os = "linux") {
            assert!(resident().is_some_and(|bytes| bytes > 100_000));
            assert!(cpu_of(std::process::id()).is_some() && open_files_limit().is_some());
        }
    }
}
