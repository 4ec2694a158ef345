//! What happens between a websocket and its TCP connection when that is narrow, half closed, reset or in the middle of
//! something.

use std::{net::Shutdown, time::Duration};

use actix_socketio::{Outgoing, Socket};
use serde_json::json;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    client::{Frame, POLL, WS, Ws, frame, post, request, session, soon},
    server::{Server, config},
};

fn only_socket(server: &Server) -> Socket {
    server.io.of("/").unwrap().all().sockets().remove(0)
}

fn event(n: usize) -> Outgoing {
    // Of all lengths, with every size of the header.
    let filler = "x".repeat([0, 100, 3_000, 70_000][n % 4] + n);
    Outgoing::event("/", "n", &(n, filler)).unwrap()
}

fn number(text: &str) -> usize {
    let args: (String, usize, String) = serde_json::from_str(&text[2..]).unwrap();
    assert!(args.2.bytes().all(|byte| byte == b'x'));
    args.1
}

/// A joined client with buffers so small that nearly every write is a partial one.
async fn narrow(server: &mut Server) -> Ws {
    let ws = Ws::joined(server.address).await;
    SockRef::from(&ws.stream).set_recv_buffer_size(16 * 1024).unwrap();
    ws
}

#[actix_web::test]
async fn partial_writes_split_no_frame_and_lose_none() {
    let mut server = Server::start(config());
    let mut ws = narrow(&mut server).await;
    let socket = only_socket(&server);
    for round in 0..4 {
        for n in 0..24 {
            socket.send(&event(round * 24 + n)).unwrap();
        }
        // Pongs and answers go between the frames, wherever those stand.
        ws.frame(0x89, b"hey").await;
        ws.text("421[\"a\"]").await;
        let (mut events, mut pongs, mut acks) = (0, 0, 0);
        while events < 24 || pongs < 1 || acks < 1 {
            match ws.next().await {
                Frame::Pong(payload) if payload == b"hey" => pongs += 1,
                Frame::Text(text) if text == "431[]" => acks += 1,
                Frame::Text(text) if text == "2" => ws.text("3").await,
                Frame::Text(text) => {
                    assert_eq!(number(&text), round * 24 + events);
                    events += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn who_reads_slowly_gets_everything_and_the_farewell_last() {
    let mut server = Server::start(config());
    let mut ws = narrow(&mut server).await;
    let socket = only_socket(&server);
    (0..16).for_each(|n| socket.send(&event(n)).unwrap());
    socket.disconnect(true);
    for n in 0..16 {
        assert_eq!(number(&ws.read().await), n);
    }
    assert_eq!(ws.read().await, "41");
    assert_eq!(ws.next().await, Frame::Close(1000, "forced server close".into()));
    assert_eq!(ws.next().await, Frame::End);
    server.stop().await;
}

#[actix_web::test]
async fn who_is_closed_for_its_full_queue_gets_whole_frames_and_is_gone_without_reading() {
    let mut server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    let socket = only_socket(&server);
    let mut sent = 0;
    while socket.send(&event(4 * sent + 3)).is_ok() {
        sent += 1;
        // Another thread writes.
        tokio::task::yield_now().await;
    }
    server.saw("disconnected queue full").await;
    let mut got = 0;
    loop {
        match ws.next().await {
            Frame::Text(text) => {
                assert_eq!(number(&text), 4 * got + 3);
                got += 1;
            }
            Frame::Close(code, reason) => {
                assert_eq!((code, reason.as_str()), (1008, "queue full"));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(got < sent);
    server.stop().await;
}

#[actix_web::test]
async fn a_client_that_ends_its_half_is_gone() {
    let mut server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    SockRef::from(&ws.stream).shutdown(Shutdown::Write).unwrap();
    server.saw("disconnected transport close").await;
    ws.closed().await;
    assert_eq!(ws.next().await, Frame::End);
    server.stop().await;
}

#[actix_web::test]
async fn a_client_that_resets_is_gone_whatever_waits_for_it() {
    let mut server = Server::start(config());
    for waiting in [0, 12] {
        let ws = narrow(&mut server).await;
        let socket = only_socket(&server);
        (0..waiting).for_each(|n| socket.send(&event(4 * n + 3)).unwrap());
        SockRef::from(&ws.stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(ws);
        server.saw("disconnected transport close").await;
    }
    server.stop().await;
}

#[actix_web::test]
async fn closing_the_server_says_farewell_and_waits_for_nobody_who_does_not_read() {
    let mut server = Server::start(config());
    let mut reader = Ws::joined(server.address).await;
    let deaf = Ws::joined(server.address).await;
    let root = server.io.of("/").unwrap();
    for n in 0..8 {
        root.all().send(&event(4 * n + 3));
    }
    let closing = soon(server.io.close());
    let reading = async {
        let mut last = reader.next().await;
        while let Frame::Text(_) = last {
            last = reader.next().await;
        }
        assert_eq!(last, Frame::Close(1001, "server shutting down".into()));
        assert_eq!(reader.next().await, Frame::End);
    };
    tokio::join!(closing, reading);
    server.saw("disconnected server shutting down").await;
    drop(deaf);
    server.stop().await;
}

#[actix_web::test]
async fn frames_that_come_with_the_request_are_read() {
    let server = Server::start(config());
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let mut bytes = format!(
        "GET {WS} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(frame(0x81, b"40"));
    bytes.extend(&frame(0x81, b"421[\"a\"]")[..5]);
    stream.write_all(&bytes).await.unwrap();
    let mut got = String::new();
    let mut chunk = [0; 4096];
    let mut rest = Some(frame(0x81, b"421[\"a\"]").split_off(5));
    while !got.contains("431[]") {
        let read = soon(stream.read(&mut chunk)).await.unwrap();
        assert!(read > 0, "{got}");
        got.push_str(&String::from_utf8_lossy(&chunk[..read]));
        if got.contains("40{\"sid\"")
            && let Some(rest) = rest.take()
        {
            stream.write_all(&rest).await.unwrap();
        }
    }
    assert!(got.starts_with("HTTP/1.1 101 "), "{got}");
    drop(stream);
    server.stop().await;
}

#[actix_web::test]
async fn a_request_for_a_websocket_that_is_none_of_ours_is_answered_by_the_application() {
    let server = Server::start(config());
    assert_eq!(Ws::connect(server.address, "/elsewhere", "").await.err(), Some(404));
    let asks = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    // No key, no version; and a transport that is no websocket.
    for (path, status) in [("/elsewhere", 404), (WS, 400), (POLL, 400)] {
        let answer = request(server.address, "GET", path, asks, b"").await;
        assert_eq!(answer.status, status, "{path}");
    }
    assert_eq!(server.io.connection_count(), 0);
    server.stop().await;
}

#[actix_web::test]
async fn an_upgrade_at_another_worker_moves_to_the_worker_of_its_session() {
    let server = Server::start(config());
    // Two workers take turns in accepting, so half of these end where they did not begin.
    for _ in 0..8 {
        let sid = session(server.address, POLL).await;
        let mut ws = Ws::connect(server.address, &format!("{WS}&sid={sid}"), "").await.ok().unwrap();
        ws.text("2probe").await;
        assert_eq!(ws.read().await, "3probe");
        ws.text("5").await;
        ws.text("40").await;
        assert!(ws.read().await.starts_with("40{"));
        let socket = only_socket(&server);
        let worker = socket.worker().clone();
        let news = Outgoing::event("/", "news", &json!(1)).unwrap();
        let send = move || socket.send(&news).unwrap();
        worker.execute(send).await.unwrap();
        assert_eq!(ws.read().await, "42[\"news\",1]");
        drop(ws);
        soon(async {
            while server.io.connection_count() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    server.stop().await;
}

/// What is queued is the polling client's until the upgrade is done: a websocket that probes has nothing of it.
#[actix_web::test]
async fn a_websocket_that_probes_while_events_wait_for_a_poll_is_answered_and_gets_them_after_the_upgrade() {
    let server = Server::start(config());
    let sid = session(server.address, POLL).await;
    let path = format!("{POLL}&sid={sid}");
    assert_eq!(post(server.address, &path, "40").await.status, 200);
    let socket = soon(async {
        loop {
            match server.io.of("/").map(|namespace| namespace.all().sockets()).unwrap_or_default().pop() {
                Some(socket) if socket.is_connected() => return socket,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    socket.emit("news", &json!(1)).unwrap();
    let mut ws = Ws::connect(server.address, &format!("{WS}&sid={sid}"), "").await.ok().unwrap();
    ws.text("2probe").await;
    assert_eq!(soon(ws.read()).await, "3probe");
    socket.emit("news", &json!(2)).unwrap();
    ws.text("5").await;
    assert!(soon(ws.read()).await.starts_with("40{"));
    assert_eq!(soon(ws.read()).await, "42[\"news\",1]");
    assert_eq!(soon(ws.read()).await, "42[\"news\",2]");
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn more_small_events_than_the_inbox_holds_are_all_handled_in_their_order() {
    let mut small = config();
    small.inbox_events = 2;
    let server = Server::start(small);
    let mut ws = Ws::joined(server.address).await;
    let events: Vec<String> = (0..500).map(|n| format!("42{n}[\"a\",{n}]")).collect();
    // One write, so that all of them are read at once.
    ws.texts(&events.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for n in 0..500 {
        assert_eq!(ws.read().await, format!("43{n}[{n}]"));
    }
    drop(ws);
    server.stop().await;
}
