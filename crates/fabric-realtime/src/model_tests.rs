//! Everything that brings an event to a socket, against a list.
//!
//! Two workers, some users with several clients, two channels. Clients join, leave, lose their connections and come
//! back, to either worker, while messages are posted and members come and go, and the workers lag behind as they like.
//! A list says what each client is due in each channel; it gets exactly that, in order, once.

use std::collections::HashMap;
use std::sync::Arc;

use actix_socketio::Outgoing;
use fabric_api::realtime::event;
use fabric_domain::decisions::{Commit, Event};
use fabric_domain::model::{
    Caller, ChannelId, ChannelType, Delivery, DeliveryPlan, GuildId, Message, MessageId, Seq, Timestamp,
    UserId, UserKind, WakeReason,
};
use proptest::prelude::*;
use tokio::sync::Semaphore;

use crate::audience::Audience;
use crate::broadcast::{Draft, created};
use crate::fake::{FakeLine, Received};
use crate::line::Line;
use crate::position::{Offset, Position};
use crate::returning::NotBack;
use crate::room::{Resumed, Unsent};
use crate::session::{NewSession, SocketSession, Token};
use crate::station::{GoLive, Pump, Station};

const USERS: usize = 3;
const CLIENTS: usize = 5;
const CHANNELS: usize = 2;
const WORKERS: usize = 2;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A message; how members get it, and how one user gets it who is an exception.
    Post {
        channel: usize,
        members: Delivery,
        exception: Option<(usize, Delivery)>,
    },
    Edit {
        channel: usize,
    },
    Member {
        channel: usize,
        user: usize,
    },
    Presence,
    /// A worker tells so many events.
    Pump {
        worker: usize,
        events: usize,
    },
    Connect {
        client: usize,
        worker: usize,
    },
    /// The first half of joining, then the second one.
    Enter {
        client: usize,
        channel: usize,
        since: bool,
    },
    Finish {
        client: usize,
    },
    Leave {
        client: usize,
        channel: usize,
    },
    /// Of what the client was not known to have got, this share has arrived, in 256ths.
    Lose {
        client: usize,
        share: u8,
    },
    ComeBack {
        client: usize,
        worker: usize,
    },
}

fn deliveries() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        Just(Delivery::Observe),
        Just(Delivery::Wake(WakeReason::General)),
        Just(Delivery::Wake(WakeReason::Mention)),
        Just(Delivery::Skip),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let (channel, client, worker) = (0..CHANNELS, 0..CLIENTS, 0..WORKERS);
    let post = (channel.clone(), deliveries(), proptest::option::of((0..USERS, deliveries())))
        .prop_map(|(channel, members, exception)| Step::Post { channel, members, exception });
    prop_oneof![
        8 => post,
        2 => channel.clone().prop_map(|channel| Step::Edit { channel }),
        2 => (channel.clone(), 0..USERS).prop_map(|(channel, user)| Step::Member { channel, user }),
        1 => Just(Step::Presence),
        8 => (worker.clone(), 1_usize..6).prop_map(|(worker, events)| Step::Pump { worker, events }),
        3 => (client.clone(), worker.clone()).prop_map(|(client, worker)| Step::Connect { client, worker }),
        4 => (client.clone(), channel.clone(), any::<bool>())
            .prop_map(|(client, channel, since)| Step::Enter { client, channel, since }),
        5 => client.clone().prop_map(|client| Step::Finish { client }),
        1 => (client.clone(), channel).prop_map(|(client, channel)| Step::Leave { client, channel }),
        3 => (client.clone(), any::<u8>()).prop_map(|(client, share)| Step::Lose { client, share }),
        4 => (client, worker).prop_map(|(client, worker)| Step::ComeBack { client, worker }),
    ]
}

/// What a client is due, and where that was told; nowhere, what it reads from the store.
type Due = (String, Option<Position>);

/// A client with a session.
struct Client {
    session: Arc<SocketSession>,
    line: Arc<FakeLine>,
    /// What it got over connections that it lost.
    before: Vec<Received>,
    is_lost: bool,
    joining: Option<Joining>,
    /// In which channels it is.
    inside: [bool; CHANNELS],
    due: [Vec<Due>; CHANNELS],
    due_to_all: Vec<Due>,
}

