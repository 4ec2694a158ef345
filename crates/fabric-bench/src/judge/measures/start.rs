//! How soon a server is there again, and what it takes when it does nothing.

use std::time::Duration;

use super::{CONTENT, Notes, quantities as of, tokens};
use crate::Outcome;
use crate::judge::generator::{Generator, Load};
use crate::judge::program::pause;
use crate::judge::targets::{Places, Target};

/// For what it does after it has said that it is ready.
const CALM: Duration = Duration::from_secs(1);

/// Starts a target on a database that has a channel and some messages.
pub(in crate::judge) fn start(target: &Target, places: &Places, notes: &mut Notes<'_>) -> Outcome {
    let home = target.home(places)?;
    let (running, _) = target.start(places, &home)?;
    let mut generator = Generator::new(running.address, CONTENT)?;
    generator.channel(&running.channel(10)?);
    generator.posters(1, &tokens(1))?;
    generator.play(Load::InFlight(1), Duration::from_millis(200))?;
    generator.settle()?;
    drop(generator);
    running.program.end()?;

    let (running, ready) = target.start(places, &home)?;
    notes.put(of::READY, ready.as_secs_f64() * 1e3);
    pause(CALM);
    notes.put(of::RESIDENT, super::number(running.program.resident()?) / 1024.0 / 1024.0);
    Ok(())
}
