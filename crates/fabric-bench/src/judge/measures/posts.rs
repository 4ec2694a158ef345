//! Durable posts in one channel.

use super::{CONTENT, Notes, Times, number, quantities as of, seats, tokens};
use crate::Outcome;
use crate::judge::generator::{Generator, Load};
use crate::judge::targets::Running;

/// Who writes; more posters than that are second connections of the same users.
pub(in crate::judge) const WRITERS: usize = 10;

/// In which channel, and who posts.
#[derive(Debug, Clone, Copy)]
pub(in crate::judge) struct Posting {
    /// Of the channel.
    pub(in crate::judge) members: usize,
    /// Members whose sockets get what is posted.
    pub(in crate::judge) connected: usize,
    /// Connections that post, each waiting until its post is done before the next one.
    pub(in crate::judge) posters: usize,
}

pub(in crate::judge) fn posts(
    running: &Running,
    posting: Posting,
    times: Times,
    notes: &mut Notes<'_>,
) -> Outcome {
    let Posting { members, connected, posters } = posting;
    let mut generator = Generator::new(running.address, CONTENT)?;
    let channel = running.channel(members)?;
    generator.channel(&channel);
    generator.connect(seats(connected, &[channel]), connected)?;
    generator.posters(posters, &tokens(WRITERS))?;
    generator.play(Load::InFlight(posters), times.warm)?;
    let before = running.program.cpu()?;
    let count = generator.play(Load::InFlight(posters), times.counted)?;
    let spent = running.program.cpu()? - before;
    generator.settle()?;
    notes.put(of::POSTS_PER_SECOND, number(count.posts) / count.seconds);
    notes.put(of::CPU_PER_POST, spent * 1e6 / number(count.posts.max(1)));
    Ok(())
}
