//! Websockets: alone, and as the upgrade of polling.

use actix_socketio::Outgoing;

use crate::{
    client::{Frame, POLL, RAW_POLL, RAW_WS, WS, Ws, get, post, session, soon},
    server::{Server, config},
};

async fn raw(server: &Server) -> Ws {
    let mut ws = Ws::connect(server.address, RAW_WS, "").await.ok().unwrap();
    assert!(ws.read().await.starts_with('0'));
    ws
}

#[actix_web::test]
async fn sends_and_receives_text_and_binary() {
    let mut server = Server::start(config());
    let mut ws = raw(&server).await;
    for length in [0, 1, 124, 125, 126, 65_534, 65_535, 65_536, 900_000] {
        let text = "x".repeat(length);
        ws.text(&format!("4{text}")).await;
        assert_eq!(ws.read().await, format!("4{text}"));
        ws.binary(text.as_bytes()).await;
        assert_eq!(ws.next().await, Frame::Binary(text.into_bytes()));
    }
    // In fragments, with a control frame between them.
    ws.frame(0x01, b"4he").await;
    ws.frame(0x89, b"hey").await;
    ws.frame(0x00, b"ll").await;
    ws.frame(0x80, b"o").await;
    assert_eq!(ws.next().await, Frame::Pong(b"hey".to_vec()));
    assert_eq!(ws.read().await, "4hello");
    ws.text("1").await;
    assert_eq!(ws.closed().await.0, 1000);
    server.saw("closed transport close").await;
    server.stop().await;
}

#[actix_web::test]
async fn a_close_frame_is_answered() {
    let mut server = Server::start(config());
    let mut ws = raw(&server).await;
    ws.frame(0x88, &[0x03, 0xe8]).await;
    assert_eq!(ws.closed().await.0, 1000);
    server.saw("closed transport close").await;
    let ws = raw(&server).await;
    drop(ws);
    server.saw("closed transport close").await;
    server.stop().await;
}

#[actix_web::test]
async fn upgrades() {
    let mut server = Server::start(config());
    let sid = session(server.address, RAW_POLL).await;
    let path = format!("{RAW_POLL}&sid={sid}");
    let upgrade = format!("{RAW_WS}&sid={sid}");
    let address = server.address;
    let poll = actix_web::rt::spawn({
        let path = path.clone();
        async move { get(address, &path).await }
    });
    let mut ws = Ws::connect(address, &upgrade, "").await.ok().unwrap();
    ws.text("2probe").await;
    assert_eq!(ws.read().await, "3probe");
    assert_eq!(soon(poll).await.unwrap().body, "6");
    let held = get(address, &path).await;
    assert_eq!((held.status, held.body.as_str()), (200, "6"));
    ws.text("5").await;
    ws.text("4hello").await;
    assert_eq!(ws.read().await, "4hello");
    assert_eq!(get(address, &path).await.status, 400);
    assert_eq!(post(address, &path, "4a").await.status, 400);
    let mut second = Ws::connect(address, &upgrade, "").await.ok().unwrap();
    assert_eq!(second.closed().await.0, 1000);
    ws.text("4still there").await;
    assert_eq!(ws.read().await, "4still there");
    drop(ws);
    server.saw("closed transport close").await;
    assert_eq!(Ws::connect(address, &upgrade, "").await.err(), Some(400));
    server.stop().await;
}

#[actix_web::test]
async fn a_second_websocket_does_not_silence_the_first() {
    let server = Server::start(config());
    let sid = session(server.address, POLL).await;
    let upgrade = format!("{WS}&sid={sid}");
    let mut ws = Ws::connect(server.address, &upgrade, "").await.ok().unwrap();
    ws.text("2probe").await;
    assert_eq!(ws.read().await, "3probe");
    ws.text("5").await;
    ws.text("40").await;
    assert!(ws.read().await.starts_with("40{\"sid\":"));
    // Many times: which of the two asks last for what there is to write is up to chance.
    for n in 0..50 {
        let mut second = Ws::connect(server.address, &upgrade, "").await.ok().unwrap();
        assert_eq!(second.closed().await.0, 1000);
        // From elsewhere: what the client itself sends makes the server look at its queue anyway.
        let news = Outgoing::event("/", "news", &n).unwrap();
        server.io.of("/").unwrap().all().send(&news);
        assert_eq!(ws.read().await, format!("42[\"news\",{n}]"));
    }
    server.kill().await;
}

#[actix_web::test]
async fn a_poll_right_behind_an_upgrade_is_refused() {
    let server = Server::start(config());
    for _ in 0..20 {
        let sid = session(server.address, RAW_POLL).await;
        let upgrade = format!("{RAW_WS}&sid={sid}");
        let mut ws = Ws::connect(server.address, &upgrade, "").await.ok().unwrap();
        // In one go: a worker that rests between the two would find a poll that overtook the upgrade.
        ws.texts(&["2probe", "5"]).await;
        assert_eq!(get(server.address, &format!("{RAW_POLL}&sid={sid}")).await.status, 400);
    }
    server.kill().await;
}

#[actix_web::test]
async fn half_an_upgrade_leaves_polling_alone() {
    let server = Server::start(config());
    let sid = session(server.address, RAW_POLL).await;
    let path = format!("{RAW_POLL}&sid={sid}");
    for words in [&["2probe", "4a"][..], &["5"], &["4a"], &["2probe"]] {
        let upgrade = format!("{RAW_WS}&sid={sid}");
        let mut ws = Ws::connect(server.address, &upgrade, "").await.ok().unwrap();
        for word in words {
            ws.text(word).await;
        }
        ws.frame(0x88, &[]).await;
        ws.closed().await;
    }
    assert_eq!(post(server.address, &path, "4a").await.status, 200);
    assert_eq!(get(server.address, &path).await.body, "4a");
    server.kill().await;
}
