//! Clients that mean harm: only they are closed.

use std::time::Duration;

use actix_socketio::{Outgoing, Rate};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{POLL, WS, Ws, frame, post, session, soon},
    server::{Server, config},
};

#[actix_web::test]
async fn malformed_packets_close_their_socket_only() {
    let mut server = Server::start(config());
    let mut other = Ws::joined(server.address).await;
    let deep = format!("42[\"a\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let bomb = format!("42[\"a\"{}]", ",{\"\":0}".repeat(100_000));
    let acks = format!("42{}[\"a\"]", "9".repeat(1_000));
    let attachments = format!("45{}-[\"a\"]", "9".repeat(100));
    for text in [
        "",
        "9",
        "x",
        "2",
        "2probe",
        "0{}",
        "bAAA=",
        "4",
        "4abc",
        "42",
        "42{}",
        "42[",
        "42[]",
        "42[{}]",
        "42[\"a\"",
        "42abc[\"a\"]",
        "42[\"connect\"]",
        "42[\"disconnecting\"]",
        "40",
        "40[]",
        "43[1]",
        "44{\"message\":\"a\"}",
        "42/none,[\"a\"]",
        "41/none,",
        "450-[\"a\"]",
        "4511-[\"a\"]",
        "451000000-[\"a\"]",
        "45-[\"a\"]",
        "451-[\"a\",{\"_placeholder\":true,\"num\":1}]",
        "451-[\"a\",{\"_placeholder\":true,\"num\":\"0\"}]",
        &deep,
        &bomb,
        &acks,
        &attachments,
    ] {
        let mut ws = Ws::joined(server.address).await;
        ws.text(text).await;
        let (code, reason) = ws.closed().await;
        assert!(code == 1000 || code == 1002, "{text:.40}: {code} {reason}");
    }
    // An event called `error` is nothing special.
    other.text("421[\"error\",1]").await;
    assert_eq!(other.read().await, "431[1]");
    drop(other);
    server.saw("disconnected transport close").await;
    server.stop().await;
}

#[actix_web::test]
async fn binary_out_of_place_closes() {
    let server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    ws.binary(&[1]).await;
    assert_eq!(ws.closed().await.1, "parse error");
    let mut ws = Ws::joined(server.address).await;
    ws.text("451-[\"a\",{\"_placeholder\":true,\"num\":0}]").await;
    ws.text("42[\"a\"]").await;
    assert_eq!(ws.closed().await.1, "parse error");
    server.stop().await;
}

#[actix_web::test]
async fn frames_that_break_the_rules_are_not_buffered() {
    let mut server = Server::start(config());
    let huge = [0x81, 0xff, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0];
    let endless = [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let mut flood = frame(0x01, b"4");
    for _ in 0..5_000 {
        flood.extend(frame(0x00, b"x"));
    }
    let mut sum = frame(0x01, b"4");
    for _ in 0..11 {
        sum.extend(frame(0x00, &vec![b'x'; 100_000]));
    }
    let cases: [(&[u8], u16); 9] = [
        (&huge, 1009),
        (&endless, 1009),
        (&flood, 1009),
        (&sum, 1009),
        (&frame(0xc1, b"4a"), 1002),
        (&frame(0x83, b"4a"), 1002),
        (&frame(0x80, b"4a"), 1002),
        (&frame(0x09, b""), 1002),
        (&[0x81, 0x02, b'4', b'a'], 1002),
    ];
    for (bytes, code) in cases {
        let mut ws = Ws::joined(server.address).await;
        let _ = ws.stream.write_all(bytes).await;
        assert_eq!(ws.closed().await.0, code, "{:x?}", &bytes[..bytes.len().min(4)]);
        server.saw("disconnected transport error").await;
    }
    let mut ws = Ws::joined(server.address).await;
    ws.frame(0x81, b"4\xff\xff").await;
    assert_eq!(ws.closed().await.0, 1007);
    server.stop().await;
}

#[actix_web::test]
async fn who_asks_to_join_again_and_again_is_closed_as_who_connects_again_and_again() {
    let mut limited = config();
    limited.connect_rate = Some(Rate { per_second: 0, burst: 5 });
    let mut server = Server::start(limited);
    let mut other = Ws::joined(server.address).await;
    let mut ws = Ws::connect(server.address, WS, "").await.ok().unwrap();
    assert!(ws.read().await.starts_with('0'));
    for _ in 0..4 {
        ws.text("40{\"token\":\"bad\"}").await;
        assert!(ws.read().await.starts_with("44{"));
    }
    ws.text("40{\"token\":\"bad\"}").await;
    assert_eq!(ws.closed().await, (1008, "rate limit".into()));
    other.text("421[\"a\"]").await;
    assert_eq!(other.read().await, "431[]");
    let mut asked = 0;
    while let Ok(line) = server.log.try_recv() {
        asked += usize::from(line.contains("bad"));
    }
    assert_eq!(asked, 4, "the handler was not asked any more");
    drop(other);
    server.kill().await;
}

#[actix_web::test]
async fn who_floods_is_read_more_slowly_and_loses_nothing() {
    let mut limited = config();
    limited.limits.event_rate = Some(Rate { per_second: 100, burst: 20 });
    let server = Server::start(limited);
    let mut other = Ws::joined(server.address).await;
    let mut ws = Ws::joined(server.address).await;
    let begun = std::time::Instant::now();
    for ack in 0..70 {
        ws.text(&format!("42{ack}[\"a\"]")).await;
    }
    for ack in 0..70 {
        assert!(ws.read().await.starts_with(&format!("43{ack}[")));
    }
    assert!(begun.elapsed() > Duration::from_millis(400), "{:?}", begun.elapsed());
    other.text("421[\"a\"]").await;
    assert_eq!(other.read().await, "431[]");
    drop((ws, other));
    server.stop().await;
}

#[actix_web::test]
async fn who_floods_by_polling_is_answered_later_and_past_a_burst_of_debt_closed() {
    let mut limited = config();
    limited.limits.event_rate = Some(Rate { per_second: 100, burst: 20 });
    let mut server = Server::start(limited);
    let mut other = Ws::joined(server.address).await;
    let path = format!("{POLL}&sid={}", session(server.address, POLL).await);
    let events = |count| vec!["42[\"a\"]"; count].join("\u{1e}");
    let begun = std::time::Instant::now();
    assert_eq!(post(server.address, &path, "40").await.status, 200);
    for count in [35, 5, 5] {
        assert_eq!(post(server.address, &path, &events(count)).await.status, 200);
    }
    assert!(begun.elapsed() > Duration::from_millis(200), "{:?}", begun.elapsed());
    post(server.address, &path, &events(100)).await;
    server.saw("disconnected rate limit").await;
    other.text("421[\"a\"]").await;
    assert_eq!(other.read().await, "431[]");
    drop(other);
    server.stop().await;
}

#[actix_web::test]
async fn who_does_not_read_is_closed_and_nobody_else_waits() {
    let mut server = Server::start(config());
    let deaf = Ws::joined(server.address).await;
    let mut other = Ws::joined(server.address).await;
    let root = server.io.of("/").unwrap();
    let event = Outgoing::event("/", "big", &json!("x".repeat(50_000))).unwrap();
    soon(async {
        let mut sent = 0;
        while root.len() == 2 && sent < 2_000 {
            root.all().send(&event);
            sent += 1;
            assert!(other.read().await.starts_with("42[\"big\""));
        }
        assert!(sent < 2_000);
    })
    .await;
    server.saw("disconnected queue full").await;
    other.text("421[\"a\"]").await;
    assert_eq!(other.read().await, "431[]");
    drop((deaf, other));
    server.stop().await;
}

#[actix_web::test]
async fn a_ping_flood_of_who_does_not_read_stops_being_read() {
    let mut server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    let pings = frame(0x89, &[b'x'; 125]).repeat(1_000);
    // The kernel's buffers fill and the write stands still, for as long as we like to watch.
    let flood = async {
        loop {
            if ws.stream.write_all(&pings).await.is_err() {
                break;
            }
        }
    };
    let watched = tokio::time::timeout(Duration::from_millis(300), flood).await;
    assert!(watched.is_err());
    let mut other = Ws::joined(server.address).await;
    other.text("421[\"a\"]").await;
    assert_eq!(other.read().await, "431[]");
    drop((ws, other));
    server.saw("disconnected transport close").await;
    server.stop().await;
}

#[actix_web::test]
async fn who_never_joins_is_closed() {
    let mut hasty = config();
    hasty.limits.connect_timeout = Duration::from_secs(1);
    let server = Server::start(hasty);
    let mut ws = Ws::connect(server.address, WS, "").await.ok().unwrap();
    assert_eq!(ws.closed().await.1, "forced server close");
    let path = format!("{POLL}&sid={}", session(server.address, POLL).await);
    let closed = soon(crate::client::get(server.address, &path)).await;
    assert_eq!((closed.status, closed.body.as_str()), (200, "1"));
    server.stop().await;
}

#[actix_web::test]
async fn a_megabyte_of_packets_is_read_one_at_a_time() {
    let server = Server::start(config());
    let path = format!("{POLL}&sid={}", session(server.address, POLL).await);
    let noops = vec!["6"; 400_000].join("\u{1e}");
    assert_eq!(post(server.address, &path, &noops).await.status, 200);
    server.kill().await;
}

#[actix_web::test]
async fn headers_without_end_are_refused() {
    let server = Server::start(config());
    let headers = "X-Y: z\r\n".repeat(2_000);
    let status = crate::client::request(server.address, "GET", POLL, &headers, b"").await.status;
    assert!((400..500).contains(&status) || status == 0, "{status}");
    session(server.address, POLL).await;
    server.kill().await;
}

#[actix_web::test]
async fn a_body_that_never_ends_is_given_up() {
    let mut hasty = config();
    hasty.limits.ping_interval = Duration::from_millis(500);
    hasty.limits.ping_timeout = Duration::from_millis(500);
    let server = Server::start(hasty);
    let path = format!("{POLL}&sid={}", session(server.address, POLL).await);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n4");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    server.stop().await;
}
