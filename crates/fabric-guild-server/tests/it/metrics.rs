//! What `GET /metrics` tells, and to whom.

use std::collections::BTreeSet;
use std::time::Duration;

use fabric_api::guild::PostMessage;
use fabric_client::Event;
use fabric_testkit::servers::{self, Mode, Proxy, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::world::World;

const OPERATIONS: &str = include_str!("../../../../docs/operations.md");
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_in_the_documentation_are_those_of_a_guild_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("guild.db").display());
    names(&url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_in_the_documentation_are_those_of_a_guild_on_postgres() {
    names(&servers::postgres().url).await;
}

/// And none of them has a label for whatever users make.
async fn names(url: &str) {
    let mut world = World::start(url, url).await;
    let port = free_port();
    world.set("METRICS_BIND", &format!("127.0.0.1:{port}"));
    world.boot();
    let channel = world.channel().await;
    let (socket, mut events) = world.users[1].connect().await.expect("a socket");
    socket.join(&channel, None).await.expect("a member joins");
    let message = PostMessage::text("a text that is nobody else's");
    let posted = world.users[0].post(&channel, &message, Some("a-key")).await;
    posted.expect("a post");
    timeout(PATIENCE, async {
        while !matches!(events.recv().await.expect("the socket stays"), Event::MessageCreated(_)) {}
    })
    .await
    .expect("it is delivered");
    socket.close().await;

    let exposed = until(port, |text| {
        let wakes = value(text, r#"fabric_realtime_wakes_total{reason="turn"}"#);
        wakes == Some(1.0) && text.contains("\nfabric_realtime_disconnects_total{")
    })
    .await;
    let of_posts =
        r#"fabric_http_requests_total{method="POST",route="/api/channels/{channel}/messages",status="201"}"#;
    assert_eq!(value(&exposed, of_posts), Some(1.0), "{exposed}");
    let names = |lines: &'static str, text: &str| -> BTreeSet<String> {
        let named = text.lines().filter_map(|line| line.strip_prefix(lines));
        named.map(|line| line.split([' ', '`', '{']).next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names("# TYPE ", &exposed), names("| `", metrics_table()), "documented on the right");
    assert_eq!(names("# TYPE ", &exposed), names("# HELP ", &exposed));
    let made = [channel.as_str(), "a-key", "nobody else", world.ids[0].as_str(), world.ids[1].as_str()];
    for text in made {
        assert!(!exposed.contains(text), "{text} is in\n{exposed}");
    }

    // The guild's own address is for everybody, and tells nothing.
    let (head, _) = get(world.port(), "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    world.stop().await;
}

/// A commit that is lost on the way, and one of which only the answer is.
#[tokio::test(flavor = "multi_thread")]
async fn retries_are_counted_by_their_cause() {
    let database = servers::postgres();
    let proxy = Proxy::start(database.port).await;
    let mut world = World::start(&database.url, &database.through(proxy.port()).url).await;
    let port = free_port();
    world.set("METRICS_BIND", &format!("127.0.0.1:{port}"));
    world.boot();
    let channel = world.channel().await;
    let retries = r#"fabric_store_retries_total{cause="connection"}"#;
    let before = until(port, |text| value(text, retries).is_some()).await;
    for (loses, name, settled) in [
        (Mode::LosesCommit, "first", r#"fabric_store_settled_commits_total{outcome="rolled_back"}"#),
        (Mode::LosesAnswer, "second", r#"fabric_store_settled_commits_total{outcome="committed"}"#),
    ] {
        // A commit of the server's own, such as a sweep's, may be the one that is lost: then once more.
        let lost = async {
            loop {
                proxy.set(loses);
                let message = PostMessage::text(name);
                world.users[0].post(&channel, &message, None).await.expect("it is tried again");
                if value(&exposed(port).await, settled) > Some(0.0) {
                    return;
                }
            }
        };
        timeout(PATIENCE, lost).await.expect("a post finds out what became of its commit");
    }
    let after = until(port, |text| value(text, retries) > value(&before, retries)).await;
    assert!(value(&after, "fabric_store_batch_writes_count") > Some(1.0), "{after}");
    world.stop().await;
}

/// The table in the documentation.
fn metrics_table() -> &'static str {
    let (_, section) = OPERATIONS.split_once("## Metrics").expect("a section on metrics");
    section.split("\n## ").next().unwrap_or_default()
}

fn value(exposed: &str, series: &str) -> Option<f64> {
    let line = exposed.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
}

/// What is exposed once it is as expected: what is over for a client may not yet be over for the server.
async fn until(port: u16, expected: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let body = exposed(port).await;
        if expected(&body) {
            return body;
        }
        assert!(Instant::now() < deadline, "{body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn exposed(port: u16) -> String {
    let (head, body) = get(port, "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body
}

async fn get(port: u16, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}
