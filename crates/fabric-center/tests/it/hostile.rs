//! Input that nobody should send.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::json;

use crate::support::{As, TestCenter, answer};

#[tokio::test]
async fn wrong_types_are_400_on_every_route_that_reads_a_body() {
    let t = TestCenter::with(|s| s.open_registration = true).await;
    let key = t.node("north").await;
    let session = t.member("north", "ada@example.org", "Ada").await;
    let user = As::User(&session.access_token);
    for (path, who, field) in [
        ("/auth/register", As::Nobody, "email"),
        ("/auth/login", As::Nobody, "password"),
        ("/auth/agent/login", As::Nobody, "apiKey"),
        ("/auth/refresh", As::Nobody, "refreshToken"),
        ("/auth/me/guilds/join", user, "nodeId"),
        ("/auth/resolve-names", As::Node(&key), "names"),
        ("/auth/introspect", As::Node(&key), "token"),
        ("/nodes/register", As::Node(&key), "endpoint"),
    ] {
        for wrong in [json!(7), json!(null), json!({}), json!([1]), json!(true), json!("")] {
            if field == "names" && wrong == json!("") {
                continue;
            }
            let answer = t.post(path, who, json!({ field: wrong })).await;
            answer.refused(400, "validation_failed");
            let details = answer.body["details"].as_array().unwrap();
            assert!(details.iter().any(|bad| bad["field"] == field), "{path}: {answer:?}");
        }
        for body in [json!([]), json!("text"), json!(null)] {
            assert_eq!(t.post(path, who, body).await.status, 400, "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_must_be_json_and_short() {
    let t = TestCenter::start().await;
    let login = |body: String, content_type: &'static str| {
        let request = t.request(Method::POST, "/api/auth/login", As::Nobody);
        async move { answer(request.header("content-type", content_type).body(body).send().await.unwrap()).await }
    };
    login("{\"email\":".to_owned(), "application/json").await.refused(400, "invalid_json");
    login(String::new(), "application/json").await.refused(400, "invalid_json");
    login("\u{fffd}".repeat(9), "application/json; charset=utf-8").await.refused(400, "invalid_json");
    login("[".repeat(10_000), "application/json").await.refused(400, "invalid_json");
    login("{}".to_owned(), "text/plain").await.refused(415, "unsupported_media_type");
    login(format!("{{\"email\":\"{}\"}}", "x".repeat(70_000)), "application/json")
        .await
        .refused(413, "body_too_large");
}

#[tokio::test]
async fn no_forged_token_is_taken() {
    let t = TestCenter::start().await;
    let key = t.node("north").await;
    let session = t.member("north", "ada@example.org", "Ada").await;
    let (header, rest) = session.access_token.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let mut forged = vec![
        "x".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{}.{payload}.", encode(r#"{"alg":"none","typ":"JWT"}"#)),
        format!("{}.{payload}.{signature}", encode(r#"{"alg":"None"}"#)),
        format!("{}.{payload}.{signature}", encode(r#"{"alg":"RS256","typ":"JWT"}"#)),
        format!("{}.{payload}.{signature}", encode(r#"{"alg":"HS512","typ":"JWT"}"#)),
        format!("{header}.{}.{signature}", encode(r#"{"sub":"somebody else"}"#)),
        format!("{}.{payload}.{signature}", encode("not json")),
        "é".repeat(3_000),
    ];
    // Another first letter of the signature.
    let first = if signature.starts_with('A') { 'E' } else { 'A' };
    forged.push(format!("{header}.{payload}.{first}{}", &signature[1..]));
    for token in &forged {
        let seen = t.introspect(&key, token).await;
        assert_eq!(seen, json!({ "active": false }), "{token}");
        if token.is_ascii() {
            t.get("/auth/me", As::User(token)).await.refused(401, "invalid_token");
        }
    }
    for value in ["Bearer", "Bearer ", "Basic YTpi", session.access_token.as_str()] {
        let request = t.request(Method::GET, "/api/auth/me", As::Nobody).header("authorization", value);
        answer(request.send().await.unwrap()).await.refused(401, "missing_bearer_token");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_have_the_common_shape() {
    let t = TestCenter::start().await;
    t.get("/nothing", As::Nobody).await.refused(404, "route_not_found");
    t.get("/auth/login", As::Nobody).await.refused(405, "method_not_allowed");
    for path in ["/", "/api", "/elsewhere", "/api/auth/guilds//members", "/api/auth/guilds/%ff/members"] {
        let answer = answer(t.request(Method::GET, path, As::Nobody).send().await.unwrap()).await;
        assert!(answer.status == 404 || answer.status == 401, "{path}: {answer:?}");
        answer.refused(answer.status, answer.body["error"].as_str().unwrap());
    }
    for path in ["/healthz", "/api/healthz"] {
        let answer = answer(t.request(Method::GET, path, As::Nobody).send().await.unwrap()).await;
        assert_eq!((answer.status, answer.body), (200, json!({ "status": "ok" })));
        assert_eq!(t.request(Method::HEAD, path, As::Nobody).send().await.unwrap().status(), 200);
    }
    let refused = t.request(Method::DELETE, "/api/auth/me", As::Nobody).send().await.unwrap();
    assert_eq!(refused.headers()["allow"], "GET, PATCH");
}

#[tokio::test]
async fn a_sane_request_id_is_taken_over_and_others_are_not() {
    let t = TestCenter::start().await;
    let ask = |id: String| {
        let request = t.request(Method::GET, "/api/auth/me", As::Nobody).header("x-request-id", id);
        async move { answer(request.send().await.unwrap()).await.request_id }
    };
    assert_eq!(ask("abc-123_x.y:z".to_owned()).await, "abc-123_x.y:z");
    for bad in [String::new(), "a b".to_owned(), "<script>".to_owned(), "x".repeat(129)] {
        let id = ask(bad.clone()).await;
        assert!(id != bad && id.len() == 36, "{id}");
    }
}

#[tokio::test]
async fn browsers_may_ask_from_anywhere_unless_origins_are_listed() {
    let ask = async |t: &TestCenter, origin: &str| {
        let request = t.request(Method::OPTIONS, "/api/auth/login", As::Nobody).header("origin", origin);
        let request = request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let response = request.send().await.unwrap();
        response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    let open = TestCenter::start().await;
    assert_eq!(ask(&open, "https://anywhere.example").await.as_deref(), Some("*"));
    let listed =
        TestCenter::with(|s| s.cors_origins = "https://chat.example, http://localhost:5173/".to_owned())
            .await;
    assert_eq!(ask(&listed, "https://chat.example").await.as_deref(), Some("https://chat.example"));
    assert_eq!(ask(&listed, "http://localhost:5173").await.as_deref(), Some("http://localhost:5173"));
    assert_eq!(ask(&listed, "null").await.as_deref(), Some("null"));
    assert_eq!(ask(&listed, "https://evil.example").await, None);
}

#[tokio::test]
async fn a_page_can_read_why_it_was_refused() {
    let t = TestCenter::start().await;
    let request =
        t.request(Method::GET, "/api/auth/me", As::Nobody).header("origin", "https://anywhere.example");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    answer(response).await.refused(401, "missing_bearer_token");
}

#[tokio::test]
async fn nothing_secret_is_in_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("center.db");
    let t = TestCenter::with(|s| s.db_url = format!("sqlite://{}", path.display())).await;
    let node_key = t.node("north").await;
    let session = t.member("north", "ada@example.org", "Ada").await;
    let api_key = t.center.create_api_key("ada@example.org", "k").await.unwrap();
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let file = entry.unwrap().path();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is for its owner only", file.display());
        }
        stored.extend(std::fs::read(file).unwrap());
    }
    let has = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("ada@example.org"), "the test reads the right files");
    for secret in [&node_key, &api_key, &session.refresh_token, &crate::support::PASSWORD.to_owned()] {
        assert!(!has(secret));
    }
}
