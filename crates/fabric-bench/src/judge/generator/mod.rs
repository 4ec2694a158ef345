//! The load generator: one thread that holds all sockets and all connections that post, and checks everything
//! that arrives.
//!
//! It must cost less than what it measures, so it reads large pieces into one buffer, looks for two numbers in
//! each frame, and allocates nothing on the way.

mod ledger;
mod poster;
mod socket;
mod text;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::{Outcome, ensure};
use ledger::Ledger;
use poster::{Address, Poster};
use socket::{Desk, Socket};
use text::Finder;

pub(super) use socket::Seat;

/// Bytes that are read at a time.
const BUFFER: usize = 512 * 1024;
/// Tokens from here on are those of posters.
const POSTERS: usize = 1 << 32;
/// How long what is under way may take to arrive at last.
const PATIENCE: Duration = Duration::from_mins(1);
/// A post that is due this soon is waited for awake, for sleeping is only exact to a millisecond.
const NEAR: Duration = Duration::from_millis(2);

/// How posts are sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Load {
    /// So many under way at any time: the next one follows when one is acknowledged and has arrived everywhere.
    InFlight(usize),
    /// So many a second, however long they take.
    PerSecond(f64),
}

/// What happened in a stretch of time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) seconds: f64,
    pub(super) posts: u64,
    pub(super) deliveries: u64,
    pub(super) bytes: u64,
}

/// See the module.
pub(super) struct Generator {
    server: SocketAddr,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    finder: Finder,
    answers: Finder,
    ledger: Ledger,
    sockets: Vec<Socket>,
    posters: Vec<Poster>,
    channels: Vec<Address>,
    /// Characters of a post's content.
    content: usize,
    /// Posts so far, for taking channels and posters in turn.
    turn: usize,
    /// When the next post is due.
    due: Instant,
    /// Handshakes to be awaited.
    joining: usize,
}

impl Generator {
    /// For the server at this address; contents will have `content` characters.
    pub(super) fn new(server: SocketAddr, content: usize) -> Outcome<Self> {
        let poll = Poll::new().map_err(|error| format!("no poll: {error}"))?;
        Ok(Self {
            server,
            poll,
            events: Events::with_capacity(1024),
            buffer: vec![0; BUFFER],
            finder: Finder::default(),
            answers: Finder::default(),
            ledger: Ledger::default(),
            sockets: Vec::new(),
            posters: Vec::new(),
            channels: Vec::new(),
            content,
            turn: 0,
            due: Instant::now(),
            joining: 0,
        })
    }

    /// A channel to post to.
    pub(super) fn channel(&mut self, id: &str) {
        let channel = self.ledger.open();
        self.channels.push(Address { id: id.to_owned(), channel });
    }

    /// So many connections that post, for each of these tokens in turn.
    pub(super) fn posters(&mut self, count: usize, tokens: &[String]) -> Outcome {
        for token in tokens.iter().cycle().take(count) {
            let mut poster = Poster::dial(self.server, token.clone())?;
            let key = Token(POSTERS + self.posters.len());
            let registered = self.poll.registry().register(&mut poster.stream, key, Interest::READABLE);
            registered.map_err(|error| error.to_string())?;
            self.posters.push(poster);
        }
        Ok(())
    }

    /// Connects sockets, `at_once` at a time, and waits until all have joined; answers how long that took.
    pub(super) fn connect(
        &mut self,
        seats: impl IntoIterator<Item = Seat>,
        at_once: usize,
    ) -> Outcome<Duration> {
        let (began, mut seats) = (Instant::now(), seats.into_iter());
        loop {
            while self.joining < at_once
                && let Some(seat) = seats.next()
            {
                self.dial(seat)?;
            }
            if self.joining == 0 {
                return Ok(began.elapsed());
            }
            let before = Instant::now();
            self.turn(Some(PATIENCE))?;
            ensure!(before.elapsed() < PATIENCE, "{} sockets do not get in", self.joining);
        }
    }

    /// Cuts all sockets.
    pub(super) fn hang_up(&mut self) {
        self.sockets.clear();
        self.ledger.everybody_left();
    }

