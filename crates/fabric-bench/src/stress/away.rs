//! Back after having been away.

use std::time::Duration;

use fabric_domain::model::{ChannelId, ChannelType};
use futures_util::future::try_join_all;

use super::{Counts, Stage};
use crate::client::{Cut, Peer, run_of};
use crate::{Outcome, ensure};

/// Clients are away for a while (30 s in full) and come back while messages go on. They get what they missed,
/// in order and before anything newer, and the wake that they are owed.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let (missed, seconds) = (stage.pick(700, 450), stage.pick(30, 0));
    let users = stage.users("u", stage.pick(50, 5));
    stage.world.user("host");
    let everybody: Vec<_> = ["host".to_owned()].into_iter().chain(users.iter().cloned()).collect();
    let chat = stage.world.channel(ChannelType::Announce, &everybody).await?;
    // The first user speaks first.
    let talk = stage.world.channel(ChannelType::Discuss, &everybody).await?;
    let mut before = Vec::new();
    for user in &users {
        let peer = Peer::connect(&stage.world, user).await?;
        peer.join(&chat, None).await?;
        peer.join(&talk, None).await?;
        before.push(peer);
    }
    let seen = stage.world.post("host", &chat, "before").await?;
    let mut peers = Vec::new();
    for peer in before {
        peer.journal.until_seq(&chat, seen).await?;
        peer.cut(if stage.rng.one_in(2) { Cut::Reset } else { Cut::Silent }).await;
    }
    stage.world.settles_at(0, 0).await?;
    let woken = stage.world.post("host", &talk, "whose turn it is nobody hears").await?;
    for _ in 0..missed {
        stage.world.post("host", &chat, "missed").await?;
    }
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;

    let mut last = 0;
    for user in &users {
        let peer = Peer::connect(&stage.world, user).await?;
        let (posted, joined) =
            tokio::join!(stage.world.post("host", &chat, "meanwhile"), peer.join(&chat, Some(seen)));
        last = posted?;
        joined?;
        // What is known already, but for the wake.
        peer.join(&talk, Some(woken)).await?;
        peers.push(peer);
    }
    for (place, peer) in peers.iter().enumerate() {
        peer.journal.until_seq(&chat, last).await?;
        peer.leave(&talk).await?;
        peer.journal.look(|state| {
            run_of(&peer.user, &state.seqs(&chat), seen + 1, last)?;
            let wakes: Vec<_> = state.created.iter().filter(|created| created.channel == talk).collect();
            let owed = usize::from(place == 0);
            let right = wakes.len() == owed && wakes.iter().all(|wake| wake.seq == woken && wake.wakeup);
            ensure!(right, "{} is owed {owed} wakes and got {wakes:?}", peer.user);
            Ok(())
        })?;
    }
    Ok(vec![("sockets", users.len()), ("missed", missed), ("seconds_away", seconds)])
}

/// Waits until everything in these channels was told to whoever is connected: the host's joins are answered after
/// that. A socket that connected before would be told that it is a new member, and be sent live what it also asks for.
async fn all_told(stage: &Stage, channels: &[ChannelId]) -> Outcome {
    let host = Peer::connect(&stage.world, "host").await?;
    try_join_all(channels.iter().map(|channel| host.join(channel, None))).await?;
    host.cut(Cut::Goodbye).await;
    Ok(())
}

/// The channel `chat`, with so many messages of so many bytes, as a socket sees it that joins with
/// `sinceSeq` 0.
async fn replay(stage: &Stage, messages: u64, bytes: usize) -> Outcome {
    let chat: ChannelId = stage.world.channel(ChannelType::Announce, &["host".into(), "ann".into()]).await?;
    let text = "x".repeat(bytes);
    for _ in 0..messages {
        stage.world.post("host", &chat, text.clone()).await?;
    }
    all_told(stage, std::slice::from_ref(&chat)).await?;
    let peer = Peer::connect(&stage.world, "ann").await?;
    let joined = peer.join(&chat, Some(0)).await;
    let came = match joined {
        Ok(_) => peer.journal.until_seq(&chat, messages).await,
        Err(problem) => Err(problem),
    };
    came.map_err(|problem| format!("{messages} messages of {bytes} bytes were missed: {problem}"))?;
    peer.journal.look(|state| run_of("ann", &state.seqs(&chat), 1, messages))
}

/// A socket that missed more than its send queue holds (1,000 frames or 1 MiB) gets it all nevertheless.
pub(super) async fn long(stage: &mut Stage) -> Outcome<Counts> {
    stage.world.user("host");
    stage.world.user("ann");
    replay(stage, 1_200, 10).await?;
    replay(stage, 100, 20_000).await?;
    Ok(vec![("messages", 1_300)])
}

/// An agent comes back to all its channels at once, as it may (spec/4 section 4); in none of them it missed
/// much.
pub(super) async fn many(stage: &mut Stage) -> Outcome<Counts> {
    let (channels, missed) = (stage.pick(200, 60), 30);
    stage.world.user("host");
    stage.world.user("ann");
    let mut all = Vec::new();
    for _ in 0..channels {
        let channel = stage.world.channel(ChannelType::Announce, &["host".into(), "ann".into()]).await?;
        for _ in 0..missed {
            stage.world.post("host", &channel, "missed").await?;
        }
        all.push(channel);
    }
    all_told(stage, &all).await?;
    let peer = Peer::connect(&stage.world, "ann").await?;
    try_join_all(all.iter().map(|channel| peer.join(channel, Some(0)))).await?;
    for channel in &all {
        peer.journal.until_seq(channel, missed).await?;
        peer.journal.look(|state| run_of("ann", &state.seqs(channel), 1, missed))?;
    }
    Ok(vec![("channels", channels), ("missed", channels * 30)])
}
