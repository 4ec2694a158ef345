//! One client stops reading.

use fabric_domain::model::ChannelType;
use futures_util::future::try_join_all;

use super::{Counts, Stage};
use crate::client::{Options, Peer, connect_all, join_all, run_of};
use crate::{Outcome, ensure};

/// One text that fills queues quickly.
const BULK: usize = 32 * 1024;
/// The kernel holds some megabytes for a client before the server's own queue fills; more than this it does not.
const MOST_BULK: u64 = 2_000;

/// While one client does not read, everybody else gets everything, step by step, until the server gives that
/// one up; then it learns why, and comes back.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let town = stage.users("u", stage.pick(1_000, 60));
    let witnesses = stage.users("w", 3);
    let slow = stage.users("slow", 1);
    let with_slow = |users: &[String]| users.iter().chain(&slow).cloned().collect::<Vec<_>>();
    let small = stage.world.channel(ChannelType::Announce, &with_slow(&town)).await?;
    let bulk = stage.world.channel(ChannelType::Announce, &with_slow(&witnesses)).await?;
    let others = connect_all(stage.world.address(), town.iter().cloned(), Options::default()).await?;
    join_all(&others, &small).await?;
    let witnessing =
        connect_all(stage.world.address(), witnesses.iter().cloned(), Options::default()).await?;
    join_all(&witnessing, &bulk).await?;
    let options = Options { receive_buffer: Some(4_096), ..Options::default() };
    let late = Peer::connect_as(&stage.world, &slow[0], options).await?;
    late.join(&small, None).await?;
    late.join(&bulk, None).await?;
    let everybody = stage.world.socket_count();
    stage.logs.take();

    late.read(false);
    let text = "x".repeat(BULK);
    let mut posts = 0;
    while stage.world.socket_count() == everybody {
        ensure!(posts < MOST_BULK, "a client that does not read was still served after {posts} messages");
        posts += 1;
        stage.world.post(&witnesses[0], &bulk, text.clone()).await?;
        stage.world.post(&town[0], &small, "small").await?;
        // Nobody is delayed: each step is everywhere before the next one.
        try_join_all(others.iter().map(|peer| peer.journal.until_seq(&small, posts))).await?;
        try_join_all(witnessing.iter().map(|peer| peer.journal.until_seq(&bulk, posts))).await?;
    }
    for (peers, channel) in [(&others, &small), (&witnessing, &bulk)] {
        for peer in peers {
            peer.leave(channel).await?;
            peer.journal.look(|state| run_of(&peer.user, &state.seqs(channel), 1, posts))?;
        }
    }
    ensure!(stage.world.socket_count() == everybody - 1, "{} sockets", stage.world.socket_count());
    let closed = (stage.logs.count("connection closed"), stage.logs.count("reason=queue full"));
    ensure!(closed == (1, 1), "one connection was to be closed, for its full queue: {:?}", stage.logs.take());

    late.read(true);
    let end = late.ended().await?;
    ensure!(end.code == Some(1008) && end.reason == "queue full", "the slow client was told {end:?}");
    let seen = late.journal.look(|state| {
        for channel in [&small, &bulk] {
            run_of(&late.user, &state.seqs(channel), 1, state.latest(channel))?;
        }
        Ok::<_, String>(state.latest(&small))
    })?;
    let back = Peer::connect(&stage.world, &slow[0]).await?;
    back.join(&small, Some(seen)).await?;
    back.journal.until_seq(&small, posts).await?;
    back.journal.look(|state| run_of(&back.user, &state.seqs(&small), seen + 1, posts))?;
    let bytes = usize::try_from(posts).unwrap_or_default() * BULK;
    Ok(vec![("others", others.len()), ("posts", bytes / BULK * 2), ("held_kb", bytes / 1024)])
}