struct Joining {
    channel: usize,
    since: Option<u64>,
    /// Up to where it had been told everything when it entered.
    told: Position,
}

impl Client {
    /// Everything that it has got.
    fn received(&self) -> Vec<Received> {
        let mut received = self.before.clone();
        received.extend(self.line.received());
        received
    }

    fn last_seq(&self, channel: usize) -> Option<u64> {
        let seqs = self.received().into_iter().filter(|event| event.name == event::MESSAGE_CREATED);
        let seqs = seqs.filter(|event| event.payload["channelId"] == name(channel).as_str());
        seqs.filter_map(|event| event.payload["seq"].as_u64()).max()
    }
}

/// What a client has got of a channel, as the list has it.
fn got(received: &[Received], channel: usize) -> Vec<String> {
    let here = received.iter().filter(|event| event.payload["channelId"] == name(channel).as_str());
    here.filter_map(|event| match event.name.as_str() {
        event::MESSAGE_CREATED => {
            Some(entry(event.payload["seq"].as_u64().unwrap(), event.payload["wake"]["reason"].as_str()))
        }
        event::MESSAGE_UPDATED => Some(format!("edit {}", event.payload["content"])),
        _ => None,
    })
    .collect()
}

fn entry(seq: u64, reason: Option<&str>) -> String {
    format!("{seq} {}", reason.unwrap_or("-"))
}

fn got_by_all(received: &[Received]) -> Vec<String> {
    let all = received.iter().filter(|event| event.name == event::PRESENCE);
    all.map(|event| event.payload.to_string()).collect()
}

fn name(channel: usize) -> ChannelId {
    ChannelId::new(format!("c{channel}"))
}

fn user(number: usize) -> UserId {
    UserId::new(format!("u{number}"))
}

/// Only the first channel is public: who ends being a member may stay.
fn is_public(channel: usize) -> bool {
    channel == 0
}

struct World {
    audience: Arc<Audience>,
    pumps: Vec<Pump>,
    waiting: Arc<Semaphore>,
    clients: HashMap<usize, Client>,
    members: [[bool; USERS]; CHANNELS],
    versions: [u64; CHANNELS],
    seqs: [u64; CHANNELS],
    others: u64,
    returned: usize,
}

impl World {
    fn new() -> Self {
        let audience = Audience::new();
        let pumps = (0..WORKERS).map(|_| Pump::new(&audience)).collect();
        Self {
            audience,
            pumps,
            waiting: Arc::new(Semaphore::new(100_000)),
            clients: HashMap::new(),
            members: [[true, true, false]; CHANNELS],
            versions: [0; CHANNELS],
            seqs: [0; CHANNELS],
            others: 0,
            returned: 0,
        }
    }

    fn ticket(&self) -> Arc<tokio::sync::OwnedSemaphorePermit> {
        Arc::new(Arc::clone(&self.waiting).try_acquire_owned().expect("room"))
    }

    fn position(&self) -> Position {
        self.audience.order.lock().position()
    }

    fn user_of(client: usize) -> usize {
        client % USERS
    }

    fn station(&self, worker: usize) -> &Arc<Station> {
        &self.pumps[worker].station
    }

    fn commit(&mut self, channel: usize, event: Event) -> Position {
        self.versions[channel] += 1;
        let commit =
            Commit { channel_id: name(channel), version: self.versions[channel], events: vec![event] };
        self.audience.order.commit(commit, &self.audience.sessions, &self.ticket());
        self.position()
    }

