//! Long-polling, byte by byte.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    client::{POLL, RAW_POLL, get, post, request, session},
    server::{Server, config},
};

async fn raw(server: &Server) -> String {
    format!("{RAW_POLL}&sid={}", session(server.address, RAW_POLL).await)
}

#[actix_web::test]
async fn sends_and_receives_payloads() {
    let server = Server::start(config());
    let path = raw(&server).await;
    for body in ["4hello", "4a\u{1e}4b\u{1e}4c", "4é\u{1e}bAQIDBA=="].repeat(20) {
        let response = post(server.address, &path, body).await;
        assert_eq!((response.status, response.body.as_str()), (200, "ok"));
        // All of it at once: the POST was answered after its handlers.
        let response = get(server.address, &path).await;
        assert_eq!((response.status, response.body.as_str()), (200, body));
    }
    server.kill().await;
}

#[actix_web::test]
async fn malformed_payloads_end_the_session() {
    let mut server = Server::start(config());
    for body in ["abc", "", "4a\u{1e}", "\u{1e}\u{1e}", "b***", "0{}", "2probe5"] {
        let path = raw(&server).await;
        assert_eq!(post(server.address, &path, body).await.status, 400, "{body:?}");
        assert_eq!(get(server.address, &path).await.status, 400, "{body:?}");
        server.saw("closed parse error").await;
    }
    let path = raw(&server).await;
    assert_eq!(request(server.address, "POST", &path, "", b"4\xff\xfe").await.status, 400);
    server.saw("closed transport error").await;
    server.stop().await;
}

#[actix_web::test]
async fn a_second_poll_ends_both() {
    let mut server = Server::start(config());
    let path = raw(&server).await;
    let (first, second) = tokio::join!(get(server.address, &path), get(server.address, &path));
    let mut answers = [(first.status, first.body.as_str()), (second.status, "")];
    if first.status == 400 {
        answers = [(second.status, second.body.as_str()), (first.status, "")];
    }
    assert_eq!(answers, [(200, "1"), (400, "")]);
    server.saw("closed transport error").await;
    assert_eq!(get(server.address, &path).await.status, 400);
    server.stop().await;
}

#[actix_web::test]
async fn the_clients_close_answers_its_poll_with_a_noop_once() {
    let mut server = Server::start(config());
    for _ in 0..20 {
        let path = raw(&server).await;
        let (poll, close) = tokio::join!(get(server.address, &path), post(server.address, &path, "1"));
        assert_eq!((poll.status, poll.body.as_str(), close.status), (200, "6", 200));
        server.saw("closed transport close").await;
        assert_eq!(get(server.address, &path).await.status, 400);
    }
    server.stop().await;
}

#[actix_web::test]
async fn pings_and_gives_up() {
    // A client that answers has all the time it needs; one that does not has none to lose.
    for (timeout, rounds) in [(20_000, 3), (150, 0)] {
        let mut config = config();
        config.limits.ping_interval = Duration::from_millis(150);
        config.limits.ping_timeout = Duration::from_millis(timeout);
        let mut server = Server::start(config);
        let path = raw(&server).await;
        for _ in 0..rounds {
            assert_eq!(get(server.address, &path).await.body, "2");
            assert_eq!(post(server.address, &path, "3").await.status, 200);
        }
        if rounds == 0 {
            server.saw("closed ping timeout").await;
            assert_eq!(get(server.address, &path).await.status, 400);
        }
        server.kill().await;
    }
}

#[actix_web::test]
async fn too_large_is_413_and_the_session_goes_on() {
    let mut config = config();
    config.limits.max_payload = 1000;
    let server = Server::start(config);
    let path = raw(&server).await;
    let large = format!("4{}", "x".repeat(1000));
    assert_eq!(post(server.address, &path, &large).await.status, 413);
    // Without a length that says so, too.
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all((head + &chunked).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let fits = format!("4{}", "x".repeat(999));
    assert_eq!(post(server.address, &path, &fits).await.status, 200);
    assert_eq!(get(server.address, &path).await.body, fits);
    server.kill().await;
}

#[actix_web::test]
async fn an_aborted_poll_ends_the_session() {
    let mut server = Server::start(config());
    let path = raw(&server).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    server.saw("opened").await;
    drop(stream);
    server.saw("closed transport close").await;
    server.stop().await;
}

#[actix_web::test]
async fn an_aborted_post_ends_the_session() {
    let mut server = Server::start(config());
    let path = raw(&server).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n4abc");
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    server.saw("closed transport error").await;
    server.stop().await;
}

#[actix_web::test]
async fn socket_io_by_polling_alone() {
    let mut server = Server::start(config());
    let path = format!("{POLL}&sid={}", session(server.address, POLL).await);
    let body = "40{\"token\":\"early\"}";
    assert_eq!(post(server.address, &path, body).await.status, 200);
    let body = get(server.address, &path).await.body;
    let (answer, early) = body.split_once('\u{1e}').unwrap();
    assert!(answer.starts_with("40{\"sid\":\""));
    assert_eq!(early, "42[\"early\",1]");
    let binary = "451-[\"message\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID";
    assert_eq!(post(server.address, &path, binary).await.status, 200);
    let back = "451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID";
    assert_eq!(get(server.address, &path).await.body, back);
    assert_eq!(post(server.address, &path, "42[\"close-me\"]").await.status, 200);
    server.saw("disconnected server namespace disconnect").await;
    assert_eq!(get(server.address, &path).await.body, "41\u{1e}1");
    assert_eq!(get(server.address, &path).await.status, 400);
    server.stop().await;
}
