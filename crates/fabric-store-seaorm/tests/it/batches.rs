//! Many writes in one transaction, on channels that are kept in memory.

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use fabric_domain::decisions::{ChannelPatch, Commit, CreateChannel, Post};
use fabric_domain::model::{
    Author, ChannelId, ChannelType, MessageId, PostOutcome, Presence, PresenceStatus, Refusal, Seq,
    SettingsPatch,
};
use fabric_domain::ports::{ChannelStore, Publisher, SeqRange, Store};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::turn::Seat;
use fabric_domain::services::{CommandRequest, RequestKey, ServiceError};
use fabric_store_seaorm::{Options, SqlStore};
use fabric_testkit::{MemoryStore, Recorder, TestClock, TestGuild};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::sync::Semaphore;

use crate::databases::{self, Fresh};
use crate::walk::{Dice, USERS};

on_each_database!(
    a_batch_gives_what_its_writes_give_one_by_one,
    the_same_key_twice_in_one_batch_is_one_message,
    a_write_that_fails_takes_none_of_its_batch_with_it,
    a_batch_of_posts_is_as_many_statements_as_one_post,
    a_post_reads_no_members_however_many_there_are,
    who_sits_where_is_written_only_when_it_changes,
    a_seat_that_cannot_be_written_is_not_given,
    processes_that_take_turns_see_what_the_other_has_written,
    who_may_not_write_is_told_so_by_what_another_process_has_written,
    members_who_come_and_go_stay_in_order,
);

/// A publisher that holds what is committed until it is let go, and remembers it.
struct Held {
    open: Semaphore,
    /// How many commits were published or are held.
    arrived: AtomicU64,
    told: Arc<Recorder>,
}

impl Held {
    fn new() -> Arc<Self> {
        let open = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { open, arrived: AtomicU64::new(0), told: Arc::default() })
    }

    /// Holds all that follows.
    fn hold(&self) {
        self.open.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn let_go(&self) {
        self.open.add_permits(Semaphore::MAX_PERMITS - self.open.available_permits());
    }
}

#[async_trait]
impl Publisher for Held {
    async fn publish(&self, commit: Commit) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let _passes = self.open.acquire().await.expect("it is never closed");
        self.told.publish(commit).await;
    }

    async fn presence(&self, presence: Presence) {
        self.told.presence(presence).await;
    }
}

/// A guild on a database, whose store can be made to take many writes into one transaction.
struct Batching {
    guild: TestGuild,
    held: Arc<Held>,
    statements: Arc<Mutex<Vec<String>>>,
}

type Act<'a> = Pin<Box<dyn Future<Output = String> + 'a>>;

impl Batching {
    async fn on(fresh: &Fresh, first_id: u64) -> Self {
        let (held, statements) = (Held::new(), Arc::<Mutex<Vec<String>>>::default());
        let noted = Arc::clone(&statements);
        let observer = Arc::new(move |info: &sea_orm::metric::Info<'_>| {
            noted.lock().push(info.statement.sql.clone());
        });
        let (clock, publisher) = (Arc::new(TestClock::default()), Arc::clone(&held));
        let options = Options { observer: Some(observer), index_by_hand: true };
        let store = SqlStore::open_with(&fresh.url, true, clock, publisher, options).await.unwrap();
        let guild = TestGuild::on(Arc::new(store), Arc::clone(&held.told));
        guild.ids.begin_at(first_id);
        Self { guild, held, statements }
    }

    async fn channel(&self, channel_type: ChannelType) -> ChannelId {
        channel(&self.guild, channel_type).await
    }

    /// What these answer, in order; all in one transaction that begins after a post of Alice's.
    async fn together<'a>(&'a self, id: &'a ChannelId, acts: Vec<Act<'a>>) -> Vec<String> {
        self.held.hold();
        let arrived = self.held.arrived.load(Ordering::SeqCst);
        let mut first: Act<'a> = Box::pin(post(&self.guild, "alice", id, "first", None));
        // Until it is committed and held, or refused.
        while (&mut first).now_or_never().is_none() && self.held.arrived.load(Ordering::SeqCst) == arrived {
            tokio::task::yield_now().await;
        }
        let is_held = self.held.arrived.load(Ordering::SeqCst) > arrived;
        let mut waiting = Vec::new();
        for mut act in acts {
            // Handed over, in this order.
            assert_eq!((&mut act).now_or_never(), None);
            waiting.push(act);
        }
        self.statements.lock().clear();
        self.held.let_go();
        if is_held {
            first.await;
        }
        futures_util::future::join_all(waiting).await
    }

    /// The statements since the last batch began.
    fn statements(&self) -> Vec<String> {
        std::mem::take(&mut *self.statements.lock())
    }
}

