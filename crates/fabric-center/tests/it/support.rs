//! A throw-away Center and a client for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fabric_api::center::{NODE_KEY_HEADER, Session};
use fabric_center::{Center, Settings};
use fabric_domain::model::Timestamp;
use fabric_domain::ports::Clock;
use reqwest::{Client, Method, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A clock that only the test moves.
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// A running Center; gone when dropped.
pub(crate) struct TestCenter {
    pub(crate) center: Center,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) base: String,
    client: Client,
    dir: TempDir,
}

/// Answer of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) request_id: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn read<T: DeserializeOwned>(self) -> T {
        assert!((200..300).contains(&self.status), "{self:?}");
        serde_json::from_value(self.body).unwrap()
    }

    /// The error has the common shape, this status and this code.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["error"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.body["statusCode"], status);
        assert_eq!(self.body["requestId"].as_str(), Some(self.request_id.as_str()));
        assert!(self.body["message"].is_string());
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum As<'a> {
    Nobody,
    /// Access token.
    User(&'a str),
    /// Node key.
    Node(&'a str),
}

impl TestCenter {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            bind: "127.0.0.1".parse().unwrap(),
            port: 0,
            db_url: format!("sqlite://{}/center.db", dir.path().display()),
            ..Settings::default()
        };
        change(&mut settings);
        let clock = Arc::new(ManualClock(AtomicI64::new(1_800_000_000_000)));
        let center = Center::open_with(settings, clock.clone()).await.unwrap();
        let (server, address) = center.server().unwrap();
        tokio::spawn(server);
        // One connection each: of those that rest, the server may be closing one just now.
        let client =
            Client::builder().timeout(Duration::from_mins(1)).pool_max_idle_per_host(0).build().unwrap();
        Self { center, clock, base: format!("http://{address}"), client, dir }
    }

    /// The address of its database.
    pub(crate) fn database(&self) -> String {
        format!("sqlite://{}/center.db", self.dir.path().display())
    }

    pub(crate) fn request(&self, method: Method, path: &str, who: As<'_>) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match who {
            As::Nobody => request,
            As::User(token) => request.bearer_auth(token),
            As::Node(key) => request.header(NODE_KEY_HEADER, key),
        }
    }

    pub(crate) async fn get(&self, path: &str, who: As<'_>) -> Answer {
        answer(self.request(Method::GET, &format!("/api{path}"), who).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, who: As<'_>, body: Value) -> Answer {
        answer(self.request(Method::POST, &format!("/api{path}"), who).json(&body).send().await.unwrap())
            .await
    }

    pub(crate) async fn patch(&self, path: &str, who: As<'_>, body: Value) -> Answer {
        answer(self.request(Method::PATCH, &format!("/api{path}"), who).json(&body).send().await.unwrap())
            .await
    }

    /// Creates a user with [`PASSWORD`] and gives their id.
    pub(crate) async fn user(&self, email: &str, name: &str) -> String {
        self.center.create_user(email, PASSWORD, Some(name)).await.unwrap().id.into()
    }

    pub(crate) async fn login(&self, email: &str) -> Session {
        let body = json!({ "email": email, "password": PASSWORD });
        self.post("/auth/login", As::Nobody, body).await.read()
    }

    /// Registers a node and gives its key.
    pub(crate) async fn node(&self, id: &str) -> String {
        self.center.register_node(id, id, "http://localhost:7002").await.unwrap().api_key.unwrap()
    }

    /// Creates a user who has joined the guild, and signs them in.
    pub(crate) async fn member(&self, node_id: &str, email: &str, name: &str) -> Session {
        let id = self.user(email, name).await;
        self.center.add_member(node_id, &id).await.unwrap();
        self.login(email).await
    }

    /// What the node learns about a token.
    pub(crate) async fn introspect(&self, key: &str, token: &str) -> Value {
        let answer = self.post("/auth/introspect", As::Node(key), json!({ "token": token })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    pub(crate) async fn refresh(&self, session: &Session) -> Answer {
        self.post("/auth/refresh", As::Nobody, json!({ "refreshToken": session.refresh_token })).await
    }
}

pub(crate) async fn answer(response: Response) -> Answer {
    let status = response.status().as_u16();
    let id = response.headers().get("x-request-id").expect("every answer has x-request-id");
    let request_id = id.to_str().unwrap().to_owned();
    let text = response.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect(&text) };
    Answer { status, request_id, body }
}
