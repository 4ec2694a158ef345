//! Clients that neither finish what they send nor read what they are sent.

use std::time::Duration;

use fabric_api::guild::PostMessage;
use fabric_client::{Range, SearchIn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::World;

/// So many blocks of 512 bytes are more than any file here has.
const BLOCKS: u32 = 4_000_000;

/// A running guild on `SQLite`, and the id of its process.
async fn world() -> (World, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("guild.db").display());
    let mut world = World::start(&url, &url).await;
    let process = world.boot_with_small_files(BLOCKS);
    (world, process, folder)
}

async fn send(world: &World, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", world.port())).await.unwrap();
    let _ = stream.write_all(head.replace('\n', "\r\n").as_bytes()).await;
    stream
}

/// The most memory that the server has had, in MB.
#[cfg(target_os = "linux")]
fn peak_megabytes(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1_024
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_nobody_reads_and_posts_that_do_not_end_hold_little_and_keep_nobody_out() {
    let (world, process, _folder) = world().await;
    let channel = world.channel().await;
    let token = world.users[0].fresh_token().await.unwrap();
    for _ in 0..8 {
        let message = PostMessage::text("x".repeat(1_000_000));
        world.users[0].post(&channel, &message, None).await.unwrap();
    }
    #[cfg(target_os = "linux")]
    let before = peak_megabytes(&process);
    let mut slow = Vec::new();
    let path = format!("/api/channels/{channel}/messages");
    for _ in 0..60 {
        slow.push(
            send(&world, &format!("GET {path} HTTP/1.1\nhost: x\nauthorization: Bearer {token}\n\n")).await,
        );
    }
    for _ in 0..30 {
        let head = format!(
            "POST {path} HTTP/1.1\nhost: x\nauthorization: Bearer {token}\ncontent-length: 8000000\n\n{{\"content\": \""
        );
        let mut stream = send(&world, &head).await;
        let _ = timeout(Duration::from_secs(5), stream.write_all(&vec![b'x'; 7_900_000])).await;
        slow.push(stream);
    }
    for _ in 0..600 {
        slow.push(send(&world, &format!("POST {path} HTTP/1.1\nhost: x\ncontent-length: 9\n\n1")).await);
    }
    let page = timeout(Duration::from_secs(20), world.users[1].messages(&channel, Range::default())).await;
    assert!(page.expect("an answer in time").is_ok());
    #[cfg(target_os = "linux")]
    {
        let peak = peak_megabytes(&process);
        crate::report(&format!("{before} MB before, {peak} MB at most"));
        assert!(peak - before < 400, "bodies and answers took {peak} MB, after {before} MB");
    }
    drop(slow);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_found_messages_ends_early_as_every_page_does() {
    let (world, _, _folder) = world().await;
    let channel = world.channel().await;
    for _ in 0..10 {
        let message = PostMessage::text(format!("needle {}", "x".repeat(990_000)));
        world.users[0].post(&channel, &message, None).await.unwrap();
    }
    let mut within = SearchIn { limit: Some(50), ..SearchIn::default() };
    let first = world.users[0].search("needle", &within).await.unwrap();
    assert_eq!((first.hits.len(), first.has_more), (8, true));
    within.before = first.hits.last().map(|hit| hit.message.id.clone());
    let second = world.users[0].search("needle", &within).await.unwrap();
    assert_eq!((second.hits.len(), second.has_more), (2, false));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_that_it_is_no_page() {
    let (world, _, _folder) = world().await;
    for (request, status) in [
        ("GET /healthz", 200),
        ("GET /nothing", 404),
        ("GET /api/channels", 401),
        ("DELETE /api/channels", 405),
        ("GET /api/channels/%ff", 401),
        ("GET /socket.io/?EIO=3&transport=polling", 400),
        ("GET /socket.io/?EIO=4&transport=polling", 200),
    ] {
        let mut stream = send(&world, &format!("{request} HTTP/1.1\nhost: x\nconnection: close\n\n")).await;
        let mut answer = String::new();
        timeout(Duration::from_mins(1), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        for line in [
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "cache-control: no-store",
        ] {
            assert!(
                answer.to_lowercase().contains(&line.to_lowercase()),
                "{request} without {line}: {answer}"
            );
        }
    }
    world.stop().await;
}
