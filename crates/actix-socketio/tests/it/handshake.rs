//! The first request: what is answered, and what is refused.

use actix_socketio::{Origins, Rate};
use serde_json::{Value, json};

use crate::{
    client::{POLL, RAW_POLL, WS, Ws, get, post, request, session},
    server::{Server, config},
};

#[actix_web::test]
async fn opens_by_polling() {
    let server = Server::start(config());
    for path in [POLL, RAW_POLL, "/socket.io?EIO=4&transport=polling"] {
        let response = get(server.address, path).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let mut open: Value = serde_json::from_str(response.body.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(open["sid"].as_str().unwrap().len(), 20);
        open["sid"] = Value::Null;
        assert_eq!(
            open,
            json!({
                "sid": null, "upgrades": ["websocket"], "pingInterval": 25_000,
                "pingTimeout": 20_000, "maxPayload": 1_000_000,
            })
        );
    }
    server.kill().await;
}

#[actix_web::test]
async fn opens_on_a_websocket() {
    let server = Server::start(config());
    let mut ws = Ws::connect(server.address, WS, "").await.ok().unwrap();
    let text = ws.read().await;
    let open: Value = serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(open["upgrades"], json!([]));
    drop(ws);
    server.stop().await;
}

#[actix_web::test]
async fn refuses_with_the_codes_of_the_protocol() {
    let server = Server::start(config());
    for (path, code) in [
        ("/socket.io/", 0),
        ("/socket.io/?EIO=4", 0),
        ("/socket.io/?EIO=4&transport=abc", 0),
        ("/socket.io/?EIO=4&transport=__proto__", 0),
        ("/socket.io/?transport=polling", 5),
        ("/socket.io/?EIO=3&transport=polling", 5),
        ("/socket.io/?EIO=abc&transport=polling", 5),
        ("/socket.io/?EIO=4&transport=polling&sid=unknown", 1),
        ("/socket.io/?EIO=4&transport=polling&sid=", 1),
        ("/socket.io/?EIO=4&transport=polling&sid=%00%ff", 1),
        ("/socket.io/?EIO=4&transport=websocket", 3),
    ] {
        let response = get(server.address, path).await;
        assert_eq!(response.status, 400, "{path}");
        let body: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(body["code"], code, "{path}");
    }
    assert_eq!(post(server.address, POLL, "40").await.status, 400);
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(request(server.address, method, POLL, "", b"").await.status, 400);
    }
    for path in [
        "/socket.io/?EIO=4&transport=polling",
        "/socket.io/?EIO=4&transport=abc",
        "/socket.io/?EIO=3&transport=websocket",
        "/socket.io/?EIO=4&transport=websocket&sid=unknown",
    ] {
        assert_eq!(Ws::connect(server.address, path, "").await.err(), Some(400), "{path}");
    }
    server.stop().await;
}

#[actix_web::test]
async fn every_origin_may_read_by_default() {
    let server = Server::start(config());
    let response = request(server.address, "GET", POLL, "Origin: http://a\r\n", b"").await;
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    let headers = "Origin: http://a\r\nAccess-Control-Request-Method: POST\r\n\
                   Access-Control-Request-Headers: x-y\r\n";
    let response = request(server.address, "OPTIONS", POLL, headers, b"").await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-methods"), Some("GET,POST"));
    assert_eq!(response.header("access-control-allow-headers"), Some("x-y"));
    server.kill().await;
}

#[actix_web::test]
async fn only_listed_origins_may_connect_by_either_transport() {
    let mut config = config();
    config.origins = Origins::List(vec!["https://chat.example.org".into()]);
    let server = Server::start(config);
    let good = "Origin: https://chat.example.org\r\n";
    let bad = "Origin: https://evil.example.org\r\n";
    let response = request(server.address, "GET", POLL, good, b"").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("access-control-allow-origin"), Some("https://chat.example.org"));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    let response = request(server.address, "GET", POLL, bad, b"").await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (403, None));
    assert!(Ws::connect(server.address, WS, good).await.is_ok());
    assert_eq!(Ws::connect(server.address, WS, bad).await.err(), Some(403));
    assert!(Ws::connect(server.address, WS, "").await.is_ok());
    server.kill().await;
}

#[actix_web::test]
async fn connections_are_bounded_per_address_and_in_all() {
    let mut slow = config();
    slow.connect_rate = Some(Rate { per_second: 0, burst: 3 });
    let server = Server::start(slow);
    for _ in 0..3 {
        session(server.address, POLL).await;
    }
    assert_eq!(get(server.address, POLL).await.status, 429);
    server.kill().await;
    let mut small = config();
    small.max_connections = Some(2);
    let server = Server::start(small);
    session(server.address, POLL).await;
    session(server.address, POLL).await;
    assert_eq!(get(server.address, POLL).await.status, 503);
    assert_eq!(Ws::connect(server.address, WS, "").await.err(), Some(503));
    server.kill().await;
}

#[actix_web::test]
async fn handlers_see_where_a_client_comes_from() {
    for (trust, address) in [(false, "127.0.0.1"), (true, "10.1.2.3")] {
        let mut config = config();
        config.trust_forwarded = trust;
        let server = Server::start(config);
        let path = format!("{WS}&guild=7&t=abc");
        let headers = "Origin: http://a\r\nCookie: c=1\r\nX-Forwarded-For: 9.9.9.9, 10.1.2.3\r\n";
        let mut ws = Ws::connect(server.address, &path, headers).await.ok().unwrap();
        ws.read().await;
        ws.text("40{\"token\":\"who\"}").await;
        ws.read().await;
        let text = ws.read().await;
        let who: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        let expected = json!({
            "address": address, "origin": "http://a", "query": [["guild", "7"]], "cookie": "c=1",
        });
        assert_eq!(who[1], expected);
        server.kill().await;
    }
}