async fn channel(guild: &TestGuild, channel_type: ChannelType) -> ChannelId {
    let new = CreateChannel {
        members: vec!["a".into(), "b".into()],
        settings: SettingsPatch { turn_timeout_seconds: Some(30), ..SettingsPatch::default() },
        ..CreateChannel::new("room", channel_type)
    };
    guild.create_channel(&guild.human("alice"), new).await.unwrap().channel.id
}

/// The answer to a post.
async fn post(guild: &TestGuild, user: &str, id: &ChannelId, text: &str, key: Option<&str>) -> String {
    let author = Author::User(guild.human(user));
    let key = key.map(|key| RequestKey::parse(key).unwrap());
    format!("{:?}", guild.guild.post(&author, id, Post::text(text), key).await)
}

/// A random act of which the store gets one write, at once.
fn act<'a>(guild: &'a TestGuild, id: &'a ChannelId, dice: &mut Dice) -> Act<'a> {
    let user = USERS[dice.roll(USERS.len())];
    let other = USERS[dice.roll(USERS.len())];
    let caller = guild.human(if dice.roll(3) == 0 { user } else { "alice" });
    let number = dice.roll(60);
    let message = MessageId::new(format!("m{number:08}"));
    let domain = &guild.guild;
    for user in USERS {
        guild.human(user);
    }
    match dice.roll(22) {
        0 => Box::pin(async move { told(domain.join(&caller, id).await) }),
        1 => Box::pin(async move { told(domain.leave(&guild.human(user), id).await) }),
        2 | 3 => {
            Box::pin(
                async move { told(guild.add_members(&caller, id, vec![user.into(), other.into()]).await) },
            )
        }
        4 => Box::pin(async move { told(domain.remove_member(&caller, id, &other.into()).await) }),
        5 => Box::pin(async move {
            told(domain.set_wake_mapping(&caller, id, vec![user.into(), other.into()]).await)
        }),
        6 => {
            let seat = if number.is_multiple_of(2) { Seat::Order } else { Seat::Bypass };
            Box::pin(async move { told(domain.set_seat(&caller, id, &other.into(), seat).await) })
        }
        7 => Box::pin(async move { told(domain.close_channel(&caller, id).await) }),
        8 | 9 => Box::pin(async move { told(domain.reopen_channel(&guild.human("alice"), id).await) }),
        10 => {
            let patch = ChannelPatch { purpose: Some(number.to_string()), ..ChannelPatch::default() };
            Box::pin(async move { told(domain.patch_channel(&caller, id, patch).await) })
        }
        11 | 12 => {
            Box::pin(async move { told(domain.edit(&caller, id, &message, format!("edit {number}")).await) })
        }
        13 => Box::pin(async move { told(domain.delete(&caller, id, &message).await) }),
        14 => {
            let command = if number.is_multiple_of(3) { Command::ForceProceed } else { Command::NoReply };
            let asked = CommandRequest::default();
            Box::pin(async move { told(domain.command(&caller, id, command, asked, None).await) })
        }
        15 => {
            let status = if number.is_multiple_of(2) { PresenceStatus::Busy } else { PresenceStatus::Idle };
            let user = guild.human(user);
            Box::pin(async move { told(domain.set_presence(&user, &user.user_id, status, None).await) })
        }
        16 => {
            let reply = Post { reply_to: Some(message), ..Post::text("a reply") };
            Box::pin(async move { told(domain.post(&Author::User(caller), id, reply, None).await) })
        }
        17 => {
            let key = RequestKey::parse(["k", "K"][number % 2]).unwrap();
            let text = ["same", "other"][number % 2];
            Box::pin(async move {
                told(domain.post(&Author::User(caller), id, Post::text(text), Some(key)).await)
            })
        }
        _ => {
            let text = format!("{number} <@{other}>");
            Box::pin(
                async move { told(domain.post(&Author::User(caller), id, Post::text(text), None).await) },
            )
        }
    }
}

