//! The loop an agent lives in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fabric_client::Center;
use fabric_client::agent::{Agent, AgentConnection, AgentError, Options, Reply, Status, Woken};
use fabric_client::model::Seq;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::fake::{DEADLINE, Fake, Socket, created, error, guilds, message, row, session};

/// Answers what it is asked to by the channel's name.
struct Scripted;

impl Agent for Scripted {
    async fn on_wake(&self, woken: Woken) -> Result<Reply, AgentError> {
        match woken.message.message.channel_id.as_str() {
            "fails" => Err("no idea".into()),
            "panics" => panic!("on purpose"),
            "hangs" => std::future::pending().await,
            "passes" => Ok(Reply::Pass),
            "blank" => Ok(Reply::Post("  ".into())),
            "acts" => Ok(Reply::Nothing),
            _ => {
                let recent: Vec<_> = woken.recent.iter().map(|m| m.message.content.as_str()).collect();
                Ok(Reply::Post(format!("{} after {recent:?}", woken.message.message.content)))
            }
        }
    }
}

fn membership(id: &str, is_member: bool) -> Value {
    let mut row = row(id);
    row["isMember"] = is_member.into();
    row
}

/// A guild with these channels of which the agent is a member, and one of which it is not.
async fn guild(channels: &'static [&'static str]) -> Fake {
    guild_that_fails(channels, || false).await
}

/// The same, which answers 503 to whatever is posted while it fails.
async fn guild_that_fails(
    channels: &'static [&'static str],
    fails: impl Fn() -> bool + Send + Sync + 'static,
) -> Fake {
    Fake::start(move |url, request| {
        Some(match request.route.as_str() {
            route if (route.ends_with("/messages") || route.ends_with("/turn/pass")) && fails() => {
                error(503, "storage_unavailable")
            }
            "POST /auth/agent/login" => (200, session(url, "a", "t")),
            "GET /auth/me/guilds" => (200, guilds(url, "fresh")),
            "GET /channels?guildId=g" => {
                let rows =
                    channels.iter().map(|id| membership(id, true)).chain([membership("foreign", false)]);
                (200, rows.collect())
            }
            route if route.ends_with("/messages") => (201, message("c", 1, "me", "posted")),
            route if route.ends_with("/turn/pass") => (202, json!({"accepted": true})),
            _ => error(404, "not_found"),
        })
    })
    .await
}

fn start(fake: &Fake, options: Options) -> AgentConnection {
    AgentConnection::start(Center::new(&fake.url).unwrap(), "fak_1", "g".into(), Scripted, options)
}

