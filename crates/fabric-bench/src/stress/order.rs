//! Many post at once.

use std::collections::HashMap;

use fabric_client::api::guild::{PostAnswer, PostMessage};
use fabric_client::{Event, Events, Realtime};
use fabric_domain::model::{ChannelId, ChannelType, Seq};
use futures_util::future::try_join_all;
use tokio::time::timeout;

use super::{Counts, Stage};
use crate::client::{Options, connect_all, join_all, run_of};
use crate::rng::Rng;
use crate::world::{PATIENCE, World};
use crate::{Outcome, ensure};

/// What was acknowledged: the text by channel and seq.
type Acknowledged = Vec<(ChannelId, u64, String)>;

/// Everybody sees the same order, it is that of seq, it keeps each author's own order, and what was
/// acknowledged is what was delivered.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let (channel_count, posts) = (stage.pick(4, 2), stage.pick(150, 40));
    let writers = stage.users("w", stage.pick(16, 6));
    let readers = stage.users("r", stage.pick(40, 8));
    let everybody: Vec<_> = writers.iter().chain(&readers).cloned().collect();
    let mut channels = Vec::new();
    for _ in 0..channel_count {
        channels.push(stage.world.channel(ChannelType::General, &everybody).await?);
    }
    let peers = connect_all(stage.world.address(), readers.iter().cloned(), Options::default()).await?;
    for channel in &channels {
        join_all(&peers, channel).await?;
    }
    let mut rng = stage.rng.fork();
    let writing = writers.iter().map(|writer| {
        let ends = writers.len() * channel_count;
        let (world, rng) = (&stage.world, rng.fork());
        Writer { name: writer, channels: &channels, posts, ends, world, rng }.run()
    });
    let written = try_join_all(writing).await?;

    let mut texts: HashMap<(&ChannelId, u64), &str> = HashMap::new();
    for (channel, seq, text) in written.iter().flat_map(|(acknowledged, _)| acknowledged) {
        let before = texts.insert((channel, *seq), text);
        ensure!(before.is_none(), "seq {seq} of {channel} was given twice");
    }
    let total = |channel: &ChannelId| texts.keys().filter(|(known, _)| *known == channel).count() as u64;
    for channel in &channels {
        let last = total(channel);
        for (writer, (_, own)) in writers.iter().zip(&written) {
            let seqs: Vec<_> =
                own.iter().filter(|(known, _)| known == channel).map(|(_, seq)| *seq).collect();
            run_of(writer, &seqs, 1, last)?;
        }
        for peer in &peers {
            peer.journal.until_seq(channel, last).await?;
            peer.leave(channel).await?;
            peer.journal.look(|state| {
                run_of(&peer.user, &state.seqs(channel), 1, last)?;
                for created in state.created.iter().filter(|created| created.channel == *channel) {
                    let acknowledged = texts.get(&(channel, created.seq));
                    let same = acknowledged == Some(&created.text.as_str());
                    ensure!(same, "{}: {created:?}, acknowledged as {acknowledged:?}", peer.user);
                }
                keeps_each_order(state.created.iter().map(|created| created.text.as_str()), channel)
            })?;
        }
    }
    Ok(vec![
        ("writers", writers.len()),
        ("readers", readers.len()),
        ("channels", channel_count),
        ("posts", writers.len() * posts),
    ])
}

/// Texts are `CHANNEL AUTHOR NUMBER`; an author's numbers in a channel grow.
fn keeps_each_order<'a>(texts: impl Iterator<Item = &'a str>, channel: &ChannelId) -> Outcome {
    let mut latest: HashMap<&str, usize> = HashMap::new();
    for text in texts {
        let mut words = text.split(' ');
        if words.next() != Some(channel.as_str()) {
            continue;
        }
        let (Some(author), Some(Ok(number))) = (words.next(), words.next().map(str::parse)) else {
            return Err(format!("an odd text: {text:?}"));
        };
        let before = latest.insert(author, number);
        ensure!(before.is_none_or(|before| before < number), "{author} posted {number} before {before:?}");
    }
    Ok(())
}

struct Writer<'a> {
    name: &'a str,
    channels: &'a [ChannelId],
    posts: usize,
    /// How many signs for the end there will be.
    ends: usize,
    world: &'a World,
    rng: Rng,
}

impl Writer<'_> {
    /// Posts, half over its socket and half as the REST route does; answers what was acknowledged, and what
    /// its own socket saw.
    async fn run(mut self) -> Outcome<(Acknowledged, Vec<(ChannelId, u64)>)> {
        let failed = |error: fabric_client::Error| format!("{error}");
        let (socket, events) = self.world.client(self.name)?.connect().await.map_err(failed)?;
        // Read from the start: a socket whose events wait unread gets no answers either.
        let reading = tokio::spawn(timeout(PATIENCE, collect(events, self.ends, self.posts)));
        for channel in self.channels {
            socket.join(channel, Some(Seq::ZERO)).await.map_err(failed)?;
        }
        let acknowledged = self.write(&socket).await?;
        let seen = reading.await.map_err(|error| error.to_string())?;
        let seen = seen.map_err(|_| format!("{}: the end did not come", self.name))??;
        Ok((acknowledged, seen))
    }

    async fn write(&mut self, socket: &Realtime) -> Outcome<Acknowledged> {
        let mut acknowledged = Vec::new();
        for number in 0..self.posts {
            let channel = &self.channels[self.rng.below(self.channels.len())];
            let text = format!("{channel} {} {number}", self.name);
            let seq = if self.rng.one_in(2) {
                self.world.post(self.name, channel, text.clone()).await?
            } else {
                match socket.post(channel, PostMessage::text(text.clone()), None).await {
                    Ok(PostAnswer::Message(message)) => message.seq.0,
                    other => return Err(format!("{}: a post was answered {other:?}", self.name)),
                }
            };
            acknowledged.push((channel.clone(), seq, text));
        }
        // The sign for the end, in every channel.
        for channel in self.channels {
            let text = format!("{channel} {} {}", self.name, self.posts);
            let seq = self.world.post(self.name, channel, text.clone()).await?;
            acknowledged.push((channel.clone(), seq, text));
        }
        Ok(acknowledged)
    }
}

/// Reads messages until everybody's sign for the end, number `last`, has come in every channel.
async fn collect(mut events: Events, ends: usize, last: usize) -> Outcome<Vec<(ChannelId, u64)>> {
    let (mut seen, mut ended) = (Vec::new(), 0);
    let sign = format!(" {last}");
    while ended < ends {
        match events.recv().await {
            Ok(Event::MessageCreated(created)) => {
                ended += usize::from(created.message.content.ends_with(&sign));
                seen.push((created.message.channel_id, created.message.seq.0));
            }
            Ok(_) => {}
            Err(reason) => return Err(format!("a writer's socket was closed: {reason}")),
        }
    }
    Ok(seen)
}
