//! Work on the worker of a connection.

use std::{
    collections::{HashMap, HashSet},
    sync::mpsc,
    thread,
};

use actix_socketio::{Outgoing, Socket, WorkerGone};
use serde_json::json;

use crate::{
    client::{Ws, soon},
    server::{Server, config},
};

fn only_socket(server: &Server) -> Socket {
    server.io.of("/").unwrap().all().sockets().remove(0)
}

#[actix_web::test]
async fn work_is_done_on_the_worker_s_own_thread_in_the_order_in_which_it_was_given() {
    let server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    let worker = only_socket(&server).worker().clone();
    let (done, seen) = mpsc::channel();
    for n in 0..3_000 {
        let done = done.clone();
        worker.execute(move || done.send((n, thread::current().id())).unwrap()).await.unwrap();
    }
    let seen = tokio::task::spawn_blocking(move || seen.iter().take(3_000).collect::<Vec<_>>());
    let (numbers, threads): (Vec<_>, HashSet<_>) = soon(seen).await.unwrap().into_iter().unzip();
    assert_eq!(numbers, (0..3_000).collect::<Vec<_>>());
    assert_eq!(threads.len(), 1);
    assert!(!threads.contains(&thread::current().id()) && !worker.is_current());
    // Handlers run there, too.
    ws.text("421[\"thread\"]").await;
    assert_eq!(ws.read().await, format!("431{}", json!([format!("{:?}", threads.iter().next().unwrap())])));
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn what_work_sends_leaves_in_its_order() {
    let server = Server::start(config());
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(Ws::joined(server.address).await);
    }
    let sockets = server.io.of("/").unwrap().all().sockets();
    let workers: HashMap<_, _> =
        sockets.iter().map(|socket| (socket.worker().id(), socket.worker())).collect();
    assert!((1..=2).contains(&workers.len()));
    for n in 0..50 {
        let event = Outgoing::event("/", "n", &n).unwrap();
        for &worker in workers.values() {
            let own: Vec<_> = sockets.iter().filter(|socket| socket.worker() == worker).cloned().collect();
            let event = event.clone();
            let send = move || own.iter().for_each(|socket| socket.send(&event).unwrap());
            worker.execute(send).await.unwrap();
        }
    }
    for ws in &mut clients {
        for n in 0..50 {
            assert_eq!(ws.read().await, format!("42[\"n\",{n}]"));
        }
    }
    drop(clients);
    server.stop().await;
}

#[actix_web::test]
async fn work_that_panics_harms_nothing_else() {
    let server = Server::start(config());
    let mut ws = Ws::joined(server.address).await;
    let worker = only_socket(&server).worker().clone();
    worker.execute(|| panic!("as asked")).await.unwrap();
    let (done, seen) = tokio::sync::oneshot::channel();
    worker.execute(move || done.send(7).unwrap()).await.unwrap();
    assert_eq!(soon(seen).await, Ok(7));
    ws.text("421[\"still there\"]").await;
    assert_eq!(ws.read().await, "431[]");
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn a_worker_that_has_ended_takes_no_work() {
    let server = Server::start(config());
    let ws = Ws::joined(server.address).await;
    let worker = only_socket(&server).worker().clone();
    drop(ws);
    server.stop().await;
    // The server has stopped when its workers were told to; the thread may take a moment longer.
    soon(async { while worker.execute(|| ()).await != Err(WorkerGone) {} }).await;
}
