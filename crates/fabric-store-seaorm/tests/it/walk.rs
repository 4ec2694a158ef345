//! Random work on a store, through every use case.

use std::sync::Arc;

use fabric_domain::decisions::{ChannelPatch, CreateChannel, Post};
use fabric_domain::model::{
    Author, Caller, ChannelId, ChannelType, MessageId, PresenceStatus, Seq, SettingsPatch, UserId,
};
use fabric_domain::ports::{Reader, Search, SeqRange, SettledWakes, Store};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::search::Query;
use fabric_domain::rules::turn::Seat;
use fabric_domain::services::{CommandRequest, Find, RequestKey};
use fabric_testkit::{Recorder, TestGuild};

/// `a` and `A`, and `b` and `b `, are four users.
pub(crate) const USERS: &[&str] = &["a", "A", "b", "b ", "ç", "🧵"];
const WORDS: &[&str] =
    &["one", "Zwei  ", "<@a>", "<@A>", "<@ç>", "`<@b>`", "/no-reply", "/force-proceed", "🧶'\\%"];

const QUERIES: &[&str] =
    &["ONE", "zwei", "zw*", "one a", "A", "ç", "c", "b zwei", "🧶", "no reply", "nobody*", "a A one"];

/// `splitmix64`: the same numbers everywhere.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }

    fn users(&mut self) -> Vec<UserId> {
        (0..self.roll(4)).map(|_| self.pick(USERS).into()).collect()
    }
}

/// One store's side of the walk.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) guild: TestGuild,
    pub(crate) dice: Dice,
    pub(crate) channels: Vec<ChannelId>,
}

impl Side {
    pub(crate) fn new(
        name: &'static str,
        store: Arc<dyn Store>,
        published: Arc<Recorder>,
        seed: u64,
    ) -> Self {
        let guild = TestGuild::on(store, published);
        for user in USERS {
            guild.human(user);
        }
        Self { name, guild, dice: Dice(seed), channels: Vec::new() }
    }

    fn caller(&mut self) -> Caller {
        let user = self.dice.pick(USERS);
        if user == "🧵" { self.guild.agent(user) } else { self.guild.human(user) }
    }

    fn channel(&mut self) -> ChannelId {
        if self.dice.roll(20) == 0 || self.channels.is_empty() {
            return "no such channel".into();
        }
        let place = self.dice.roll(self.channels.len());
        self.channels[place].clone()
    }

    async fn create(&mut self) -> String {
        // Lists are by creation, so no two are created at once.
        self.guild.clock.advance_seconds(1);
        let new = CreateChannel {
            name: format!("{} ", self.dice.pick(WORDS)),
            channel_type: ChannelType::ALL[self.dice.roll(ChannelType::ALL.len())],
            is_public: self.dice.roll(3) == 0,
            members: self.dice.users(),
            wake_mapping: Vec::new(),
            bypass: self.dice.users(),
            purpose: None,
            settings: SettingsPatch { turn_timeout_seconds: Some(30), ..SettingsPatch::default() },
        };
        let creator = self.caller();
        let created = self.guild.create_channel(&creator, new).await;
        self.channels.extend(created.as_ref().ok().map(|row| row.channel.id.clone()));
        format!("{created:?}")
    }

    /// Some message of the channel, or none.
    async fn message(&mut self, channel: &ChannelId) -> MessageId {
        let store = Arc::clone(&self.guild.store);
        let page = store.page(channel, SeqRange::default(), 20).await.unwrap();
        let place = self.dice.roll(page.len() + 1);
        page.get(place).map_or_else(|| "no such message".into(), |message| message.id.clone())
    }

    async fn post(&mut self, channel: &ChannelId) -> String {
        let content = (0..=self.dice.roll(3)).map(|_| self.dice.pick(WORDS)).collect::<Vec<_>>().join(" ");
        let reply_to = if self.dice.roll(5) == 0 { Some(self.message(channel).await) } else { None };
        let key = ["k", "K", "k "].get(self.dice.roll(9)).map(|key| RequestKey::parse(key).unwrap());
        let author = match self.dice.roll(8) {
            0 => Author::System { wakeup: Some(self.dice.pick(USERS).into()) },
            _ => Author::User(self.caller()),
        };
        format!(
            "{:?}",
            self.guild.guild.post(&author, channel, Post { reply_to, ..Post::text(content) }, key).await
        )
    }

    async fn search(&mut self, caller: &Caller, channel: ChannelId) -> String {
        let before = if self.dice.roll(3) == 0 { Some(self.message(&channel).await) } else { None };
        let find = Find {
            query: Query::parse(self.dice.pick(QUERIES)).unwrap(),
            channel: (self.dice.roll(3) == 0).then_some(channel),
            author: (self.dice.roll(3) == 0).then(|| self.dice.pick(USERS).into()),
            before,
            limit: u32::try_from(1 + self.dice.roll(9)).unwrap(),
        };
        format!("{:?}", self.guild.guild.search(caller, find).await)
    }

