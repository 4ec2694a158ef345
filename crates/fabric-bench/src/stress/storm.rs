//! Everybody drops at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fabric_domain::model::{ChannelId, ChannelType};
use futures_util::future::join_all as all;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Counts, Stage};
use crate::client::{Cut, Options, Peer, connect_all, join_all, run_of};
use crate::world::World;
use crate::{Outcome, ensure};

/// While messages go on, all sockets but a few are cut at once, in every way there is, and come back with
/// what they saw last.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let (sockets, stay) = (stage.pick(500, 60), 10);
    let users = stage.users("u", sockets + stay);
    let channel = stage.world.channel(ChannelType::Announce, &users).await?;
    let mut peers = connect_all(stage.world.address(), users.iter().cloned(), Options::default()).await?;
    join_all(&peers, &channel).await?;
    let staying = peers.split_off(sockets);
    let mut rng = stage.rng.fork();
    let ways = [Cut::Goodbye, Cut::Silent, Cut::Reset];
    let ways: Vec<_> = peers.iter().map(|_| ways[rng.below(ways.len())]).collect();
    rng.shuffle(&mut peers);

    let (world, is_over) = (&stage.world, AtomicBool::new(false));
    let (posts, back) = tokio::join!(stream_of_posts(world, &users[sockets], &channel, &is_over), async {
        let back = drop_and_return(world, &channel, peers, ways, stay).await;
        is_over.store(true, Ordering::Relaxed);
        back
    });
    let (posts, (missed, back)) = (posts?, back?);
    for peer in back.iter().chain(&staying) {
        peer.journal.until_seq(&channel, posts).await?;
        peer.leave(&channel).await?;
    }
    for peer in &staying {
        peer.journal.look(|state| run_of(&peer.user, &state.seqs(&channel), 1, posts))?;
    }
    for (peer, before) in back.iter().zip(&missed) {
        peer.journal.look(|state| run_of(&peer.user, &state.seqs(&channel), before + 1, posts))?;
    }
    let earliest = missed.iter().min().copied().unwrap_or_default();
    let replayed = usize::try_from(posts - earliest).map_err(|error| error.to_string())?;
    Ok(vec![
        ("sockets", sockets),
        ("posts", usize::try_from(posts).unwrap_or_default()),
        ("replayed", replayed),
    ])
}

/// Posts until it is over, and then once more, so that there is an end to wait for.
async fn stream_of_posts(
    world: &World,
    author: &str,
    channel: &ChannelId,
    is_over: &AtomicBool,
) -> Outcome<u64> {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        // Asked before posting: the last message comes after everybody is back.
        let was_over = is_over.load(Ordering::Relaxed);
        let seq = world.post(author, channel, "on and on").await?;
        // A socket's send queue holds a thousand; who misses more comes back differently.
        ensure!(seq < 900, "not everybody was back after {seq} messages");
        if was_over {
            return Ok(seq);
        }
        ticks.tick().await;
    }
}

/// Cuts everybody, and brings them back. Answers what each had seen before, and the new sockets.
async fn drop_and_return(
    world: &World,
    channel: &ChannelId,
    peers: Vec<Peer>,
    ways: Vec<Cut>,
    stay: usize,
) -> Outcome<(Vec<u64>, Vec<Peer>)> {
    for peer in &peers {
        peer.journal.until_seq(channel, 5).await?;
    }
    let users: Vec<_> = peers.iter().map(|peer| peer.user.clone()).collect();
    let journals = all(peers.into_iter().zip(ways).map(|(peer, way)| peer.cut(way))).await;
    let mut missed = Vec::new();
    for (user, journal) in users.iter().zip(&journals) {
        let seqs = journal.look(|state| state.seqs(channel));
        let last = seqs.last().copied().unwrap_or_default();
        run_of(user, &seqs, 1, last)?;
        missed.push(last);
    }
    // All of them are gone before the first comes back: that is the storm.
    world.settles_at(stay, stay).await?;
    let returning = users.iter().zip(&missed).map(|(user, last)| async move {
        let peer = Peer::connect(world, user).await?;
        peer.join(channel, Some(*last)).await?;
        Ok::<_, String>(peer)
    });
    let back = stream::iter(returning).buffered(100).try_collect().await?;
    Ok((missed, back))
}
