//! Several sockets of one user, and who is online.

use fabric_client::model::Seq;
use fabric_client::{Event, Events, Realtime};
use fabric_domain::model::{ChannelId, ChannelType};
use futures_util::future::{join_all as all, try_join_all};
use tokio::time::timeout;

use super::{Counts, Stage};
use crate::client::{Cut, Options, Peer, State, Wire, run_of};
use crate::world::{PATIENCE, SOCKETS_PER_USER, World};
use crate::{Outcome, ensure};

/// What the observer was told of a user: online or not, in order.
fn told(state: &State, user: &str) -> Vec<bool> {
    let presences = state.events.iter().filter(|(_, name, _)| name == "presence");
    let about = presences.filter(|(_, _, payload)| payload["userId"] == user);
    about.filter_map(|(_, _, payload)| payload["online"].as_bool()).collect()
}

async fn observer(stage: &Stage) -> Outcome<Peer> {
    stage.world.user("observer");
    Peer::connect_as(&stage.world, "observer", Options { presence: true, ..Options::default() }).await
}

/// One tab: the client that other programs use.
struct Tab {
    socket: Realtime,
    events: Events,
    seqs: Vec<u64>,
}

impl Tab {
    async fn open(world: &World, channel: &ChannelId) -> Outcome<Self> {
        let (socket, events) = world.client("ann")?.connect().await.map_err(|error| error.to_string())?;
        socket.join(channel, Some(Seq::ZERO)).await.map_err(|error| error.to_string())?;
        Ok(Self { socket, events, seqs: Vec::new() })
    }

    async fn read_to(&mut self, last: u64) -> Outcome {
        while self.seqs.last().copied().unwrap_or_default() < last {
            match timeout(PATIENCE, self.events.recv()).await {
                Ok(Ok(Event::MessageCreated(created))) => self.seqs.push(created.message.seq.0),
                Ok(Ok(_)) => {}
                other => return Err(format!("a tab waited for message {last}: {other:?}")),
            }
        }
        Ok(())
    }
}

/// Every tab gets everything, whichever of them posts; the user is online from the first tab to the last.
pub(super) async fn run(stage: &mut Stage) -> Outcome<Counts> {
    let (count, posts) = (stage.pick(20, 5), stage.pick(30, 10));
    stage.world.user("ann");
    let observer = observer(stage).await?;
    let channel = stage.world.channel(ChannelType::General, &["ann".into(), "observer".into()]).await?;
    let mut tabs = Vec::new();
    for _ in 0..count {
        tabs.push(Tab::open(&stage.world, &channel).await?);
    }
    let mut last = 0;
    while !tabs.is_empty() {
        for _ in 0..posts {
            let author = &tabs[stage.rng.below(tabs.len())].socket;
            let message = fabric_client::api::guild::PostMessage::text("from one of the tabs");
            author.post(&channel, message, None).await.map_err(|error| error.to_string())?;
            last += 1;
        }
        for tab in &mut tabs {
            tab.read_to(last).await?;
        }
        let gone = tabs.swap_remove(stage.rng.below(tabs.len()));
        run_of("a tab", &gone.seqs, 1, last)?;
        // Half of them say goodbye; the others just vanish.
        if stage.rng.one_in(2) {
            gone.socket.close().await;
        }
        drop(gone);
        stage.world.settles_at(tabs.len() + 1, tabs.len() + 1).await?;
        if !tabs.is_empty() {
            // What was said of ann before this answer is there by now.
            observer.leave(&channel).await?;
            let said = observer.journal.look(|state| told(state, "ann"));
            ensure!(said == [true], "with {} tabs left the others were told {said:?}", tabs.len());
        }
    }
    let what = "ann going offline";
    observer.journal.until(what, |state| (told(state, "ann").len() > 1).then_some(())).await?;
    let said = observer.journal.look(|state| told(state, "ann"));
    ensure!(said == [true, false], "the others were told {said:?}");
    Ok(vec![("tabs", count), ("posts", usize::try_from(last).unwrap_or_default())])
}

/// The most sockets of one user (spec/4 section 4).
const MOST: usize = SOCKETS_PER_USER;

/// One user opens more sockets at once than a user may have: so many get in, the others are told why not.
pub(super) async fn too_many(stage: &mut Stage) -> Outcome<Counts> {
    let wanted = MOST + stage.pick(200, 60);
    stage.world.user("ann");
    let opening = (0..wanted).map(|_| Wire::open(stage.world.address(), None));
    let mut wires = try_join_all(opening).await?;
    let entered = all(wires.iter_mut().map(|wire| wire.enter("ann"))).await;
    let refused: Vec<String> = entered.into_iter().filter_map(Result::err).collect();
    let (inside, outside) = (stage.world.socket_count(), refused.len());
    ensure!(inside <= MOST, "{inside} sockets of one user got in, and {outside} did not");
    ensure!(inside + outside == wanted, "{inside} got in and {outside} did not, of {wanted}");
    let odd = refused.iter().find(|reason| !reason.contains("too_many_sockets"));
    ensure!(odd.is_none(), "one was refused so: {odd:?}");
    Ok(vec![("wanted", wanted), ("inside", inside)])
}

/// Users come and go with overlapping sockets. Whatever was told in between, in the end the others know who
/// is there.
pub(super) async fn flap(stage: &mut Stage) -> Outcome<Counts> {
    let (users, rounds) = (stage.users("u", stage.pick(40, 10)), stage.pick(50, 20));
    let observer = observer(stage).await?;
    let flapping = users.iter().enumerate().map(|(place, user)| {
        let (world, mut rng) = (&stage.world, stage.rng.fork());
        async move {
            let mut here: Option<Peer> = None;
            for _ in 0..rounds {
                let next = Peer::connect(world, user).await?;
                if let Some(before) = here.replace(next) {
                    before.cut(if rng.one_in(2) { Cut::Goodbye } else { Cut::Silent }).await;
                }
                if rng.one_in(2)
                    && let Some(only) = here.take()
                {
                    only.cut(if rng.one_in(2) { Cut::Goodbye } else { Cut::Silent }).await;
                }
            }
            // Every second one stays.
            match (place % 2 == 0, here) {
                (true, None) => Ok(Some(Peer::connect(world, user).await?)),
                (true, here) => Ok(here),
                (false, Some(peer)) => {
                    peer.cut(Cut::Goodbye).await;
                    Ok(None)
                }
                (false, None) => Ok::<_, String>(None),
            }
        }
    });
    let staying: Vec<Peer> = try_join_all(flapping).await?.into_iter().flatten().collect();
    stage.world.settles_at(staying.len() + 1, staying.len() + 1).await?;
    for (place, user) in users.iter().enumerate() {
        let is_here = place % 2 == 0;
        let what = format!("that {user} is {}", if is_here { "online" } else { "offline" });
        let last = |state: &mut State| told(state, user).last().copied();
        observer.journal.until(&what, |state| (last(state) == Some(is_here)).then_some(())).await?;
    }
    Ok(vec![("users", users.len()), ("connections", users.len() * rounds)])
}