/// Of some answers only that there is one: they show the channel as it is when they are given, which is later here than
/// there.
fn told<T>(answer: Result<T, ServiceError>) -> String {
    match answer {
        Err(ServiceError::Refused(Refusal::ChannelNotFound)) | Ok(_) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

async fn a_batch_gives_what_its_writes_give_one_by_one(fresh: Fresh) {
    let seed = std::env::var("FABRIC_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    let batching = Batching::on(&fresh, 0).await;
    let published = Arc::new(Recorder::default());
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&published) as _));
    let single = TestGuild::on(memory, published);
    let mut dice = Dice(seed);
    for channel_type in [ChannelType::Discuss, ChannelType::General, ChannelType::Triage] {
        let id = batching.channel(channel_type).await;
        assert_eq!(channel(&single, channel_type).await, id);
        for round in 0..12 {
            let place = format!("{channel_type}, round {round} of FABRIC_SEED={seed}");
            let mut same = dice.clone();
            let acts = (0..24).map(|_| act(&batching.guild, &id, &mut dice)).collect();
            let together = batching.together(&id, acts).await;
            post(&single, "alice", &id, "first", None).await;
            for (number, answer) in together.into_iter().enumerate() {
                assert_eq!(act(&single, &id, &mut same).await, answer, "act {number} of {place}");
            }
            let (commits, expected) = (batching.held.told.take(), single.published.take());
            assert_eq!(commits, expected, "{place}");
            let store = &batching.guild.store;
            assert_eq!(store.load(&id).await.unwrap(), single.store.load(&id).await.unwrap(), "{place}");
            let range = SeqRange { from: Some(Seq(1)), to: None };
            let page = store.page(&id, range, 10_000).await.unwrap();
            assert_eq!(page, single.store.page(&id, range, 10_000).await.unwrap(), "{place}");
            for message in &page {
                let former = store.revisions(&message.id).await.unwrap();
                assert_eq!(former, single.store.revisions(&message.id).await.unwrap(), "{place}");
            }
            for user in USERS {
                let missed = store.missed_wakes(&id, &(*user).into()).await.unwrap();
                let expected = single.store.missed_wakes(&id, &(*user).into()).await.unwrap();
                assert_eq!(missed, expected, "{place}");
            }
        }
        // What is in memory is what is stored.
        let again = fresh.store(Arc::new(Recorder::default())).await;
        assert_eq!(again.load(&id).await.unwrap(), single.store.load(&id).await.unwrap());
    }
}

async fn the_same_key_twice_in_one_batch_is_one_message(fresh: Fresh) {
    let batching = Batching::on(&fresh, 0).await;
    let id = batching.channel(ChannelType::General).await;
    let guild = &batching.guild;
    let twice = |text| -> Act<'_> { Box::pin(post(guild, "a", &id, text, Some("key"))) };
    let answers = batching.together(&id, vec![twice("once"), twice("once"), twice("otherwise")]).await;
    assert_eq!(answers[0], answers[1]);
    assert!(answers[2].contains("IdempotencyKeyReused"), "{}", answers[2]);
    let later = twice("once").await;
    assert_eq!(later, answers[0]);
    assert_eq!(guild.store.load(&id).await.unwrap().unwrap().channel.last_seq, Seq(2));
}

