//! One channel, N sockets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_domain::model::{ChannelId, ChannelType};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::{Builder, Handle};

use super::number;
use super::tally::{Tally, count};
use crate::client::Wire;
use crate::world::{Backing, World, node_limits, post_as};
use crate::{Outcome, process};

/// Posts that are under way at most: below what a send queue holds.
const AHEAD: usize = 400;
/// The most posts of one measurement.
const MOST_POSTS: usize = 20_000;
/// Posts whose way is measured one by one.
const SINGLE: usize = 300;

/// What one number of sockets costs.
pub(super) struct Row {
    pub(super) deliveries_per_second: f64,
    pub(super) posts_per_second: f64,
    /// Of the server's threads.
    pub(super) cpu: Option<Duration>,
    pub(super) median: Duration,
    pub(super) slowest_of_hundred: Duration,
}

pub(super) fn measure(sockets: usize, deliveries: usize) -> Outcome<Row> {
    let world = World::start(node_limits(), Backing::Memory)?;
    let clients = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(process::CLIENT_THREADS)
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let posts = (deliveries / sockets).clamp(1, MOST_POSTS);
    let row = clients.block_on(play(&world, sockets, posts));
    clients.shutdown_timeout(Duration::from_secs(5));
    world.stop(false)?;
    row
}

async fn play(world: &World, sockets: usize, posts: usize) -> Outcome<Row> {
    let users: Vec<_> = (0..sockets).map(|user| format!("u{user}")).collect();
    for user in &users {
        world.user(user);
    }
    let channel = world.channel(ChannelType::Announce, &users).await?;
    let tally = Arc::new(Tally::default());
    let joining = users.iter().map(|user| {
        let (channel, tally) = (&channel, &tally);
        async move {
            let mut wire = Wire::open(world.address(), None).await?;
            wire.enter(user).await?;
            count(wire, channel, tally).await
        }
    });
    stream::iter(joining).buffer_unordered(64).try_collect::<()>().await?;

    // Warm, before anything is measured.
    let server = world.runtime().handle();
    let mut done = burst(world, server, &channel, AHEAD.min(posts)).await?;
    tally.until(done * sockets).await?;

    let (cpu, began) = (process::server_cpu(), Instant::now());
    let first = done;
    while done < first + posts {
        // The next burst is under way while the last one is delivered.
        let next = burst(world, server, &channel, (AHEAD / 2).min(first + posts - done)).await?;
        tally.until(done * sockets).await?;
        done = next;
    }
    let ended = tally.until(done * sockets).await?;
    let spent = process::server_cpu().zip(cpu).map(|(after, before)| after.saturating_sub(before));
    let seconds = ended.saturating_duration_since(began).as_secs_f64();

    let mut single = Vec::new();
    for _ in 0..SINGLE {
        let began = Instant::now();
        done = burst(world, server, &channel, 1).await?;
        single.push(tally.until(done * sockets).await?.saturating_duration_since(began));
    }
    single.sort();
    let deliveries = number(posts) * number(sockets);
    Ok(Row {
        deliveries_per_second: deliveries / seconds,
        posts_per_second: number(posts) / seconds,
        cpu: spent.map(|spent| spent.div_f64(deliveries)),
        median: single[SINGLE / 2],
        slowest_of_hundred: single[SINGLE * 99 / 100],
    })
}

/// Posts so many, one after the other, on the server's own threads; answers the last one's seq.
async fn burst(world: &World, server: &Handle, channel: &ChannelId, posts: usize) -> Outcome<usize> {
    let (guild, channel) = (Arc::clone(world.guild()), channel.clone());
    let posting = server.spawn(async move {
        let mut last = 0;
        for _ in 0..posts {
            last = post_as(&guild, "u0", &channel, "a message of an ordinary length, say.").await?;
        }
        Ok::<_, String>(last)
    });
    let last = posting.await.map_err(|error| error.to_string())??;
    usize::try_from(last).map_err(|error| error.to_string())
}
