//! Which system calls a post takes, as `strace` counts them.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::{CONTENT, WRITERS, number, tokens};
use crate::judge::generator::{Generator, Load};
use crate::judge::targets::Running;
use crate::{Outcome, say};

/// `strace` takes a moment until it has every thread.
const ATTACHING: Duration = Duration::from_millis(500);
/// How long posts are counted; each takes several times as long as without being watched.
const COUNTED: Duration = Duration::from_secs(3);
/// Calls that are rarer than so many a post are left out.
const RARE: f64 = 0.05;

/// Prints the calls a post, the most frequent first.
pub(in crate::judge) fn system_calls(name: &str, running: &Running, posters: usize) -> Outcome {
    let mut generator = Generator::new(running.address, CONTENT)?;
    generator.channel(&running.channel(WRITERS)?);
    generator.posters(posters, &tokens(WRITERS))?;
    generator.play(Load::InFlight(posters), ATTACHING)?;

    let failed = |error: std::io::Error| format!("strace: {error}");
    let strace = Command::new("strace")
        .args(["-c", "-f", "-p", &running.program.id().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let before = generator.play(Load::InFlight(posters), ATTACHING)?;
    let count = generator.play(Load::InFlight(posters), COUNTED)?;
    // It prints its table when it is interrupted.
    let interrupt = Command::new("kill").args(["-s", "INT", &strace.id().to_string()]).status();
    interrupt.map_err(failed)?;
    let output = strace.wait_with_output().map_err(failed)?;
    generator.settle()?;

    let posts = number(before.posts + count.posts);
    let calls = calls(&String::from_utf8_lossy(&output.stderr));
    let told: Vec<_> = calls
        .iter()
        .map(|(call, calls)| (call, number(*calls) / posts))
        .filter(|(_, each)| *each >= RARE)
        .map(|(call, each)| format!("{call} {each:.2}"))
        .collect();
    let all = number(calls.iter().map(|(_, calls)| calls).sum()) / posts;
    say(&format!("{name}, {posters} posting: {all:.1} system calls a post: {}", told.join(", ")));
    Ok(())
}

/// Calls by name, the most frequent first, of `strace -c`'s table.
fn calls(table: &str) -> Vec<(String, u64)> {
    let row = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (first, name) = (fields.first()?, fields.last()?);
        first.parse::<f64>().ok()?;
        (*name != "total").then(|| Some(((*name).to_owned(), fields.get(3)?.parse().ok()?)))?
    };
    let mut calls: Vec<_> = table.lines().filter_map(row).collect();
    calls.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
    calls
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_of_strace_is_read_with_and_without_errors() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
             ------ ----------- ----------- --------- --------- ----------------\n\
             60.00    0.000600           6       100        12 futex\n\
             40.00    0.000400           1       400           write\n\
             ------ ----------- ----------- --------- --------- ----------------\n\
             100.00    0.001000           2       500        12 total\n";
        assert_eq!(super::calls(table), [("write".to_owned(), 400), ("futex".to_owned(), 100)]);
    }
}
