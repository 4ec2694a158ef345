//! Load and trouble for the realtime side of a guild: a stress runner that checks itself, a load generator
//! that measures, and benchmarks of the rules.
//!
//! - [`world`]: a guild in this process: the real server on loopback, with a store and a Center that a
//!   scenario can move.
//! - [`client`]: clients of it. [`client::Peer`] behaves; [`client::Wire`] does whatever it is told to.
//! - [`stress`]: scenarios. Each asserts what a user would notice, and its seed repeats it.
//! - [`size`]: the same questions to guilds of very different sizes, and how long a guild takes to move.
//! - [`load`]: measurements, meant to be compared with each other within one run on one machine. They are
//!   never assertions.
//!
//! Everything stays on loopback and ends by itself.

pub mod client;
pub mod load;
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
