//! N sockets, all told what is posted.

use std::time::Duration;

use super::{Notes, Times, content_length, number, quantities as of, seats, tokens};
use crate::Outcome;
use crate::judge::generator::{Generator, Load};
use crate::judge::people::MOST_USERS;
use crate::judge::program::{own_cpu, pause};
use crate::judge::targets::Running;

/// Deliveries per second at which receipts are timed.
const MODEST: f64 = 20_000.0;
/// Posts whose receipts are timed at least.
const TIMED_POSTS: f64 = 10.0;
/// Connections that post.
const POSTERS: usize = 8;
/// Handshakes under way at a time.
const HANDSHAKES: usize = 64;
/// For what a server does after the last socket has joined, before its memory is read.
const CALM: Duration = Duration::from_millis(500);

/// Measures `sockets` sockets that are spread over `channels` channels.
pub(in crate::judge) fn fan_out(
    running: &Running,
    sockets: usize,
    channels: usize,
    times: Times,
    notes: &mut Notes<'_>,
) -> Outcome {
    let mut generator = Generator::new(running.address, content_length(running)?)?;
    let users = sockets.min(MOST_USERS);
    // Those who sit in it, and those who post.
    let members = |channel: usize| {
        let is_in = |user: &usize| *user < POSTERS || user % channels == channel;
        (0..users).filter(is_in).collect::<Vec<_>>()
    };
    let ids = (0..channels).map(|channel| running.channel_of(&members(channel)));
    let ids = ids.collect::<Outcome<Vec<_>>>()?;
    for id in &ids {
        generator.channel(id);
    }
    let empty = running.program.resident()?;
    generator.connect(seats(sockets, &ids), HANDSHAKES)?;
    pause(CALM);
    let idle = running.program.resident()?.saturating_sub(empty);
    generator.posters(POSTERS, &tokens(POSTERS.min(users)))?;

    for (in_flight, rate, cpu) in [(1, of::ONE, of::ONE_CPU), (POSTERS, of::EIGHT, of::EIGHT_CPU)] {
        let load = Load::InFlight(in_flight);
        generator.play(load, times.warm)?;
        let before = (running.program.cpu()?, own_cpu()?);
        let count = generator.play(load, times.counted)?;
        let (spent, own) = (running.program.cpu()? - before.0, own_cpu()? - before.1);
        let deliveries = number(count.deliveries.max(1));
        notes.put(rate, deliveries / count.seconds);
        notes.put(cpu, spent * 1e6 / deliveries);
        if in_flight == POSTERS {
            notes.put(of::GENERATOR, own * 1e6 / deliveries);
            notes.put(of::FRAME, number(count.bytes) / deliveries);
        }
    }
    let rate = MODEST / number((sockets / channels) as u64);
    let time = times.counted.max(Duration::from_secs_f64(TIMED_POSTS / rate));
    let mut receipts = generator.play_for_receipts(Load::PerSecond(rate), time)?;
    receipts.sort_unstable();
    for (quantity, hundredths) in [(of::MEDIAN, 50), (of::SLOWEST, 99)] {
        let micros = receipts.get(receipts.len() * hundredths / 100).ok_or("nothing was received")?;
        notes.put(quantity, f64::from(*micros) / 1e3);
    }
    notes.put(of::MEMORY, number(idle) / 1024.0 / number(sockets as u64));
    Ok(())
}
