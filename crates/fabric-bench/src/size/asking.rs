//! The questions, and how long their answers take: use cases on a real store, without HTTP around them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric_domain::decisions::Post;
use fabric_domain::model::{Author, Caller, Seq};
use fabric_domain::ports::{SeqRange, Store};
use fabric_domain::rules::search::Query;
use fabric_domain::services::Find;
use fabric_store_seaorm::SqlStore;
use fabric_testkit::{Recorder, TestClock, TestGuild};

use super::making::{Guild, READER, created_at, message_id};
use super::text;
use crate::Outcome;
use crate::rng::Rng;

/// Messages of a page, as clients ask for them.
const PAGE: u32 = 50;

/// How long the answers to one question took.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) name: &'static str,
    pub(super) median: Duration,
    /// Of a hundred answers one takes longer.
    pub(super) slow: Duration,
}

/// Asks everything so many times.
pub(super) async fn ask(url: &str, made: &Guild, samples: usize) -> Outcome<Vec<Answered>> {
    let published = Arc::new(Recorder::default());
    let store = SqlStore::open(url, false, Arc::new(TestClock::default()), Arc::clone(&published) as _).await;
    let store: Arc<dyn Store> = Arc::new(store.map_err(|error| format!("no store: {error}"))?);
    let guild = TestGuild::on(store, published);
    let asking = Asking { reader: guild.human(READER), guild, made, samples };
    asking.all().await
}

struct Asking<'a> {
    guild: TestGuild,
    reader: Caller,
    made: &'a Guild,
    samples: usize,
}

impl Asking<'_> {
    async fn all(&self) -> Outcome<Vec<Answered>> {
        let last = self.made.largest().last_seq;
        let page = |from: u64| SeqRange { from: Some(Seq(from)), to: None };
        Ok(vec![
            self.pages("page of history, newest", |_| SeqRange::default()).await?,
            self.pages("page of history, anywhere", |rng| page(1 + below(rng, last))).await?,
            self.pages("page of history, oldest", |_| page(1)).await?,
            self.pages("what a client missed (10 messages)", |_| page(last.saturating_sub(9))).await?,
            self.channels().await?,
            self.messages().await?,
            self.posts().await?,
            self.searches("search: a rare word", text::RARE, None).await?,
            self.searches("search: a common word", &text::word(1), None).await?,
            self.searches("search: two words", &format!("{} {}", text::word(1), text::word(40)), None)
                .await?,
            self.searches("search: a common word in one channel", &text::word(1), Some(20)).await?,
        ])
    }

    async fn pages(&self, name: &'static str, range: impl Fn(&mut Rng) -> SeqRange) -> Outcome<Answered> {
        let (guild, channel) = (&self.guild.guild, &self.made.largest().id);
        self.timed(name, async |rng| {
            let range = range(rng);
            let page = guild.messages(&self.reader, channel, range, PAGE).await;
            page.map(|page| page.messages.len()).map_err(|error| error.to_string())
        })
        .await
    }

    /// All channels with unread counts.
    async fn channels(&self) -> Outcome<Answered> {
        self.timed("channels and unread counts", async |_| {
            let rows = self.guild.guild.channels(&self.reader).await;
            rows.map(|rows| rows.len()).map_err(|error| error.to_string())
        })
        .await
    }

    async fn messages(&self) -> Outcome<Answered> {
        let largest = self.made.largest();
        self.timed("one message by its id", async |rng| {
            let seq = 1 + below(rng, largest.last_seq);
            let id = message_id(0, seq, created_at(0, seq, largest.last_seq));
            let message = self.guild.guild.message(&self.reader, &largest.id, &id).await;
            message.map(|_| 1).map_err(|error| error.to_string())
        })
        .await
    }

    async fn posts(&self) -> Outcome<Answered> {
        let largest = self.made.largest();
        self.timed("post", async |_| {
            let post = Post::text("a message of an ordinary length, say.");
            let author = Author::User(self.reader.clone());
            let posted = self.guild.guild.post(&author, &largest.id, post, None).await;
            posted.map(|_| 1).map_err(|error| error.to_string())
        })
        .await
    }

    /// The newest messages with these words, anywhere or in one of the channels.
    async fn searches(&self, name: &'static str, words: &str, channel: Option<usize>) -> Outcome<Answered> {
        let find = Find {
            query: Query::parse(words).map_err(|error| format!("{name}: {error:?}"))?,
            channel: channel.map(|place| self.made.channels[place].id.clone()),
            author: None,
            before: None,
            limit: 25,
        };
        self.timed(name, async |_| {
            let found = self.guild.guild.search(&self.reader, find.clone()).await;
            found.map(|found| found.hits.len()).map_err(|error| error.to_string())
        })
        .await
    }

    /// Asks one question many times; every answer has something in it.
    async fn timed(
        &self,
        name: &'static str,
        question: impl AsyncFn(&mut Rng) -> Outcome<usize>,
    ) -> Outcome<Answered> {
        let mut rng = Rng::new(7);
        let mut all = Vec::with_capacity(self.samples);
        for _ in 0..self.samples {
            let began = Instant::now();
            let found = question(&mut rng).await.map_err(|error| format!("{name}: {error}"))?;
            all.push(began.elapsed());
            crate::ensure!(found > 0, "{name}: nothing was found");
        }
        all.sort_unstable();
        let at = |percent: usize| all[(all.len() * percent / 100).min(all.len() - 1)];
        Ok(Answered { name, median: at(50), slow: at(99) })
    }
}

fn below(rng: &mut Rng, bound: u64) -> u64 {
    rng.number() % bound.max(1)
}
