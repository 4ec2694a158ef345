//! Tokens end in the middle of a stream.

use fabric_client::model::Seq;
use fabric_client::{CloseReason, Event, Events, Realtime};
use fabric_domain::model::{ChannelId, ChannelType};
use tokio::time::timeout;

use super::{Counts, Stage};
use crate::client::run_of;
use crate::world::{PATIENCE, World};
use crate::{Outcome, ensure};

/// Messages between one happening and the next.
const BETWEEN: u64 = 20;

struct Client {
    name: String,
    token: String,
    socket: Realtime,
    events: Events,
    seqs: Vec<u64>,
    warnings: usize,
}

impl Client {
    async fn enter(world: &World, name: &str, channel: &ChannelId, since: u64) -> Outcome<Self> {
        let token = format!("{name}~{since}");
        // As long as the real ones.
        world.center.end_after(&token, 900);
        let entering = world.client(&token)?.connect().await;
        let (socket, events) = entering.map_err(|error| format!("{name}: {error}"))?;
        socket.join(channel, Some(Seq(since))).await.map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { name: name.into(), token, socket, events, seqs: Vec::new(), warnings: 0 })
    }

    /// Reads until message `last`, or until `warnings` of the end have come, or the end itself.
    async fn read(&mut self, last: u64, warnings: usize) -> Outcome<Option<CloseReason>> {
        while self.seqs.last().copied().unwrap_or_default() < last || self.warnings < warnings {
            match timeout(PATIENCE, self.events.recv()).await {
                Ok(Ok(Event::MessageCreated(created))) => self.seqs.push(created.message.seq.0),
                Ok(Ok(Event::SessionExpiring(_))) => self.warnings += 1,
                Ok(Ok(_)) => {}
                Ok(Err(reason)) => return Ok(Some(reason)),
                Err(_) => {
                    return Err(format!("{}: nothing more than {:?} came", self.name, self.seqs.last()));
                }
            }
        }
        Ok(None)
    }
}

/// All are told a minute before. Who brings a fresh token stays and misses nothing; who does not is
/// disconnected, may not come back with the old one, and misses nothing when back with another.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let count = stage.pick(50, 6);
    let names = stage.users("u", count);
    stage.world.user("poster");
    let everybody: Vec<_> = ["poster".to_owned()].into_iter().chain(names.iter().cloned()).collect();
    let channel = stage.world.channel(ChannelType::Announce, &everybody).await?;
    let mut clients = Vec::new();
    for name in &names {
        clients.push(Client::enter(&stage.world, name, &channel, 0).await?);
    }
    let mut last = post(&stage.world, &channel).await?;
    stage.world.clock.advance_seconds(845);
    for client in &mut clients {
        ensure!(client.read(last, 1).await?.is_none(), "{} was closed too early", client.name);
    }
    last = post(&stage.world, &channel).await?;

    stage.rng.shuffle(&mut clients);
    let mut careless = clients.split_off(count / 2);
    for client in &mut clients {
        let fresh = format!("{}~fresh", client.name);
        stage.world.center.end_after(&fresh, 900);
        // Another's token refreshes nothing.
        let refused = client.socket.refresh_session("poster").await;
        ensure!(refused.is_err(), "{} lives on with another's token", client.name);
        let refreshed = client.socket.refresh_session(&fresh).await;
        refreshed.map_err(|error| format!("{}: {error}", client.name))?;
    }
    last = last.max(post(&stage.world, &channel).await?);
    // Delivery follows the commit: who is disconnected in between rightly misses the end.
    for client in clients.iter_mut().chain(&mut careless) {
        ensure!(client.read(last, 1).await?.is_none(), "{} was closed too early", client.name);
    }
    stage.world.clock.advance_seconds(60);

    let mut returned = Vec::new();
    for mut client in careless {
        let reason = client.read(u64::MAX, usize::MAX).await?;
        ensure!(reason == Some(CloseReason::Server), "{} was told {reason:?}", client.name);
        let seen = client.seqs.last().copied().unwrap_or_default();
        run_of(&client.name, &client.seqs, 1, last)?;
        let again = stage.world.client(&client.token)?.connect().await;
        let code = match again {
            Err(fabric_client::Error::ConnectRefused { code, .. }) => code,
            other => return Err(format!("{} came back with an old token: {:?}", client.name, other.is_ok())),
        };
        ensure!(code.as_deref() == Some("invalid_token"), "{} was refused with {code:?}", client.name);
        // Missed while away.
        stage.world.post("poster", &channel, "missed").await?;
        returned.push((seen, Client::enter(&stage.world, &client.name, &channel, seen).await?));
    }
    last = post(&stage.world, &channel).await?;
    for client in &mut clients {
        ensure!(client.read(last, 1).await?.is_none(), "{} was closed though refreshed", client.name);
        run_of(&client.name, &client.seqs, 1, last)?;
        ensure!(client.warnings == 1, "{} was warned {} times", client.name, client.warnings);
    }
    for (seen, client) in &mut returned {
        ensure!(client.read(last, 0).await?.is_none(), "{} was closed again", client.name);
        run_of(&client.name, &client.seqs, *seen + 1, last)?;
    }
    for client in clients.iter().chain(returned.iter().map(|(_, client)| client)) {
        client.socket.close().await;
    }
    Ok(vec![
        ("refreshed", clients.len()),
        ("expired", returned.len()),
        ("posts", usize::try_from(last).unwrap_or_default()),
    ])
}

async fn post(world: &World, channel: &ChannelId) -> Outcome<u64> {
    let mut last = 0;
    for _ in 0..BETWEEN {
        last = world.post("poster", channel, "on and on").await?;
    }
    Ok(last)
}
