//! Scenarios that check themselves. Each asserts what a user would notice.

mod away;
mod churn;
mod crowd;
mod expiry;
mod growth;
mod heartbeat;
mod malformed;
mod moves;
mod order;
mod slow;
mod storm;
mod tabs;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use actix_socketio::Config as SocketConfig;
use futures_util::future::LocalBoxFuture;

use crate::logs::Logs;
use crate::rng::Rng;
use crate::world::{World, node_limits};
use crate::{Outcome, ensure, process, say};

pub use growth::steady;

/// How much a scenario does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As many sockets and messages as the scenario is about.
    Full,
    /// The same with fewer: all scenarios together take some seconds.
    Quick,
}

/// What happened, for the line that a scenario prints.
pub type Counts = Vec<(&'static str, usize)>;

/// Where a scenario plays.
#[derive(Debug)]
pub struct Stage {
    /// The guild.
    pub world: World,
    /// Every choice of the scenario.
    pub rng: Rng,
    /// What the server logs.
    pub logs: Logs,
    profile: Profile,
}

impl Stage {
    /// One number or the other.
    pub(crate) fn pick(&self, full: usize, quick: usize) -> usize {
        if self.profile == Profile::Full { full } else { quick }
    }

    /// So many users of the guild.
    pub(crate) fn users(&self, prefix: &str, count: usize) -> Vec<String> {
        let names: Vec<_> = (0..count).map(|number| format!("{prefix}{number}")).collect();
        for name in &names {
            self.world.user(name);
        }
        names
    }
}

type Play = for<'a> fn(&'a mut Stage) -> LocalBoxFuture<'a, Outcome<Counts>>;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Whether the guild's tasks must have ended when it is stopped, and not only with their runtime.
    ends_by_itself: bool,
    limits: fn() -> SocketConfig,
    play: Play,
}

impl Scenario {
    const fn new(name: &'static str, about: &'static str, play: Play) -> Self {
        Self { name, about, ends_by_itself: false, limits: node_limits, play }
    }

    const fn with_limits(self, limits: fn() -> SocketConfig) -> Self {
        Self { limits, ..self }
    }

    const fn ending_by_itself(self) -> Self {
        Self { ends_by_itself: true, ..self }
    }
}

/// Every scenario.
pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("fan-out", "every socket of a channel gets every message once", |stage| {
        Box::pin(crowd::run(stage))
    }),
    Scenario::new("order", "seq order for everybody while many post at once", |stage| {
        Box::pin(order::run(stage))
    }),
    Scenario::new("reconnect-storm", "all sockets drop at once and come back; nothing is lost", |stage| {
        Box::pin(storm::run(stage))
    }),
    Scenario::new("slow-client", "who stops reading is closed, with a reason, and alone", |stage| {
        Box::pin(slow::run(stage))
    }),
    Scenario::new("no-pong", "who does not answer pings is closed, and alone", |stage| {
        Box::pin(heartbeat::run(stage))
    })
    .with_limits(heartbeat::limits),
    Scenario::new(
        "malformed",
        "what is no packet closes its own socket, with one line in the log",
        |stage| Box::pin(malformed::run(stage)),
    )
    .with_limits(malformed::limits),
    Scenario::new(
        "duplicate-tabs",
        "every tab gets everything; the last one to leave goes offline",
        |stage| Box::pin(tabs::run(stage)),
    ),
    Scenario::new(
        "presence-flap",
        "however users come and go, the last that is told of them is true",
        |stage| Box::pin(tabs::flap(stage)),
    ),
    Scenario::new("too-many-tabs", "a user gets so many sockets and no more, even all at once", |stage| {
        Box::pin(tabs::too_many(stage))
    }),
    Scenario::new("token-expiry", "told, refreshed or disconnected, in the middle of a stream", |stage| {
        Box::pin(expiry::run(stage))
    }),
    Scenario::new("join-leave", "exactly the messages while joined, in order, none twice", |stage| {
        Box::pin(moves::run(stage))
    })
    .with_limits(moves::limits),
    Scenario::new("membership", "exactly the messages while a member, without joining", |stage| {
        Box::pin(moves::members(stage))
    }),
    Scenario::new("recovery", "back after a while: what was missed, and the wake that is owed", |stage| {
        Box::pin(away::run(stage))
    }),
    Scenario::new("long-absence", "back after more messages than a send queue holds", |stage| {
        Box::pin(away::long(stage))
    }),
    Scenario::new("many-channels", "back in all channels at once, with a little missed in each", |stage| {
        Box::pin(away::many(stage))
    }),
    Scenario::new("leaks", "sockets, rooms and memory are back where they were", |stage| {
        Box::pin(churn::run(stage))
    })
    .with_limits(churn::limits),
    Scenario::new("end", "a guild that is stopped lets go of its store", |stage| Box::pin(churn::end(stage)))
        .ending_by_itself(),
];

/// The scenario of this name.
pub fn find(name: &str) -> Outcome<&'static Scenario> {
    SCENARIOS
        .iter()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| format!("there is no scenario {name:?}; --list shows all"))
}

/// Plays one scenario with one seed, in a world of its own, and checks that nothing is left behind. Prints a
/// line. The error says how to repeat it.
pub fn play(scenario: &Scenario, profile: Profile, seed: u64) -> Outcome {
    let began = Instant::now();
    match perform(scenario, profile, seed) {
        Ok(counts) => {
            let mut line = format!("ok    {:<16} seed {seed:<10}", scenario.name);
            for (name, count) in counts {
                // Writing to a string cannot fail.
                let _ = write!(line, " {name}={count}");
            }
            say(&format!("{line} {:.2} s", began.elapsed().as_secs_f64()));
            Ok(())
        }
        Err(problem) => {
            let quick = if profile == Profile::Quick { " --quick" } else { "" };
            Err(format!(
                "FAIL  {:<16} seed {seed:<10} {:.2} s: {problem}\n      again: fabric-bench stress \
                 --scenario {} --seed {seed}{quick}",
                scenario.name,
                began.elapsed().as_secs_f64(),
                scenario.name
            ))
        }
    }
}

/// The most sockets that any scenario has at a time; each has two ends here.
const MOST_SOCKETS: u64 = 1_100;

/// Whatever goes wrong, a scenario ends by itself.
const MOST_TIME: Duration = Duration::from_mins(3);

fn perform(scenario: &Scenario, profile: Profile, seed: u64) -> Outcome<Counts> {
    if let Some(limit) = process::open_files_limit() {
        let needed = if profile == Profile::Full { MOST_SOCKETS * 2 + 200 } else { 600 };
        ensure!(limit >= needed, "{needed} open files are needed, {limit} allowed: see `ulimit -n`");
    }
    let logs = Logs::of_process();
    logs.take();
    let world = World::start((scenario.limits)())?;
    let mut stage = Stage { world, rng: Rng::new(seed), logs, profile };
    let clients = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("client")
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let played = clients.block_on(async {
        let played = tokio::time::timeout(MOST_TIME, (scenario.play)(&mut stage)).await;
        played.unwrap_or_else(|_| Err(format!("it was not over after {} s", MOST_TIME.as_secs())))
    });
    // Everybody has left with the scenario.
    let settled = match &played {
        Ok(_) => clients.block_on(stage.world.settles_at(0, 0)),
        Err(_) => Ok(()),
    };
    clients.shutdown_timeout(Duration::from_secs(5));
    let stopped = stage.world.stop(scenario.ends_by_itself);
    let counts = played?;
    settled.and(stopped)?;
    Ok(counts)
}