/// Notes how often it is woken, and how often at once; waits for its gate each time.
#[derive(Clone)]
struct Counted {
    woken: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Counted {
    fn new(open: usize) -> Self {
        let gate = Arc::new(Semaphore::new(open));
        Self { woken: Arc::default(), at_once: Arc::default(), most_at_once: Arc::default(), gate }
    }

    fn woken(&self) -> usize {
        self.woken.load(Ordering::SeqCst)
    }

    fn start(&self, fake: &Fake, options: Options) -> AgentConnection {
        let center = Center::new(&fake.url).unwrap();
        AgentConnection::start(center, "fak_1", "g".into(), self.clone(), options)
    }
}

impl Agent for Counted {
    async fn on_wake(&self, woken: Woken) -> Result<Reply, AgentError> {
        self.woken.fetch_add(1, Ordering::SeqCst);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        self.gate.acquire().await?.forget();
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        Ok(Reply::Post(format!("to {}", woken.message.message.seq)))
    }
}

/// Does something again and again until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool, mut again: impl AsyncFnMut()) {
    let coming = async {
        while !is_so() {
            again().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, coming).await.unwrap_or_else(|_| panic!("waited for {what}"));
}

fn quick() -> Options {
    let backoff = (Duration::from_millis(10), Duration::from_millis(20));
    Options::default().with_backoff(backoff.0, backoff.1).with_wake_timeout(Duration::from_millis(100))
}

async fn wake(socket: &mut Socket, channel: &str, seq: u64) {
    socket.event("message.created", created(channel, seq, "you", "discuss", true)).await;
}

#[tokio::test]
async fn it_joins_its_channels_and_answers_wakes_once_each_with_what_it_has_heard() {
    let fake = guild(&["c"]).await;
    let options = quick().with_positions([("c".into(), Seq(4))].into());
    let agent = start(&fake, options);
    let (mut socket, auth) = fake.connected().await;
    assert_eq!(auth, json!({"token": "fresh"}));
    assert_eq!(socket.joined(4).await, ("c".to_owned(), Some(4)));
    agent.wait_live().await;
    assert_eq!(*agent.status().borrow(), Status::Live);

    socket.event("message.created", created("c", 5, "you", "discuss", false)).await;
    socket.event("message.created", created("c", 6, "me", "discuss", true)).await;
    for _ in 0..2 {
        wake(&mut socket, "c", 7).await;
    }
    wake(&mut socket, "c", 8).await;
    let posts = fake.wait_asked("POST /channels/c/messages", 2).await;
    assert_eq!(posts[0].body, json!({"content": "7 after [\"5\"]"}));
    assert_eq!(posts[0].idempotency_key.as_deref(), Some("wake-c-7"));
    assert_eq!(posts[1].body, json!({"content": "8 after []"}));
    agent.stop().await;
    assert_eq!(fake.asked("POST /channels/c/messages").len(), 2);
}

#[tokio::test]
async fn whatever_goes_wrong_passes_the_turn_so_that_the_room_goes_on() {
    let channels = &["fails", "panics", "hangs", "passes", "blank"];
    let fake = guild(channels).await;
    let agent = start(&fake, quick());
    let (mut socket, _) = fake.connected().await;
    for _ in channels {
        socket.joined(0).await;
    }
    for seq in 1..3 {
        for channel in channels {
            wake(&mut socket, channel, seq).await;
        }
    }
    for channel in channels {
        fake.wait_asked(&format!("POST /channels/{channel}/turn/pass"), 2).await;
    }
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_acts_itself_is_left_alone() {
    let fake = guild(&["acts", "c"]).await;
    let agent = start(&fake, quick());
    let (mut socket, _) = fake.connected().await;
    for _ in 0..2 {
        socket.joined(0).await;
    }
    wake(&mut socket, "acts", 1).await;
    wake(&mut socket, "c", 1).await;
    fake.wait_asked("POST /channels/c/messages", 1).await;
    agent.stop().await;
    assert!(fake.requests.lock().iter().all(|request| !request.route.contains("acts")));
}

#[tokio::test]
async fn it_comes_back_with_a_fresh_token_from_where_it_was() {
    let fake = guild(&["c"]).await;
    let agent = start(&fake, quick());
    let (mut socket, _) = fake.connected().await;
    assert_eq!(socket.joined(9).await, ("c".to_owned(), None));
    wake(&mut socket, "c", 10).await;
    fake.wait_asked("POST /channels/c/messages", 1).await;
    socket.close().await;
    let before = fake.asked("GET /auth/me/guilds").len();

    let (mut socket, _) = fake.connected().await;
    assert_eq!(socket.joined(12).await, ("c".to_owned(), Some(10)));
    assert!(fake.asked("GET /auth/me/guilds").len() > before, "a token for this socket");
    wake(&mut socket, "c", 10).await;
    wake(&mut socket, "c", 11).await;
    let posts = fake.wait_asked("POST /channels/c/messages", 2).await;
    assert_eq!(posts[1].idempotency_key.as_deref(), Some("wake-c-11"), "10 was answered already");
    agent.stop().await;
}

#[tokio::test]
async fn it_follows_its_membership() {
    let fake = guild(&[]).await;
    let agent = start(&fake, quick());
    let (mut socket, _) = fake.connected().await;
    agent.wait_live().await;
    let joined = json!({"channelId": "new", "userId": "me", "xType": "discuss", "occurredAt": "2026-01-01T00:00:00.000Z"});
    socket.event("channel.joined", joined).await;
    assert_eq!(socket.joined(0).await, ("new".to_owned(), None));
    wake(&mut socket, "new", 1).await;
    fake.wait_asked("POST /channels/new/messages", 1).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_expiring_session_is_refreshed() {
    let fake = guild(&[]).await;
    let agent = start(&fake, quick());
    let (mut socket, _) = fake.connected().await;
    agent.wait_live().await;
    socket.event("session.expiring", json!({"expiresAt": "2026-01-01T00:00:00.000Z"})).await;
    let (name, payload, id) = socket.asked().await;
    assert_eq!((name.as_str(), payload), ("session.refresh", json!({"token": "fresh"})));
    socket.answer(&id, json!({"ok": true})).await;
    agent.stop().await;
}

#[tokio::test]
async fn it_says_what_is_wrong_and_keeps_trying() {
    let fake = Fake::start(|_, _| Some(error(401, "invalid_credentials"))).await;
    let agent = start(&fake, quick());
    fake.wait_asked("POST /auth/agent/login", 3).await;
    let mut status = agent.status();
    let status = status.wait_for(|status| matches!(status, Status::Waiting { .. })).await.unwrap().clone();
    let Status::Waiting { error, .. } = status else { panic!() };
    assert!(error.contains("invalid_credentials"), "{error}");
    agent.stop().await;
}

#[tokio::test]
async fn an_answer_survives_an_outage_of_the_guild() {
    let failures = AtomicUsize::new(6);
    let down =
        move || failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    let fake = guild_that_fails(&["c"], down).await;
    let agent = start(&fake, quick().with_wake_timeout(Duration::from_mins(5)));
    let (mut socket, _) = fake.connected().await;
    socket.joined(0).await;
    wake(&mut socket, "c", 1).await;
    let posts = fake.wait_asked("POST /channels/c/messages", 7).await;
    for post in &posts {
        assert_eq!(post.idempotency_key.as_deref(), Some("wake-c-1"));
        assert_eq!(post.body, posts[0].body);
    }
    wake(&mut socket, "c", 2).await;
    let posts = fake.wait_asked("POST /channels/c/messages", 8).await;
    assert_eq!(
        posts[7].idempotency_key.as_deref(),
        Some("wake-c-2"),
        "once it was taken it is not sent again"
    );
    agent.stop().await;
    assert!(fake.asked("POST /channels/c/turn/pass").is_empty(), "an outage is no reason to pass");
}

#[tokio::test]
async fn a_wake_whose_answer_could_not_be_delivered_is_answered_when_it_comes_again() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let fake = guild_that_fails(&["c"], move || down.load(Ordering::SeqCst)).await;
    let counted = Counted::new(Semaphore::MAX_PERMITS);
    let agent = counted.start(&fake, quick());
    let (mut socket, _) = fake.connected().await;
    socket.joined(0).await;
    until("a second dispatch", || counted.woken() > 1, async || wake(&mut socket, "c", 1).await).await;
    is_down.store(false, Ordering::SeqCst);
    let before = fake.asked("POST /channels/c/messages").len();
    until(
        "an answer",
        || fake.asked("POST /channels/c/messages").len() > before,
        async || wake(&mut socket, "c", 1).await,
    )
    .await;
    agent.stop().await;
    assert!(fake.asked("POST /channels/c/turn/pass").is_empty());
}

#[tokio::test]
async fn a_pass_that_is_repeated_never_passes_a_later_turn() {
    let failures = AtomicUsize::new(1);
    let down =
        move || failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    let fake = guild_that_fails(&["passes"], down).await;
    let agent = start(&fake, quick().with_wake_timeout(Duration::from_mins(5)));
    let (mut socket, _) = fake.connected().await;
    socket.joined(0).await;
    wake(&mut socket, "passes", 1).await;
    let passes = fake.wait_asked("POST /channels/passes/turn/pass", 2).await;
    assert!(passes.iter().all(|pass| pass.idempotency_key.as_deref() == Some("pass-passes-1")), "{passes:?}");
    agent.stop().await;
}

#[tokio::test]
async fn who_leaves_a_channel_and_comes_back_is_not_woken_twice_at_once() {
    let fake = guild(&["c"]).await;
    let counted = Counted::new(0);
    let agent = counted.start(&fake, quick().with_wake_timeout(Duration::from_mins(5)));
    let (mut socket, _) = fake.connected().await;
    socket.joined(0).await;
    wake(&mut socket, "c", 1).await;
    until("the first wake", || counted.woken() == 1, async || {}).await;
    let change = json!({"channelId": "c", "userId": "me", "xType": "discuss", "occurredAt": "2026-01-01T00:00:00.000Z"});
    socket.event("channel.left", change.clone()).await;
    socket.event("channel.joined", change).await;
    socket.joined(1).await;
    wake(&mut socket, "c", 2).await;
    // Of another channel, and after the second wake: what the second would do, it has done when this is seen.
    wake(&mut socket, "other", 1).await;
    until("the wake of another channel", || counted.woken() == 2, async || {}).await;
    counted.gate.add_permits(3);
    fake.wait_asked("POST /channels/c/messages", 2).await;
    fake.wait_asked("POST /channels/other/messages", 1).await;
    agent.stop().await;
    assert_eq!(counted.most_at_once.load(Ordering::SeqCst), 2, "one in each channel");
}

#[tokio::test]
async fn however_many_channels_there_are_only_some_joins_are_under_way() {
    let channels: Vec<&'static str> = (0..100).map(|n| &*format!("c{n}").leak()).collect();
    let fake = guild(channels.leak()).await;
    let agent = start(&fake, quick());
    let (mut socket, _) = fake.connected().await;
    let mut asked = Vec::new();
    for _ in 0..32 {
        let (name, _, id) = socket.asked().await;
        assert_eq!(name, "join_channel");
        asked.push(id);
    }
    socket.event("session.expiring", json!({"expiresAt": "2026-01-01T00:00:00.000Z"})).await;
    assert_eq!(socket.asked().await.0, "session.refresh", "and no further join");
    for _ in 32..100 {
        socket.answer(&asked.remove(0), json!({"ok": true, "lastSeq": 0})).await;
        let (name, _, id) = socket.asked().await;
        assert_eq!(name, "join_channel");
        asked.push(id);
    }
    for id in asked {
        socket.answer(&id, json!({"ok": true, "lastSeq": 0})).await;
    }
    agent.wait_live().await;
    assert_eq!(*agent.status().borrow(), Status::Live);
    agent.stop().await;
}

#[tokio::test]
async fn a_wake_from_the_future_is_answered() {
    let fake = guild(&["c"]).await;
    let agent = start(&fake, quick());
    let (mut socket, _) = fake.connected().await;
    socket.joined(0).await;
    let mut future = created("c", 1, "you", "salon", true);
    future["wake"] = json!({"reason": "full_moon", "hop": 0, "turn": 3, "phase": 4});
    socket.event("moon.rose", json!(4)).await;
    socket.send(format!(r#"42/realtime,["message.created",{future},"an argument more"]"#)).await;
    let posts = fake.wait_asked("POST /channels/c/messages", 1).await;
    assert_eq!(posts[0].body["content"], "1 after []");
    // In a type of channel that is not known, the wake says whether there is a turn to pass.
    let mut future = created("passes", 1, "you", "salon", true);
    future["wake"] = json!({"reason": "full_moon", "hop": 0, "turn": 4});
    socket.event("message.created", future).await;
    fake.wait_asked("POST /channels/passes/turn/pass", 1).await;
    agent.stop().await;
}
