//! Posts to a database on a disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_domain::model::ChannelType;
use tokio::task::JoinSet;

use super::number;
use crate::Outcome;
use crate::world::{Backing, World, node_limits, post_as};

/// Members of each channel.
const MEMBERS: usize = 10;

/// Durable posts per second, by so many writers that each wait for one answer before the next post.
pub(super) fn measure(folder: &Path, channels: usize, writers: usize, time: Duration) -> Outcome<f64> {
    let path = folder.join(format!("{channels}-{writers}.db"));
    let world = World::start(node_limits(), Backing::Sqlite(&path))?;
    let rate = world.runtime().block_on(play(&world, channels, writers, time));
    world.stop(false)?;
    rate
}

async fn play(world: &World, channels: usize, writers: usize, time: Duration) -> Outcome<f64> {
    let users: Vec<_> = (0..MEMBERS).map(|user| format!("u{user}")).collect();
    for user in &users {
        world.user(user);
    }
    let mut all = Vec::new();
    for _ in 0..channels {
        all.push(world.channel(ChannelType::General, &users).await?);
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let (guild, channel) = (Arc::clone(world.guild()), all[writer % channels].clone());
        let user = users[writer % MEMBERS].clone();
        tasks.spawn(async move {
            let mut posts = 0;
            while began.elapsed() < time {
                post_as(&guild, &user, &channel, "a message of an ordinary length, say.").await?;
                posts += 1;
            }
            Ok::<usize, String>(posts)
        });
    }
    let counts: Result<Vec<_>, _> = tasks.join_all().await.into_iter().collect();
    Ok(number(counts?.into_iter().sum()) / began.elapsed().as_secs_f64())
}