/// The database refuses one row of a batch, whatever the table.
async fn a_write_that_fails_takes_none_of_its_batch_with_it(fresh: Fresh) {
    let batching = Batching::on(&fresh, 0).await;
    let id = batching.channel(ChannelType::General).await;
    let connection = fresh.connect().await;
    let guild = &batching.guild;
    let mut expected = 1;
    for (table, condition) in [
        ("messages", "row.content = 'refused'"),
        ("owed_wakes", "row.seq = 16"),
        ("idempotency_keys", "row.caller = 'b'"),
        // As the whole batch would leave it, and the last one of its writes.
        ("channels", "row.last_seq = 32"),
    ] {
        refuse(&connection, table, condition).await;
        let acts = ["a", "b", "alice"].map(|user| -> Act<'_> {
            let (text, key) = match (table, user) {
                ("messages", "b") => ("refused", None),
                ("idempotency_keys", "b") => ("keyed", Some("key")),
                _ => ("fine", None),
            };
            Box::pin(post(guild, user, &id, text, key))
        });
        let mut acts: Vec<Act<'_>> = acts.into();
        let more = (0..4).map(|_| -> Act<'_> { Box::pin(post(guild, "a", &id, "more", None)) });
        acts.extend(more);
        let answers = batching.together(&id, acts).await;
        let failed = answers.iter().filter(|answer| answer.starts_with("Err")).count();
        allow(&connection, table).await;
        let channel = guild.store.load(&id).await.unwrap().unwrap().channel;
        assert_eq!(failed, 1, "{table}: {answers:?}");
        expected += 7;
        assert_eq!(channel.last_seq, Seq(expected - 1), "{table}: {answers:?}");
        // Whatever is in memory, it is not what was rolled back.
        assert!(post(guild, "a", &id, "after", None).await.starts_with("Ok"), "{table}");
        expected += 1;
    }
    let commits = batching.held.told.take();
    let versions: Vec<u64> = commits.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, (1..=expected).collect::<Vec<_>>());
    let page = guild.store.page(&id, SeqRange { from: Some(Seq(1)), to: None }, 1_000).await.unwrap();
    let seqs: Vec<u64> = page.iter().map(|message| message.seq.0).collect();
    assert_eq!(seqs, (1..expected).collect::<Vec<_>>());
}

