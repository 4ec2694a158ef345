//! Load and trouble for the realtime side of a guild: a stress runner that checks itself, a judge that measures
//! servers from outside, and benchmarks of the rules.
//!
//! - [`world`]: a guild in this process: the real server on loopback, with a store and a Center that a
//!   scenario can move.
//! - [`client`]: clients of it. [`client::Peer`] behaves; [`client::Wire`] does whatever it is told to.
//! - [`stress`]: scenarios. Each asserts what a user would notice, and its seed repeats it.
//! - [`size`]: the same questions to guilds of very different sizes, and how long a guild takes to move.
//! - [`judge`]: our servers and others', driven over real sockets from outside. Its numbers are compared with
//!   each other within one run on one machine, and are never assertions.
//!
//! Everything stays on loopback and ends by itself.

pub mod client;
pub mod judge;
pub mod logs;
pub mod process;
pub mod rng;
pub mod size;
pub mod stress;
pub mod world;

/// What went wrong, for the person at the terminal.
pub type Outcome<T = ()> = Result<T, String>;

/// Returns an error unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        let holds: bool = $condition;
        if !holds {
            return Err(format!($($what)+));
        }
    };
}
pub(crate) use ensure;

/// One line for the terminal.
#[expect(clippy::print_stdout, reason = "this is a program for the terminal")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// A time in milliseconds.
pub(crate) fn millis(time: std::time::Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// A ratio.
pub(crate) fn times(ratio: f64) -> String {
    format!("{ratio:.2} ×")
}

/// A large number with its thousands apart.
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_stand_apart() {
        let texts = [0.4, 12.0, 999.6, 1_234_567.0].map(super::whole);
        assert_eq!(texts, ["0", "12", "1,000", "1,234,567"]);
    }
}
