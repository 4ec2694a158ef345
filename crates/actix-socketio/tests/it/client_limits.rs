//! Clients that keep the server waiting: nobody else is kept out, and what they hold is bounded.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use actix_socketio::{Client, ClientLimits, HttpServer};
use actix_web::{App, HttpRequest, HttpResponse, dev::ServerHandle, rt, web};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::client::{get, request, soon};

/// More than the kernel keeps for a connection.
const LARGE: usize = 16 * 1024 * 1024;

struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    /// Of each connection, whether it writes at once.
    nodelay: Receiver<bool>,
}

async fn large() -> HttpResponse {
    HttpResponse::Ok().body(vec![b'x'; LARGE])
}

async fn patient() -> &'static str {
    sleep(Duration::from_secs(3)).await;
    "done"
}

/// Whether so many bytes may be held.
async fn hold(request: HttpRequest, bytes: web::Path<usize>) -> HttpResponse {
    let client = request.conn_data::<Arc<Client>>().unwrap();
    if client.hold(*bytes).is_ok() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() }.finish()
}

async fn length(body: web::Bytes) -> String {
    body.len().to_string()
}

impl Server {
    fn start(change: impl FnOnce(&mut ClientLimits)) -> Self {
        let mut limits = ClientLimits::default();
        change(&mut limits);
        let (said, nodelay) = channel();
        let server = HttpServer::new(|| {
            App::new()
                .route("/large", web::get().to(large))
                .route("/patient", web::get().to(patient))
                .route("/length", web::post().to(length))
                .route("/hold/{bytes}", web::get().to(hold))
        })
        .workers(2)
        .client_request_timeout(Duration::from_mins(1))
        .client_limits(limits)
        .on_connect(move |stream| {
            // Nobody may be there who listens.
            let _ = said.send(stream.nodelay().unwrap());
        })
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run().unwrap();
        let handle = server.handle();
        rt::spawn(server);
        Self { address, handle, nodelay }
    }

    async fn send(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let _ = stream.write_all(head.as_bytes()).await;
        stream
    }

    async fn unfinished(&self) -> TcpStream {
        self.send("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1234").await
    }
}

/// Waits until the server has ended the connection.
async fn ended(stream: &mut TcpStream) {
    let mut buffer = vec![0; 1024 * 1024];
    soon(async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} }).await;
}

#[actix_web::test]
async fn unfinished_requests_keep_nobody_out_not_even_at_their_own_address() {
    let server = Server::start(|limits| limits.per_address = 20);
    let mut kept = Vec::new();
    for _ in 0..100 {
        kept.push(server.unfinished().await);
        kept.push(server.send("GET /large HT").await);
        kept.push(server.send("").await);
    }
    // Several workers take connections in, so a newcomer among these could be the one to go.
    for stream in &mut kept[..200] {
        ended(stream).await;
    }
    let answer = request(server.address, "POST", "/length", "", b"12345").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "5"));
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn a_body_that_does_not_come_and_an_answer_that_is_not_read_end_their_connection_only() {
    let server = Server::start(|limits| {
        limits.body_stall = Duration::from_secs(1);
        limits.answer_stall = Duration::from_secs(1);
    });
    let mut patient = server.send("GET /patient HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let mut body = server.unfinished().await;
    let mut unread = server.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    ended(&mut body).await;
    sleep(Duration::from_secs(2)).await;
    let mut read = Vec::new();
    let _ = soon(unread.read_to_end(&mut read)).await;
    assert!(read.len() < LARGE, "it was given up while nobody read it");
    let mut answer = String::new();
    soon(patient.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("done"), "the server was waited for, not the client: {answer}");
    let whole = get(server.address, "/large").await;
    assert_eq!((whole.status, whole.body.len()), (200, LARGE));
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn answers_that_nobody_reads_give_way_to_others() {
    let server = Server::start(|limits| limits.held_bytes = 3 * LARGE);
    let mut unread = Vec::new();
    for _ in 0..12 {
        let stream = server.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
        soon(stream.readable()).await.unwrap();
        unread.push(stream);
    }
    let whole = get(server.address, "/large").await;
    assert_eq!((whole.status, whole.body.len()), (200, LARGE));
    let mut given_up = 0;
    for stream in &mut unread {
        let mut read = 0;
        let mut buffer = vec![0; 1024 * 1024];
        while read < LARGE {
            match soon(stream.read(&mut buffer)).await {
                Ok(bytes) if bytes > 0 => read += bytes,
                _ => break,
            }
        }
        given_up += usize::from(read < LARGE);
    }
    assert!(given_up >= 10, "room was for three: {given_up}");
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn there_is_no_room_for_more_than_may_be_held() {
    let server = Server::start(|limits| limits.held_bytes = 1_000);
    assert_eq!(get(server.address, "/hold/1000").await.status, 200);
    assert_eq!(get(server.address, "/hold/1001").await.status, 503);
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn what_is_written_waits_for_nothing_more() {
    let server = Server::start(|_| ());
    assert_eq!(get(server.address, "/").await.status, 404);
    assert!(server.nodelay.recv().unwrap());
    server.handle.stop(false).await;
}
