//! One channel, many sockets.

use fabric_domain::model::ChannelType;
use futures_util::future::try_join_all;

use super::{Counts, Stage};
use crate::client::{Options, connect_all, join_all, run_of};
use crate::{Outcome, ensure};

/// Everybody gets everything once, in order, and all but its author are woken.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let (sockets, posts) = (stage.pick(1_000, 100), stage.pick(50, 10));
    let users = stage.users("u", sockets);
    let channel = stage.world.channel(ChannelType::General, &users).await?;
    let peers = connect_all(stage.world.address(), users.iter().cloned(), Options::default()).await?;
    ensure!(stage.world.socket_count() == sockets, "{} sockets", stage.world.socket_count());
    join_all(&peers, &channel).await?;
    let mut authors = Vec::new();
    for post in 0..posts {
        let author = &users[stage.rng.below(sockets)];
        authors.push(author);
        stage.world.post(author, &channel, format!("{post}")).await?;
    }
    try_join_all(peers.iter().map(|peer| peer.journal.until_seq(&channel, posts as u64))).await?;
    // Whatever came too often is there before this answer.
    try_join_all(peers.iter().map(|peer| peer.leave(&channel))).await?;
    for peer in &peers {
        peer.journal.look(|state| {
            run_of(&peer.user, &state.seqs(&channel), 1, posts as u64)?;
            for (created, author) in state.created.iter().zip(&authors) {
                let is_own = **author == peer.user;
                ensure!(created.wakeup != is_own, "{}: message {} wakes: {is_own}", peer.user, created.seq);
            }
            Ok(())
        })?;
    }
    Ok(vec![("sockets", sockets), ("posts", posts), ("deliveries", sockets * posts)])
}