    fn dial(&mut self, seat: Seat) -> Outcome {
        let channel = self.channels.iter().find(|channel| channel.id == seat.channel);
        let channel = channel.ok_or("a seat in an unknown channel")?.channel;
        let number = self.sockets.len();
        let mut socket = Socket::dial(self.server, number, seat, channel)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut socket.stream, Token(number), interest);
        registered.map_err(|error| error.to_string())?;
        self.sockets.push(socket);
        self.joining += 1;
        Ok(())
    }

    /// Posts for so long.
    pub(super) fn play(&mut self, load: Load, time: Duration) -> Outcome<Count> {
        let began = Instant::now();
        let before = (self.ledger.done, self.ledger.deliveries, self.ledger.bytes);
        self.due = began;
        let mut last = began;
        loop {
            let now = Instant::now();
            if now.duration_since(began) >= time {
                break;
            }
            self.start_posts(load, now)?;
            let until = match load {
                Load::InFlight(_) => Duration::from_millis(100),
                Load::PerSecond(_) => self.due.saturating_duration_since(Instant::now()),
            };
            let patience = if until < NEAR { Duration::ZERO } else { until.saturating_sub(NEAR / 2) };
            if self.turn(Some(patience))? {
                last = now;
            }
            ensure!(now.duration_since(last) < PATIENCE, "nothing comes any more");
        }
        Ok(Count {
            seconds: began.elapsed().as_secs_f64(),
            posts: self.ledger.done - before.0,
            deliveries: self.ledger.deliveries - before.1,
            bytes: self.ledger.bytes - before.2,
        })
    }

    /// As [`Generator::play`], but answers, for each receipt of a post that was sent in that time, how many
    /// microseconds after the post was due it came.
    pub(super) fn play_for_receipts(&mut self, load: Load, time: Duration) -> Outcome<Vec<u32>> {
        self.settle()?;
        self.ledger.receipts = Some(Vec::new());
        self.play(load, time)?;
        self.settle()?;
        Ok(self.ledger.receipts.take().unwrap_or_default())
    }

    /// Waits until all that was posted is acknowledged and has arrived everywhere, and checks the end.
    pub(super) fn settle(&mut self) -> Outcome {
        let until = Instant::now() + PATIENCE;
        while self.ledger.under_way() > 0 {
            ensure!(Instant::now() < until, "{} posts did not arrive everywhere", self.ledger.under_way());
            self.turn(Some(Duration::from_millis(100)))?;
        }
        self.sockets.iter().try_for_each(|socket| socket.check_end(&self.ledger))
    }

    fn start_posts(&mut self, load: Load, now: Instant) -> Outcome {
        loop {
            let (is_time, due) = match load {
                Load::InFlight(most) => (self.ledger.under_way() < most as u64, now),
                Load::PerSecond(_) => (self.due <= now, self.due),
            };
            if !is_time {
                return Ok(());
            }
            let count = self.posters.len();
            let free = (0..count).map(|step| (self.turn + step) % count);
            let Some(free) = free.into_iter().find(|place| self.posters[*place].is_free()) else {
                return Ok(());
            };
            if let Load::PerSecond(rate) = load {
                self.due += Duration::from_secs_f64(1.0 / rate);
            }
            let address = &self.channels[self.turn % self.channels.len()];
            let post = self.ledger.posting(address.channel, due);
            self.posters[free].post(&address.id, post, self.content)?;
            self.turn += 1;
        }
    }

    /// Takes what there is to read, or waits for it; says whether there was anything.
    fn turn(&mut self, patience: Option<Duration>) -> Outcome<bool> {
        self.poll.poll(&mut self.events, patience).map_err(|error| format!("poll: {error}"))?;
        for event in &self.events {
            let Token(token) = event.token();
            if let Some(poster) = token.checked_sub(POSTERS) {
                self.posters[poster].read(&mut self.buffer, &mut self.ledger, &mut self.answers)?;
                continue;
            }
            let socket = &mut self.sockets[token];
            if event.is_writable() {
                socket.upgrade()?;
            }
            if event.is_readable() {
                let mut desk =
                    Desk { buffer: &mut self.buffer, ledger: &mut self.ledger, finder: &mut self.finder };
                let is_live_now = socket.read(&mut desk)?;
                self.joining -= usize::from(is_live_now);
            }
        }
        Ok(!self.events.is_empty())
    }
}
