//! Sockets come and go, in every way, and nothing is left of them.

use std::time::Duration;

use actix_socketio::Config as SocketConfig;
use fabric_domain::model::ChannelType;
use futures_util::future::try_join_all;

use super::growth::steady;
use super::{Counts, Stage};
use crate::client::{Cut, Options, Wire, connect_all, join_all, masked};
use crate::world::node_limits;
use crate::{Outcome, process};

pub(super) fn limits() -> SocketConfig {
    let mut config = node_limits();
    // Who never joins the namespace is closed soon.
    config.limits.connect_timeout = Duration::from_secs(3);
    config
}

/// Repeats: connect, join, hear messages, go, in every way there is; with some that never join the namespace
/// and some that send garbage. After each repeat no socket and no connection is left; over all of them the
/// memory of the process does not grow.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let (repeats, sockets) = (stage.pick(24, 12), stage.pick(200, 40));
    let users = stage.users("u", sockets);
    let ways = [Cut::Goodbye, Cut::Silent, Cut::Reset];
    let (mut samples, mut last) = (Vec::new(), 0);
    let channel = stage.world.channel(ChannelType::General, &users).await?;
    for repeat in 0..repeats {
        let peers = connect_all(stage.world.address(), users.iter().cloned(), Options::default()).await?;
        join_all(&peers, &channel).await?;
        for _ in 0..5 {
            let author = &users[stage.rng.below(sockets)];
            last = stage.world.post(author, &channel, "x".repeat(500)).await?;
        }
        try_join_all(peers.iter().map(|peer| peer.journal.until_seq(&channel, last))).await?;
        let mut odd = Vec::new();
        // Not each time: they stay until they are given up on.
        let strangers = if repeat % 4 == 3 { sockets / 3 } else { 0 };
        for number in 0..strangers {
            let mut wire = Wire::open(stage.world.address(), None).await?;
            if number % 2 == 0 {
                // Half a message, which never ends.
                wire.write(&masked(0x01, &[b'4'; 10_000])).await?;
            }
            odd.push(wire);
        }
        for peer in peers {
            peer.cut(ways[stage.rng.below(ways.len())]).await;
        }
        stage.world.settles_at(0, 0).await?;
        drop(odd);
        samples.extend(process::resident());
    }
    if !samples.is_empty() {
        steady(&samples)?;
    }
    let (first, end) = (samples.get(repeats / 3).copied(), samples.last().copied());
    let kb = |bytes: Option<u64>| usize::try_from(bytes.unwrap_or_default() / 1024).unwrap_or_default();
    Ok(vec![("repeats", repeats), ("sockets", sockets), ("rss_kb", kb(first)), ("rss_kb_end", kb(end))])
}

/// Nothing happens but the end, which the runner checks: no task may keep the store, and with it the hub and
/// the database's connections.
pub(super) async fn end(stage: &mut Stage) -> Outcome<Counts> {
    let users = stage.users("u", 3);
    let peers = connect_all(stage.world.address(), users, Options::default()).await?;
    Ok(vec![("sockets", peers.len())])
}