    /// One random act; what was answered.
    pub(crate) async fn step(&mut self) -> String {
        let act = self.dice.roll(43);
        if act == 0 || self.channels.len() < 2 {
            return self.create().await;
        }
        let (caller, id) = (self.caller(), self.channel());
        let store = Arc::clone(&self.guild.store);
        match act {
            1 => format!("{:?}", self.guild.guild.join(&caller, &id).await),
            2 => format!("{:?}", self.guild.guild.leave(&caller, &id).await),
            3 => format!("{:?}", self.guild.add_members(&caller, &id, self.dice.users()).await),
            4 => {
                let user = self.dice.pick(USERS).into();
                format!("{:?}", self.guild.guild.remove_member(&caller, &id, &user).await)
            }
            5 => format!("{:?}", self.guild.guild.set_wake_mapping(&caller, &id, self.dice.users()).await),
            6 => {
                let seat = if self.dice.roll(2) == 0 { Seat::Order } else { Seat::Bypass };
                let user = self.dice.pick(USERS).into();
                format!("{:?}", self.guild.guild.set_seat(&caller, &id, &user, seat).await)
            }
            7 => format!("{:?}", self.guild.guild.close_channel(&caller, &id).await),
            8 | 9 => format!("{:?}", self.guild.guild.reopen_channel(&caller, &id).await),
            10 => {
                let patch = ChannelPatch {
                    name: Some(self.dice.pick(WORDS).to_owned()),
                    purpose: Some(self.dice.pick(WORDS).to_owned()),
                    settings: None,
                };
                format!("{:?}", self.guild.guild.patch_channel(&caller, &id, patch).await)
            }
            11 | 12 => {
                let message = self.message(&id).await;
                let text = self.dice.pick(WORDS).to_owned();
                let edited = self.guild.guild.edit(&caller, &id, &message, text).await;
                format!("{edited:?} {:?}", self.guild.guild.revisions(&caller, &id, &message).await)
            }
            13 => {
                let message = self.message(&id).await;
                format!("{:?}", self.guild.guild.delete(&caller, &id, &message).await)
            }
            14 | 15 => {
                let seq = Seq(self.dice.roll(30) as u64);
                format!("{:?}", self.guild.guild.mark_read(&caller, &id, seq).await)
            }
            16 => {
                let status = if self.dice.roll(2) == 0 { PresenceStatus::Busy } else { PresenceStatus::Idle };
                let user = caller.user_id.clone();
                format!("{:?}", self.guild.guild.set_presence(&caller, &user, status, None).await)
            }
            17 | 18 => {
                self.guild.clock.advance_seconds(i64::try_from(self.dice.roll(40)).unwrap());
                format!("{:?}", self.guild.guild.expire_turns().await)
            }
            19..=21 => {
                let command = if self.dice.roll(3) == 0 { Command::ForceProceed } else { Command::NoReply };
                let key = (self.dice.roll(3) == 0).then(|| RequestKey::parse("k").unwrap());
                format!(
                    "{:?}",
                    self.guild.guild.command(&caller, &id, command, CommandRequest::default(), key).await
                )
            }
            22 => {
                let mut bound = || (self.dice.roll(2) == 0).then(|| Seq(self.dice.roll(20) as u64));
                let range = SeqRange { from: bound(), to: bound() };
                format!("{:?}", self.guild.guild.messages(&caller, &id, range, 5).await)
            }
            23 => {
                let owed = store.missed_wakes(&id, &caller.user_id).await;
                let seq = Seq(self.dice.roll(30) as u64);
                let settled = vec![SettledWakes { channel: id, user: caller.user_id, seq }];
                store.settle_wakes(settled).await.unwrap();
                format!("{owed:?}")
            }
            24 if self.dice.roll(4) == 0 => {
                self.guild.clock.advance_seconds(10 * 24 * 3_600);
                format!("{:?}", self.guild.guild.erase_deleted().await)
            }
            24 => format!("{:?}", self.guild.guild.channels(&caller).await),
            25..=27 => self.search(&caller, id).await,
            _ => self.post(&id).await,
        }
    }

    /// The channel with the most messages.
    pub(crate) async fn busiest(&self) -> ChannelId {
        let store = &self.guild.store;
        let mut busiest = (Seq::ZERO, None);
        for id in &self.channels {
            let last_seq = store.load(id).await.unwrap().unwrap().channel.last_seq;
            busiest = busiest.max((last_seq, Some(id.clone())));
        }
        busiest.1.expect("a channel")
    }

    /// All that can be read.
    pub(crate) async fn everything(&self) -> Vec<String> {
        let store = &self.guild.store;
        let mut seen = Vec::new();
        for id in &self.channels {
            seen.push(format!("{:?}", store.load(id).await.unwrap()));
            let range = SeqRange { from: Some(Seq(1)), to: None };
            for message in store.page(id, range, 10_000).await.unwrap() {
                seen.push(format!("{message:?} {:?}", store.revisions(&message.id).await.unwrap()));
            }
        }
        for user in USERS {
            for query in QUERIES {
                let query = Query::parse(query).unwrap();
                let reader = Reader { user: (*user).into(), reads_triage: *user == "a" };
                let search =
                    Search { query, reader, channel: None, author: None, before: None, limit: 1_000 };
                seen.push(format!("{:?}", store.search(&search).await.unwrap()));
            }
            seen.push(format!("{:?}", store.list(&(*user).into()).await.unwrap()));
            seen.push(format!("{:?}", store.presence(&(*user).into()).await.unwrap()));
        }
        seen
    }
}
