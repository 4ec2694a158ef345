//! Some clients do not answer pings.

use std::time::Duration;

use actix_socketio::Config as SocketConfig;
use fabric_domain::model::ChannelType;

use super::{Counts, Stage};
use crate::client::{Options, connect_all, join_all, run_of};
use crate::world::node_limits;
use crate::{Outcome, ensure};

/// So many pings are answered before the scenario is over.
const PINGS: usize = 6;

pub(super) fn limits() -> SocketConfig {
    let mut config = node_limits();
    config.limits.ping_interval = Duration::from_millis(300);
    // A busy machine must not look like a client that is gone.
    config.limits.ping_timeout = Duration::from_secs(8);
    config
}

/// They are closed for it; the others stay, through several pings, and get everything.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let users = stage.users("u", stage.pick(200, 30));
    let mute = stage.users("mute", 5);
    let everybody: Vec<_> = users.iter().chain(&mute).cloned().collect();
    let channel = stage.world.channel(ChannelType::Announce, &everybody).await?;
    let others = connect_all(stage.world.address(), users.iter().cloned(), Options::default()).await?;
    join_all(&others, &channel).await?;
    stage.logs.take();
    let options = Options { pongs: false, ..Options::default() };
    let silent = connect_all(stage.world.address(), mute.iter().cloned(), options).await?;
    join_all(&silent, &channel).await?;

    // Some do not even read any more, as behind a network that fell silent.
    for peer in silent.iter().step_by(2) {
        peer.read(false);
    }

    let mut posts = 0;
    let pinged = || others.iter().all(|peer| peer.journal.look(|state| state.pings >= PINGS));
    while stage.world.socket_count() > others.len() || !pinged() {
        posts = stage.world.post(&users[0], &channel, "tick").await?;
        ensure!(posts < 400, "{} sockets after {posts} ticks", stage.world.socket_count());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for peer in &silent {
        peer.read(true);
        let end = peer.ended().await?;
        ensure!(end.reason == "ping timeout", "{} was told {end:?}", peer.user);
        peer.journal.look(|state| run_of(&peer.user, &state.seqs(&channel), 1, state.latest(&channel)))?;
        ensure!(
            stage.logs.count(&peer.sid) == 1,
            "{} lines about {}",
            stage.logs.count(&peer.sid),
            peer.user
        );
    }
    for peer in &others {
        peer.journal.until_seq(&channel, posts).await?;
        peer.journal.look(|state| {
            ensure!(state.end.is_none(), "{} was closed, too: {:?}", peer.user, state.end);
            run_of(&peer.user, &state.seqs(&channel), 1, posts)
        })?;
    }
    ensure!(stage.world.socket_count() == others.len(), "{} sockets", stage.world.socket_count());
    Ok(vec![
        ("others", others.len()),
        ("mute", silent.len()),
        ("posts", usize::try_from(posts).unwrap_or_default()),
    ])
}
