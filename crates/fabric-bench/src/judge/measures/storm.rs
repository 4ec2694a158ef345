//! Sockets that come, and that all come back at once.

use super::{Notes, quantities as of, seats};
use crate::Outcome;
use crate::judge::generator::Generator;
use crate::judge::people::MOST_USERS;
use crate::judge::targets::Running;

/// Handshakes under way at a time while the rate is measured.
const ORDERLY: usize = 64;

/// Connects `sockets` sockets, cuts all of them, and lets all of them come back at the same moment.
pub(in crate::judge) fn storm(running: &Running, sockets: usize, notes: &mut Notes<'_>) -> Outcome {
    let mut generator = Generator::new(running.address, 0)?;
    let channel = running.channel(sockets.min(MOST_USERS))?;
    generator.channel(&channel);
    let count = f64::from(u32::try_from(sockets).unwrap_or(u32::MAX));

    let before = running.program.cpu()?;
    let time = generator.connect(seats(sockets, std::slice::from_ref(&channel)), ORDERLY)?;
    let spent = running.program.cpu()? - before;
    notes.put(of::CONNECTS, count / time.as_secs_f64());
    notes.put(of::CONNECT_CPU, spent * 1e6 / count);

    generator.hang_up();
    let time = generator.connect(seats(sockets, &[channel]), sockets)?;
    notes.put(of::BACK, time.as_secs_f64() * 1e3);
    Ok(())
}