/// From now on the database refuses such rows.
async fn refuse(connection: &sea_orm::DatabaseConnection, table: &str, condition: &str) {
    let statements = if connection.get_database_backend() == DbBackend::Sqlite {
        let new = condition.replace("row.", "NEW.");
        ["INSERT", "UPDATE"]
            .map(|event| {
                format!(
                    "CREATE TRIGGER refused_{event} BEFORE {event} ON {table} WHEN {new} \
                     BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            })
            .into()
    } else {
        let condition = condition.replace("row.", "");
        vec![format!("ALTER TABLE {table} ADD CONSTRAINT refused CHECK (NOT ({condition}))")]
    };
    for statement in statements {
        connection.execute_unprepared(&statement).await.unwrap();
    }
}

async fn allow(connection: &sea_orm::DatabaseConnection, table: &str) {
    let statements = match connection.get_database_backend() {
        DbBackend::Sqlite => {
            vec!["DROP TRIGGER refused_INSERT".to_owned(), "DROP TRIGGER refused_UPDATE".to_owned()]
        }
        _ => vec![format!("ALTER TABLE {table} DROP CONSTRAINT refused")],
    };
    for statement in statements {
        connection.execute_unprepared(&statement).await.unwrap();
    }
}

async fn a_batch_of_posts_is_as_many_statements_as_one_post(fresh: Fresh) {
    let batching = Batching::on(&fresh, 0).await;
    let id = batching.channel(ChannelType::General).await;
    let guild = &batching.guild;
    let mut counts = Vec::new();
    for posts in [1, 60] {
        let acts = (0..posts).map(|_| -> Act<'_> { Box::pin(post(guild, "a", &id, "text", None)) });
        batching.together(&id, acts.collect()).await;
        let statements = batching.statements();
        // On SQLite all tables are in one statement.
        let inserts = |sql: &&String| sql.contains("messages") || sql.contains("INTO batch ");
        assert_eq!(statements.iter().filter(inserts).count(), 1, "{statements:#?}");
        counts.push(statements.len());
    }
    assert_eq!(counts[0], counts[1]);
    assert_eq!(guild.store.load(&id).await.unwrap().unwrap().channel.last_seq, Seq(63));
}

async fn a_post_reads_no_members_however_many_there_are(fresh: Fresh) {
    let batching = Batching::on(&fresh, 0).await;
    let guild = &batching.guild;
    let alice = guild.human("alice");
    for channel_type in [ChannelType::General, ChannelType::Triage, ChannelType::Discuss] {
        let mut counts = Vec::new();
        for members in [10, 10_000] {
            let id = batching.channel(channel_type).await;
            let users = (0..members).map(|user| format!("u{user}").as_str().into()).collect();
            guild.add_members(&alice, &id, users).await.unwrap();
            batching.statements();
            assert!(post(guild, "alice", &id, "hello", None).await.starts_with("Ok"));
            let statements = batching.statements();
            assert!(!statements.iter().any(|sql| sql.contains("channel_members")), "{statements:#?}");
            counts.push((statements.len(), statements.iter().map(String::len).sum::<usize>()));
        }
        assert_eq!(counts[0], counts[1]);
    }
}

/// As large as the channel, and so none of what a post writes.
async fn who_sits_where_is_written_only_when_it_changes(fresh: Fresh) {
    let published = Arc::new(Recorder::default());
    let store = fresh.store(Arc::clone(&published) as _).await;
    let guild = TestGuild::on(Arc::clone(&store) as _, published);
    let members = (0..100).map(|number| format!("member{number:02}").as_str().into()).collect();
    let new = CreateChannel { members, ..CreateChannel::new("room", ChannelType::Discuss) };
    let id = guild.create_channel(&guild.human("alice"), new).await.unwrap().channel.id;
    let connection = fresh.connect().await;
    let stored = async || {
        let query = "SELECT turn AS turn, seats AS seats FROM channels JOIN turn_seats ON channel_id = id";
        let query = Statement::from_string(connection.get_database_backend(), query);
        let row = connection.query_one_raw(query).await.unwrap().unwrap();
        let text = |column| row.try_get::<String>("", column).unwrap();
        (text("turn"), text("seats"))
    };
    post(&guild, "alice", &id, "hello", None).await;
    let (_, seats) = stored().await;
    // Nobody but this process writes it, and it knows what is there.
    connection.execute_unprepared("UPDATE turn_seats SET seats = 'as it was'").await.unwrap();
    for pass in 0..90 {
        let member = format!("member{pass:02}");
        if pass == 5 {
            post(&guild, &member, &id, "<@member70> and <@member71>?", None).await;
            post(&guild, "member70", &id, "/no-reply", None).await;
            post(&guild, "member71", &id, "/no-reply", None).await;
        }
        post(&guild, &member, &id, "/no-reply", None).await;
    }
    let (turn, untouched) = stored().await;
    assert_eq!(untouched, "as it was");
    assert!(turn.len() < 400, "{turn}");
    guild.add_members(&guild.human("alice"), &id, vec!["new".into()]).await.unwrap();
    assert_eq!(stored().await.1, seats.replace(r#""member99""#, r#""member99","new""#));
    // What is in memory is what is stored.
    let declined = store.load(&id).await.unwrap().unwrap().turn.unwrap().state.declined().to_vec();
    assert!(declined.contains(&"member89".into()) && declined.len() > 80, "{declined:?}");
}

/// Somebody has damaged the database by hand.
async fn a_seat_that_cannot_be_written_is_not_given(fresh: Fresh) {
    let batching = Batching::on(&fresh, 0).await;
    let id = batching.channel(ChannelType::Discuss).await;
    let guild = &batching.guild;
    assert!(post(guild, "a", &id, "hello", None).await.starts_with("Ok"));
    let connection = fresh.connect().await;
    connection.execute_unprepared("DELETE FROM turn_seats").await.unwrap();
    let added = guild.guild.add_members(&guild.human("alice"), &id, vec!["new".into()]).await;
    assert!(added.is_err(), "{added:?}");
    let new = "SELECT * FROM channel_members WHERE user_id = 'new'";
    let backend = connection.get_database_backend();
    let found = connection.query_all_raw(Statement::from_string(backend, new)).await.unwrap();
    assert!(found.is_empty());
}

/// Each has the channel in memory as it was before the other one's last write.
async fn processes_that_take_turns_see_what_the_other_has_written(fresh: Fresh) {
    let (one, other) = (Batching::on(&fresh, 0).await, Batching::on(&fresh, 1_000_000).await);
    let id = one.channel(ChannelType::Discuss).await;
    let mut expected = Vec::new();
    for turn in 0..20_u64 {
        let process = if turn % 2 == 0 { &one } else { &other };
        let text = turn.to_string();
        if turn % 5 == 4 {
            let acts = (0..3).map(|_| -> Act<'_> { Box::pin(post(&process.guild, "a", &id, &text, None)) });
            process.together(&id, acts.collect()).await;
            expected.push("first".to_owned());
            expected.extend([text.clone(), text.clone(), text]);
        } else {
            assert!(post(&process.guild, "b", &id, &text, None).await.starts_with("Ok"));
            expected.push(text);
        }
    }
    let page = one.guild.store.page(&id, SeqRange { from: Some(Seq(1)), to: None }, 1_000).await.unwrap();
    let contents: Vec<String> = page.iter().map(|message| message.content.clone()).collect();
    assert_eq!(contents, expected);
    let mut versions = Vec::new();
    for process in [&one, &other] {
        let own: Vec<u64> = process.held.told.take().iter().map(|commit| commit.version).collect();
        assert!(own.is_sorted(), "{own:?}");
        versions.extend(own);
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=expected.len() as u64 + 1).collect::<Vec<_>>());
}

async fn who_may_not_write_is_told_so_by_what_another_process_has_written(fresh: Fresh) {
    let (one, other) = (Batching::on(&fresh, 0).await, Batching::on(&fresh, 1_000_000).await);
    let id = one.channel(ChannelType::General).await;
    let (guild, elsewhere) = (&one.guild, &other.guild);
    let alice = guild.human("alice");
    assert!(post(guild, "alice", &id, "in memory from now on", None).await.starts_with("Ok"));
    assert!(post(guild, "carol", &id, "not yet", None).await.starts_with("Err"));
    elsewhere.add_members(&alice, &id, vec!["carol".into()]).await.unwrap();
    assert!(post(guild, "carol", &id, "now", None).await.starts_with("Ok"));
    elsewhere.guild.remove_member(&alice, &id, &"carol".into()).await.unwrap();
    assert!(post(guild, "carol", &id, "no more", None).await.starts_with("Err"));
    elsewhere.guild.close_channel(&alice, &id).await.unwrap();
    assert!(post(guild, "alice", &id, "closed", None).await.contains("ChannelClosed"));
    elsewhere.guild.reopen_channel(&alice, &id).await.unwrap();
    assert!(post(guild, "alice", &id, "open", None).await.starts_with("Ok"));
    // Two processes, one request.
    let first = post(elsewhere, "alice", &id, "once", Some("key")).await;
    assert_eq!(post(guild, "alice", &id, "once", Some("key")).await, first);
    // An edit of what the other one has written.
    let newest = guild.store.page(&id, SeqRange::default(), 1).await.unwrap().remove(0);
    guild.guild.edit(&alice, &id, &newest.id, "edited".to_owned()).await.unwrap();
    elsewhere.guild.edit(&alice, &id, &newest.id, "edited again".to_owned()).await.unwrap();
    let former = guild.guild.revisions(&alice, &id, &newest.id).await.unwrap();
    let former: Vec<&str> = former.iter().map(|revision| revision.content.as_str()).collect();
    assert_eq!(former, ["once", "edited"]);
}

async fn members_who_come_and_go_stay_in_order(fresh: Fresh) {
    let batching = Batching::on(&fresh, 0).await;
    let id = batching.channel(ChannelType::Discuss).await;
    let guild = &batching.guild;
    let alice = guild.human("alice");
    let add = |users: &[&str]| -> Act<'_> {
        let (alice, users) = (alice.clone(), users.iter().map(|user| (*user).into()).collect());
        let id = &id;
        Box::pin(async move { told(guild.add_members(&alice, id, users).await) })
    };
    let remove = |user: &'static str| -> Act<'_> {
        let (alice, id) = (alice.clone(), &id);
        Box::pin(async move { told(guild.guild.remove_member(&alice, id, &user.into()).await) })
    };
    let acts = vec![add(&["c", "d"]), remove("d"), add(&["e", "c", "d"]), remove("a"), add(&["a"])];
    batching.together(&id, acts).await;
    let users = async |store: &dyn Store| -> Vec<String> {
        let channel = store.load(&id).await.unwrap().unwrap();
        channel.members.users().map(ToString::to_string).collect()
    };
    let expected = ["alice", "b", "c", "e", "d", "a"];
    assert_eq!(users(guild.store.as_ref()).await, expected);
    // Another process goes on where this one was.
    let other = Batching::on(&fresh, 1_000_000).await;
    other.guild.add_members(&alice, &id, vec!["f".into()]).await.unwrap();
    guild.add_members(&alice, &id, vec!["g".into()]).await.unwrap();
    let expected = ["alice", "b", "c", "e", "d", "a", "f", "g"];
    assert_eq!(users(guild.store.as_ref()).await, expected);
}

/// A commit that fails when all its statements went well.
#[tokio::test]
async fn a_commit_that_fails_leaves_nothing_behind() {
    let fresh = databases::sqlite();
    let batching = Batching::on(&fresh, 0).await;
    let id = batching.channel(ChannelType::General).await;
    let guild = &batching.guild;
    assert!(post(guild, "alice", &id, "fine", None).await.starts_with("Ok"));
    let connection = fresh.connect().await;
    for statement in [
        "CREATE TABLE late (seq INTEGER REFERENCES absent(seq) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE absent (seq INTEGER PRIMARY KEY)",
        "CREATE TRIGGER refused AFTER INSERT ON messages WHEN NEW.content = 'refused' \
         BEGIN INSERT INTO late VALUES (NEW.seq); END",
    ] {
        connection.execute_unprepared(statement).await.unwrap();
    }
    let acts =
        ["one", "refused", "two"].map(|text| -> Act<'_> { Box::pin(post(guild, "a", &id, text, None)) });
    let answers = batching.together(&id, acts.into()).await;
    let failed: Vec<bool> = answers.iter().map(|answer| answer.starts_with("Err")).collect();
    assert_eq!(failed, [false, true, false], "{answers:?}");
    let page = guild.store.page(&id, SeqRange::default(), 10).await.unwrap();
    let contents: Vec<&str> = page.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(contents, ["fine", "first", "one", "two"]);
    let versions: Vec<u64> = batching.held.told.take().iter().map(|commit| commit.version).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5]);
}

/// A decision is code like any other; what waits behind one that panics is carried out.
#[tokio::test]
async fn a_decision_that_panics_fails_alone() {
    let fresh = databases::sqlite();
    let batching = Batching::on(&fresh, 0).await;
    let id = batching.channel(ChannelType::General).await;
    let guild = &batching.guild;
    let panics: Act<'_> = Box::pin(async {
        let scope = fabric_domain::ports::Scope::channel(&id);
        format!("{:?}", guild.store.update(scope, Arc::new(|_| panic!("a bug"))).await)
    });
    let fine = |text| -> Act<'_> { Box::pin(post(guild, "a", &id, text, None)) };
    let answers = batching.together(&id, vec![fine("one"), panics, fine("two")]).await;
    let failed: Vec<bool> = answers.iter().map(|answer| answer.starts_with("Err")).collect();
    assert_eq!(failed, [false, true, false], "{answers:?}");
    assert_eq!(guild.store.load(&id).await.unwrap().unwrap().channel.last_seq, Seq(3));
    assert!(matches!(
        guild.guild.post(&Author::User(guild.human("a")), &id, Post::text("x"), None).await,
        Ok(PostOutcome::Message(_))
    ));
}