    fn message(channel: usize, seq: u64, content: &str) -> Message {
        Message {
            id: MessageId::new(format!("{channel}-{seq}")),
            channel_id: name(channel),
            guild_id: GuildId::new("guild"),
            seq: Seq(seq),
            author: user(0),
            content: content.to_owned(),
            mentions: Vec::new(),
            attachments: Vec::new(),
            reply_to: None,
            created_at: Timestamp(0),
            edited_at: None,
            deleted_at: None,
            ack: None,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Post { channel, members, exception } => self.post(channel, members, exception),
            Step::Edit { channel } => self.edit(channel),
            Step::Member { channel, user } => self.change_member(channel, user),
            Step::Presence => self.tell_presence(),
            Step::Pump { worker, events } => self.pumps[worker].walk(&self.audience, events),
            Step::Connect { client, worker } => self.connect(client, worker),
            Step::Enter { client, channel, since } => self.enter(client, channel, since),
            Step::Finish { client } => self.finish(client),
            Step::Leave { client, channel } => self.leave(client, channel),
            Step::Lose { client, share } => self.lose(client, share),
            Step::ComeBack { client, worker } => self.come_back(client, worker),
        }
    }

    fn post(&mut self, channel: usize, members: Delivery, exception: Option<(usize, Delivery)>) {
        self.seqs[channel] += 1;
        let seq = self.seqs[channel];
        let exceptions: Vec<_> = exception.iter().map(|(who, how)| (user(*who), *how)).collect();
        let plan = DeliveryPlan::new(members, exceptions, true);
        let message = Self::message(channel, seq, "text");
        let event = Event::MessageCreated { message, channel_type: ChannelType::General, plan: plan.clone() };
        let at = self.commit(channel, event);
        let who = self.members[channel];
        for (number, client) in self.clients.iter_mut().filter(|(_, client)| client.inside[channel]) {
            let person = Self::user_of(*number);
            let delivery = plan.of(&user(person), who[person]);
            if delivery != Delivery::Skip {
                let reason = delivery.wakes().map(WakeReason::as_str);
                client.due[channel].push((entry(seq, reason), Some(at)));
            }
        }
    }

    fn edit(&mut self, channel: usize) {
        self.others += 1;
        let content = format!("edit {}", self.others);
        let at = self.commit(channel, Event::MessageUpdated(Self::message(channel, 1, &content)));
        for client in self.clients.values_mut().filter(|client| client.inside[channel]) {
            client.due[channel].push((format!("edit {content:?}"), Some(at)));
        }
    }

    fn change_member(&mut self, channel: usize, person: usize) {
        let is_joining =
            |client: &Client| client.joining.as_ref().is_some_and(|joining| joining.channel == channel);
        let theirs = |number: &usize| Self::user_of(*number) == person;
        if !is_public(channel)
            && self.clients.iter().any(|(number, client)| theirs(number) && is_joining(client))
        {
            return;
        }
        let is_member = !self.members[channel][person];
        self.members[channel][person] = is_member;
        let (who, channel_type, at) = (user(person), ChannelType::General, Timestamp(0));
        let event = if is_member {
            Event::MemberJoined { user: who, channel_type, at }
        } else {
            Event::MemberLeft { user: who, channel_type, at, may_read: is_public(channel) }
        };
        self.commit(channel, event);
        for (_, client) in self.clients.iter_mut().filter(|(number, _)| Self::user_of(**number) == person) {
            if is_member {
                client.inside[channel] = true;
            } else if !is_public(channel) {
                client.inside[channel] = false;
            }
        }
    }

    fn tell_presence(&mut self) {
        self.others += 1;
        let payload = serde_json::json!({ "number": self.others });
        let draft = Draft::new(event::PRESENCE, payload.clone());
        self.audience.order.tell_everybody(draft, &self.ticket());
        let at = self.position();
        for client in self.clients.values_mut() {
            client.due_to_all.push((payload.to_string(), Some(at)));
        }
    }

    fn connect(&mut self, number: usize, worker: usize) {
        if self.clients.contains_key(&number) {
            return;
        }
        let line = Arc::new(FakeLine::default());
        let new = NewSession {
            id: format!("s{number}").into(),
            line: Line::Fake(Arc::clone(&line)),
            caller: Caller { user_id: user(Self::user_of(number)), kind: UserKind::Human },
            token: Token::new("token", Timestamp(i64::MAX)),
            takes_offsets: true,
        };
        let station = self.station(worker);
        let (session, _) = self.audience.connect(new, station, 100).expect("room");
        let client = Client {
            session,
            line,
            before: Vec::new(),
            is_lost: false,
            joining: None,
            inside: [false; CHANNELS],
            due: [const { Vec::new() }; CHANNELS],
            due_to_all: Vec::new(),
        };
        self.clients.insert(number, client);
    }

