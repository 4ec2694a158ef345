//! The tables of the report and what stands in them.

use crate::judge::report::{Quantity, Table};

pub(in crate::judge) const POSTS: Table =
    Table { title: "Durable posts in one channel, nobody listening", of: "posting at a time" };
pub(in crate::judge) const POSTS_PER_SECOND: Quantity = Quantity::new("posts/s", 0);
pub(in crate::judge) const CPU_PER_POST: Quantity = Quantity::new("CPU µs a post", 0);

pub(in crate::judge) const FAN_OUT: Table =
    Table { title: "Fan-out: every post goes to every socket of its channel", of: "sockets" };
pub(in crate::judge) const ONE: Quantity = Quantity::new("deliveries/s, 1 in flight", 0);
pub(in crate::judge) const EIGHT: Quantity = Quantity::new("deliveries/s, 8 in flight", 0);
pub(in crate::judge) const ONE_CPU: Quantity = Quantity::new("CPU µs a delivery, 1", 2);
pub(in crate::judge) const EIGHT_CPU: Quantity = Quantity::new("CPU µs a delivery, 8", 2);
/// CPU time of the generator itself for a delivery: where it is more than the target's, it was what was measured.
pub(in crate::judge) const GENERATOR: Quantity = Quantity::new("generator's", 2);
pub(in crate::judge) const MEDIAN: Quantity = Quantity::new("p50 ms", 2);
pub(in crate::judge) const SLOWEST: Quantity = Quantity::new("p99 ms", 2);
pub(in crate::judge) const MEMORY: Quantity = Quantity::new("KiB an idle socket", 1);
pub(in crate::judge) const FRAME: Quantity = Quantity::new("bytes a frame", 0);

pub(in crate::judge) const STORM: Table =
    Table { title: "Connecting, and everybody coming back at once", of: "sockets" };
pub(in crate::judge) const CONNECTS: Quantity = Quantity::new("joined/s, 64 at a time", 0);
pub(in crate::judge) const CONNECT_CPU: Quantity = Quantity::new("CPU µs each", 0);
pub(in crate::judge) const BACK: Quantity = Quantity::new("all back after ms", 0);

pub(in crate::judge) const START: Table = Table { title: "Starting, and doing nothing", of: "database" };
/// The only case of [`START`].
pub(in crate::judge) const EXISTING: &str = "a small one";
pub(in crate::judge) const READY: Quantity = Quantity::new("ms until ready", 0);
pub(in crate::judge) const RESIDENT: Quantity = Quantity::new("MiB when idle", 1);

pub(in crate::judge) const MEMBERS: Table =
    Table { title: "Posts in a large channel of whose members ten are connected", of: "channel" };
