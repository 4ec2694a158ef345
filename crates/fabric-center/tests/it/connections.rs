//! Clients that keep Center waiting, and proxies that speak for others.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{As, TestCenter, answer};

#[tokio::test]
async fn a_thousand_unfinished_requests_keep_nobody_out_not_even_at_their_own_address() {
    let t = TestCenter::start().await;
    t.user("ada@example.org", "Ada").await;
    let address = t.base.trim_start_matches("http://");
    let mut unfinished = Vec::new();
    for _ in 0..1_200 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                    content-length: 60000\r\n\r\n{\"email\":";
        stream.write_all(head.as_bytes()).await.unwrap();
        unfinished.push(stream);
    }
    t.login("ada@example.org").await;
    let mut rest = Vec::new();
    let first = unfinished[0].read_to_end(&mut rest).await;
    assert!(first.is_err() || rest.is_empty(), "the first of them had to go");
}

#[tokio::test]
async fn the_number_of_connections_of_an_address_can_be_chosen() {
    let t = TestCenter::with(|s| s.connections_per_address = 2).await;
    let address = t.base.trim_start_matches("http://");
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(TcpStream::connect(address).await.unwrap());
    }
    // Of several that came at once it may be any.
    let reads = connections.iter_mut().map(|stream| Box::pin(async { stream.read(&mut [0]).await }));
    let (ended, ..) = futures_util::future::select_all(reads).await;
    assert_eq!(ended.unwrap_or_default(), 0, "it is ended, long before it would be told to say something");
}

#[tokio::test]
async fn every_answer_says_that_it_is_no_page() {
    let t = TestCenter::start().await;
    for (method, path, status) in [
        (Method::GET, "/healthz", 200),
        (Method::GET, "/nothing", 404),
        (Method::GET, "/api/auth/me", 401),
        (Method::DELETE, "/api/auth/me", 405),
        (Method::POST, "/api/auth/login", 415),
        (Method::GET, "/api/auth/guilds/%ff/members", 401),
    ] {
        let response = t.request(method, path, As::Nobody).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(
                response.headers().get(name).map(|value| value.to_str().unwrap()),
                Some(value),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_attempts() {
    let wrong = json!({ "email": "ada@example.org", "password": "not the password" });
    let attempt = async |t: &TestCenter, client: &str, body: &serde_json::Value| {
        let request = t.request(Method::POST, "/api/auth/login", As::Nobody).json(body);
        answer(request.header("x-forwarded-for", client).send().await.unwrap()).await.status
    };
    let one_a_minute = |s: &mut fabric_center::Settings| s.logins_per_minute_per_address = 1;
    let t = TestCenter::with(|s| {
        one_a_minute(s);
        s.trusted_proxies = "127.0.0.1".parse().unwrap();
    })
    .await;
    assert_eq!(attempt(&t, "192.0.2.1", &wrong).await, 401);
    assert_eq!(
        attempt(&t, "198.51.100.9, 192.0.2.1", &wrong).await,
        429,
        "what a client makes up is not believed"
    );
    assert_eq!(attempt(&t, "192.0.2.2", &wrong).await, 401);
    let t = TestCenter::with(one_a_minute).await;
    assert_eq!(attempt(&t, "192.0.2.1", &wrong).await, 401);
    assert_eq!(attempt(&t, "192.0.2.2", &wrong).await, 429, "nobody here is trusted to speak for others");
}
