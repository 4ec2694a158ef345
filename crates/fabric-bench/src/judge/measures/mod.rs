//! What is measured.

mod fan_out;
mod posts;
pub(super) mod quantities;
mod start;
mod storm;
mod system_calls;

use std::time::Duration;

use super::FRAME;
use super::generator::{Generator, Load, Seat};
use super::people::{MOST_USERS, token_of, user};
use super::report::{Book, Key, Quantity, Table};
use super::targets::Running;
use crate::{Outcome, say};

pub(super) use fan_out::fan_out;
pub(super) use posts::{Posting, WRITERS, posts};
pub(super) use start::start;
pub(super) use storm::storm;
pub(super) use system_calls::system_calls;

/// Characters of a message of an ordinary length.
const CONTENT: usize = 100;

/// How long a stretch of a measurement takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Before anything is counted.
    pub(super) warm: Duration,
    /// While it is counted.
    pub(super) counted: Duration,
}

/// Where the numbers of one target in one case go: into the book, and to the terminal.
pub(super) struct Notes<'a> {
    book: &'a mut Book,
    table: Table,
    case: String,
    target: String,
    line: Vec<String>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(book: &'a mut Book, table: Table, case: String, target: &str) -> Self {
        Self { book, table, case, target: target.to_owned(), line: Vec::new() }
    }

    fn put(&mut self, quantity: Quantity, value: f64) {
        self.line.push(format!("{} {value:.*}", quantity.name, quantity.digits));
        let key = Key { table: self.table, case: self.case.clone(), target: self.target.clone(), quantity };
        self.book.note(key, value);
    }

    /// Tells the numbers, or why there are none.
    pub(super) fn close(self, outcome: Outcome) {
        let about = format!("{}, {}: {}", self.target, self.table.of, self.case);
        match outcome {
            Ok(()) => say(&format!("{about}: {}", self.line.join(", "))),
            Err(problem) => {
                say(&format!("{about}: FAILED: {problem}"));
                let problem = problem.lines().next().unwrap_or_default();
                self.book.failures.push(format!("{about}: {problem}"));
            }
        }
    }
}

/// Sockets of the first users in turn; each user sits in one of these channels.
fn seats(sockets: usize, channels: &[String]) -> impl Iterator<Item = Seat> {
    let users = sockets.min(MOST_USERS);
    (0..sockets).map(move |number| Seat {
        token: token_of(&user(number % users)),
        channel: channels[number % users % channels.len()].clone(),
    })
}

fn tokens(count: usize) -> Vec<String> {
    (0..count).map(|number| token_of(&user(number))).collect()
}

/// Content of so many characters makes a frame of [`FRAME`] bytes at this target.
fn content_length(running: &Running) -> Outcome<usize> {
    const TRIED: usize = 64;
    let mut probe = Generator::new(running.address, TRIED)?;
    let channel = running.channel(2)?;
    probe.channel(&channel);
    probe.posters(1, &tokens(1))?;
    // The second user is woken, as nearly everybody will be.
    probe.connect([Seat { token: token_of(&user(1)), channel }], 1)?;
    let count = probe.play(Load::InFlight(1), Duration::from_millis(100))?;
    probe.settle()?;
    let each = usize::try_from(count.bytes / count.deliveries.max(1)).unwrap_or(FRAME);
    Ok((TRIED + FRAME).saturating_sub(each))
}

/// A count as a number to divide.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}
