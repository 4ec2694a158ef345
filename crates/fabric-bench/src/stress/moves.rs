//! Joining and leaving while messages are posted.

use std::cell::Cell;
use std::collections::HashMap;

use actix_socketio::Config as SocketConfig;
use fabric_domain::model::{ChannelId, ChannelType};
use futures_util::future::try_join_all;

use super::{Counts, Stage};
use crate::client::{Options, Peer, connect_all, run_of};
use crate::rng::Rng;
use crate::world::{World, caller, node_limits};
use crate::{Outcome, ensure};

/// One stay in the channel. Places are numbers of messages seen before.
#[derive(Debug)]
struct Stay {
    since: Option<u64>,
    /// What the answer to joining said the channel's newest message is.
    newest: u64,
    began: usize,
    ended: usize,
}

/// Who reads late is another scenario's business.
pub(super) fn limits() -> SocketConfig {
    let mut config = node_limits();
    config.limits.queue_events = 100_000;
    config.limits.queue_bytes = 64 << 20;
    config
}

/// Sockets join and leave, with and without `sinceSeq`, while several users post.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let (rounds, posters) = (stage.pick(60, 20), 4);
    let users = stage.users("u", stage.pick(40, 10));
    let authors = stage.users("w", posters);
    let everybody: Vec<_> = authors.iter().chain(&users).cloned().collect();
    let channel = stage.world.channel(ChannelType::General, &everybody).await?;
    let peers = connect_all(stage.world.address(), users.iter().cloned(), Options::default()).await?;
    let is_over = Cell::new(false);
    let jumping = peers.iter().map(|peer| {
        let (rng, channel) = (stage.rng.fork(), &channel);
        jump(peer, channel, rng, rounds)
    });
    let jumping = async {
        let stays = try_join_all(jumping).await;
        // Also when one failed: the others do not go on then.
        is_over.set(true);
        stays
    };
    let world = &stage.world;
    let posting = try_join_all(authors.iter().map(|author| keep_posting(world, author, &channel, &is_over)));
    let (stays, posts) = tokio::join!(jumping, posting);
    let posts = posts?.into_iter().max().unwrap_or_default();
    for (peer, stays) in peers.iter().zip(stays?) {
        peer.journal.look(|state| check_stays(&peer.user, &state.seqs(&channel), &stays))?;
    }
    Ok(vec![("jumpers", peers.len()), ("stays", peers.len() * rounds), ("posts", count(posts))])
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

async fn keep_posting(
    world: &World,
    author: &str,
    channel: &ChannelId,
    is_over: &Cell<bool>,
) -> Outcome<u64> {
    let mut last = 0;
    while !is_over.get() {
        last = world.post(author, channel, "on and on").await?;
        // Room for the others: all of this is one task.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    Ok(last)
}

async fn jump(peer: &Peer, channel: &ChannelId, mut rng: Rng, rounds: usize) -> Outcome<Vec<Stay>> {
    let mut stays = Vec::new();
    for _ in 0..rounds {
        let latest = peer.journal.look(|state| state.latest(channel));
        let since = rng.one_in(2).then_some(latest);
        let (newest, began) = peer.join(channel, since).await?;
        let until = peer.journal.look(|state| state.created.len()) + rng.below(4);
        if !rng.one_in(3) {
            let what = format!("a message while {} is in", peer.user);
            peer.journal.until(&what, |state| (state.created.len() >= until).then_some(())).await?;
        }
        let ended = peer.leave(channel).await?;
        stays.push(Stay { since, newest, began, ended });
    }
    Ok(stays)
}

fn check_stays(who: &str, seqs: &[u64], stays: &[Stay]) -> Outcome {
    let (mut place, mut latest) = (0, 0);
    for stay in stays {
        ensure!(stay.began == place, "{who}: messages {:?} came after leaving", &seqs[place..stay.began]);
        let seen = &seqs[stay.began..stay.ended];
        match (stay.since, seen.first()) {
            (Some(since), _) => {
                let last = seen.last().copied().unwrap_or(since);
                run_of(who, seen, since + 1, last)?;
                ensure!(last >= stay.newest, "{who}: {stay:?} ended with {last}");
            }
            (None, Some(first)) => {
                let (first, last) = (*first, seen.last().copied().unwrap_or_default());
                ensure!(first > latest, "{who}: message {first} came again, after {latest}: {stay:?}");
                ensure!(first <= stay.newest + 1, "{who}: {stay:?} began with {first}");
                run_of(who, seen, first, last)?;
            }
            (None, None) => {}
        }
        latest = seen.last().copied().unwrap_or(latest);
        place = stay.ended;
    }
    ensure!(seqs.len() == place, "{who}: messages {:?} came after the end", &seqs[place..]);
    Ok(())
}

/// Members are added and removed while messages are posted; nobody joins by themselves. Each socket of each
/// guest gets exactly what was posted while they were members.
pub(super) async fn members(stage: &mut Stage) -> Outcome<Counts> {
    let (guests, steps) = (stage.users("g", stage.pick(30, 8)), stage.pick(600, 150));
    stage.world.user("host");
    let channel = stage.world.channel(ChannelType::General, &["host".to_owned()]).await?;
    // Two sockets each.
    let sockets = guests.iter().chain(&guests).cloned();
    let peers = connect_all(stage.world.address(), sockets, Options::default()).await?;
    let mut due: HashMap<&str, Vec<u64>> = HashMap::new();
    let mut moves: HashMap<&str, usize> = HashMap::new();
    let mut is_member: HashMap<&str, bool> = HashMap::new();
    let mut posts = 0;
    for _ in 0..steps {
        let guest = guests[stage.rng.below(guests.len())].as_str();
        let is_in = is_member.entry(guest).or_default();
        if stage.rng.one_in(2) {
            posts = stage.world.post("host", &channel, "to whoever is a member").await?;
            for (guest, _) in is_member.iter().filter(|(_, is_in)| **is_in) {
                due.entry(*guest).or_default().push(posts);
            }
            continue;
        }
        let (guild, host) = (stage.world.guild(), caller("host"));
        let done = if *is_in {
            guild.remove_member(&host, &channel, &guest.into()).await
        } else {
            guild.add_members(&host, &channel, vec![guest.into()]).await.map(drop)
        };
        done.map_err(|error| format!("{guest}: {error}"))?;
        *is_in = !*is_in;
        *moves.entry(guest).or_default() += 1;
    }
    for peer in &peers {
        let user = peer.user.as_str();
        let (due, moves) =
            (due.get(user).cloned().unwrap_or_default(), moves.get(user).copied().unwrap_or_default());
        let what = format!("{moves} changes and {} messages for {user}", due.len());
        let done = peer.journal.until(&what, |state| {
            let all = state.events.len() >= moves && state.seqs(&channel).len() >= due.len();
            all.then(|| state.seqs(&channel))
        });
        let seen = done.await?;
        ensure!(seen == due, "{user} was due {due:?} and got {seen:?}");
    }
    Ok(vec![("guests", guests.len()), ("moves", moves.values().sum()), ("posts", count(posts))])
}