    fn may_read(&self, number: usize, channel: usize) -> bool {
        is_public(channel) || self.members[channel][Self::user_of(number)]
    }

    /// What is not told yet is not told to whoever is not in the room.
    fn forget_untold(&mut self, number: usize, channel: usize) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        let told = client.session.station().lock().told_to(&client.session);
        client.due[channel].retain(|(_, at)| at.is_none_or(|at| at <= told));
    }

    fn enter(&mut self, number: usize, channel: usize, since: bool) {
        let may_read = self.may_read(number, channel);
        let Some(client) = self.clients.get(&number) else { return };
        let untold =
            client.session.person.changed() > client.session.station().lock().told_to(&client.session);
        if client.is_lost || client.joining.is_some() || !may_read || untold {
            return;
        }
        let since = since.then(|| client.last_seq(channel).unwrap_or_default());
        let session = Arc::clone(&client.session);
        let told = session.station().lock().told_to(&session);
        let was_in = session.station().is_in(&session, &name(channel));
        if !was_in {
            self.forget_untold(number, channel);
        }
        assert!(session.station().enter(&self.audience, &session, &name(channel)));
        let client = self.clients.get_mut(&number).unwrap();
        client.inside[channel] = true;
        client.joining = Some(Joining { channel, since, told });
    }

    /// As `joining.rs` does it.
    fn finish(&mut self, number: usize) {
        let Some(Joining { channel, since, told: told_before }) =
            self.clients.get_mut(&number).and_then(|client| client.joining.take())
        else {
            return;
        };
        let session = Arc::clone(&self.clients[&number].session);
        let (station, id) = (session.station(), name(channel));
        if !self.may_read(number, channel) {
            self.leave_room(number, channel);
            return;
        }
        let told = self.audience.order.told(&id, self.versions[channel]);
        if told.is_none_or(|told| !station.has_told(told)) {
            self.pumps[station.number].walk(&self.audience, usize::MAX);
        }
        let place = station.with(&session, &id, |occupant| {
            (occupant.first_held(), std::mem::replace(&mut occupant.resumed, Resumed::No))
        });
        let Some((first_held, resumed)) = place else { return };
        let resumed = match resumed {
            Resumed::From(seq) => Some(seq.0),
            Resumed::No | Resumed::Yes => None,
        };
        let after_last = self.seqs[channel] + 1;
        let end = first_held.map(|seq| seq.0).into_iter().chain(resumed).chain([after_last]).min().unwrap();
        let replayed: Vec<u64> = (since.map_or(end, |since| since + 1)..end).collect();
        let frames: Vec<Outgoing> = replayed
            .iter()
            .filter_map(|seq| created(Self::message(channel, *seq, "text"), ChannelType::General, None))
            .collect();
        let is_member = self.members[channel][Self::user_of(number)];
        let client = self.clients.get_mut(&number).unwrap();
        // After what it was sent before it joined, before what was held since.
        let place = client.due[channel].iter().position(|(_, at)| at.is_some_and(|at| at > told_before));
        let place = place.unwrap_or(client.due[channel].len());
        let entries = replayed.iter().map(|seq| (entry(*seq, None), None));
        client.due[channel].splice(place..place, entries);
        let mut unsent = None;
        for frame in frames {
            if let Some(Unsent { frame, .. }) = unsent.replace(Unsent { frame, wakes: None }) {
                client.line.send(&frame).unwrap();
            }
        }
        match station.go_live(&session, &id, is_member, &mut unsent) {
            GoLive::Live => {}
            GoLive::NotYet(held) => panic!("too many held: {}", held.len()),
        }
    }

    fn leave(&mut self, number: usize, channel: usize) {
        let Some(client) = self.clients.get(&number) else { return };
        let is_in = client.session.station().is_in(&client.session, &name(channel));
        // Who is about to be put in as a new member is put in after that.
        let untold =
            client.session.person.changed() > client.session.station().lock().told_to(&client.session);
        if is_in && !untold && !client.is_lost && client.joining.is_none() {
            self.leave_room(number, channel);
        }
    }

    fn leave_room(&mut self, number: usize, channel: usize) {
        self.forget_untold(number, channel);
        let client = self.clients.get_mut(&number).unwrap();
        client.inside[channel] = false;
        client.session.station().leave(&self.audience, &client.session, &name(channel));
    }

    fn lose(&mut self, number: usize, share: u8) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        if client.is_lost || client.joining.is_some() {
            return;
        }
        client.line.disconnect();
        let received = client.line.received();
        let arrived = received.len() * (usize::from(share) + 1) / 256;
        client.before.extend(received.into_iter().take(arrived));
        client.line = Arc::new(FakeLine::default());
        client.is_lost = true;
        let session = Arc::clone(&client.session);
        self.audience.park(&number.to_string(), &session, Timestamp(0));
    }

    fn come_back(&mut self, number: usize, worker: usize) {
        let Some(client) = self.clients.get_mut(&number).filter(|client| client.is_lost) else { return };
        let offset = client.before.iter().rev().find_map(|event| event.offset.clone());
        let (line, session) = (Line::Fake(Arc::clone(&client.line)), Arc::clone(&client.session));
        let Some(offset) = offset else { return self.give_up(number) };
        let offset = Offset::parse(&offset).expect("one of ours");
        let token = Token::new("token", Timestamp(i64::MAX));
        let back = loop {
            match self.audience.move_session(&session, &self.pumps[worker].station, &line, offset, &token) {
                Err(NotBack::NotYet) => {
                    self.pumps[session.station().number].walk(&self.audience, 1);
                }
                done => break done,
            }
        };
        match back {
            Ok(_) => {
                self.audience.sessions.unpark(&number.to_string());
                self.audience.sessions.come_back(&session);
                self.clients.get_mut(&number).unwrap().is_lost = false;
                self.returned += 1;
            }
            Err(_) => self.give_up(number),
        }
    }

    /// It does not come back. What it got was in order, once.
    fn give_up(&mut self, number: usize) {
        let Some(client) = self.clients.remove(&number) else { return };
        self.audience.sessions.unpark(&number.to_string());
        self.audience.disconnect(&client.session);
        for channel in 0..CHANNELS {
            let (got, due) = (got(&client.before, channel), texts(&client.due[channel]));
            assert!(due.starts_with(&got), "client {number} in {channel} got {got:?} of {due:?}");
        }
    }

    /// Everybody is told everything and is back.
    fn end(&mut self) {
        let numbers: Vec<usize> = self.clients.keys().copied().collect();
        for number in &numbers {
            self.finish(*number);
            self.come_back(*number, 0);
        }
        for pump in &mut self.pumps {
            pump.walk(&self.audience, usize::MAX);
        }
        for (number, client) in &self.clients {
            let received = client.received();
            for channel in 0..CHANNELS {
                let (got, due) = (got(&received, channel), texts(&client.due[channel]));
                assert_eq!(got, due, "client {number} in {channel}");
            }
            assert_eq!(got_by_all(&received), texts(&client.due_to_all), "client {number}");
        }
        let sessions: Vec<_> = self.clients.drain().map(|(_, client)| client.session).collect();
        for session in sessions {
            self.audience.disconnect(&session);
        }
        assert!(self.audience.order.lock().is_idle(), "what nobody is in is not kept");
    }
}

fn texts(due: &[Due]) -> Vec<String> {
    due.iter().map(|(text, _)| text.clone()).collect()
}

fn play(steps: Vec<Step>) -> usize {
    let mut world = World::new();
    for step in steps {
        world.take(step);
    }
    world.end();
    world.returned
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_client_gets_what_it_is_due_in_order_and_once(steps in proptest::collection::vec(steps(), 1..250)) {
        play(steps);
    }
}

#[test]
fn most_who_lost_their_connection_come_back() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let all = proptest::collection::vec(steps(), 250);
    let mut histories = (0..100).map(|_| all.new_tree(&mut runner).expect("a history").current());
    let returned: usize = histories.by_ref().map(play).sum();
    assert!(returned > 50, "{returned} came back in 100 histories");
}
