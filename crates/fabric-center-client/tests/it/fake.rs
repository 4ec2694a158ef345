//! A Center that counts its calls, can be slow or broken, goes down and comes back at the same address.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use fabric_api::center::NODE_KEY_HEADER;
use fabric_center_client::{CenterClient, Config};
use fabric_domain::model::Timestamp;
use fabric_domain::ports::Clock;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub(crate) const KEY: &str = "fnk_test";
/// When the tests begin.
pub(crate) const START: i64 = 1_800_000_000_000;

/// A clock that only the test moves.
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// What the fake does and has done.
pub(crate) struct State {
    calls: AtomicUsize,
    /// So many of the next calls get a 503.
    pub(crate) failing: AtomicUsize,
    /// Every call needs a permit to be answered.
    pub(crate) gate: Semaphore,
    /// `null`: there is no admin.
    pub(crate) admin: std::sync::Mutex<Value>,
    /// Tokens that stand for nobody any more.
    pub(crate) revoked: std::sync::Mutex<Vec<String>>,
}

pub(crate) struct FakeCenter {
    pub(crate) state: Arc<State>,
    pub(crate) clock: Arc<ManualClock>,
    /// Bound for as long as the test runs, so that no other test's Center can get this port in between.
    listener: TcpListener,
    mode: Mode,
}

enum Mode {
    Up(ServerHandle),
    /// Whoever connects is hung up on.
    Down(JoinHandle<()>),
}

impl FakeCenter {
    pub(crate) fn start() -> Self {
        let state = Arc::new(State {
            calls: AtomicUsize::new(0),
            failing: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            admin: std::sync::Mutex::new(Value::Null),
            revoked: std::sync::Mutex::default(),
        });
        let clock = Arc::new(ManualClock(AtomicI64::new(START)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let mode = Mode::Up(serve(&listener, &state));
        Self { state, clock, listener, mode }
    }

    pub(crate) fn client(&self) -> CenterClient {
        self.client_with(|_| {})
    }

    pub(crate) fn client_with(&self, change: impl FnOnce(&mut Config)) -> CenterClient {
        let mut config =
            Config::new(format!("http://{}/", self.listener.local_addr().unwrap()), KEY, "north");
        // A slow machine is not an absent Center: one that is down hangs up.
        config.timeout = Duration::from_secs(30);
        config.admin_patience = Duration::from_secs(30);
        change(&mut config);
        CenterClient::new(config, self.clock.clone()).unwrap()
    }

    /// Requests that have arrived since the last time.
    pub(crate) fn calls(&self) -> usize {
        self.state.calls.swap(0, Ordering::SeqCst)
    }

    pub(crate) async fn go_down(&mut self) {
        let listener = tokio::net::TcpListener::from_std(self.listener.try_clone().unwrap()).unwrap();
        let hang_up = async move {
            loop {
                drop(listener.accept().await);
            }
        };
        if let Mode::Up(server) = std::mem::replace(&mut self.mode, Mode::Down(tokio::spawn(hang_up))) {
            server.stop(false).await;
        }
    }

    pub(crate) async fn come_back(&mut self) {
        if let Mode::Down(hang_up) = &mut self.mode {
            hang_up.abort();
            // Over once its handle says so: it must not take one more connection.
            let _ = hang_up.await;
        }
        self.mode = Mode::Up(serve(&self.listener, &self.state));
    }
}

fn serve(listener: &TcpListener, state: &Arc<State>) -> ServerHandle {
    let state = Arc::clone(state);
    let server = HttpServer::new(move || {
        App::new().app_data(Data::from(Arc::clone(&state))).default_service(web::to(answer))
    });
    // A connection that is kept alive would go on to be answered for a moment after "down".
    let server = server
        .workers(1)
        .disable_signals()
        .keep_alive(KeepAlive::Disabled)
        .listen(listener.try_clone().unwrap())
        .unwrap()
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    handle
}

async fn answer(state: Data<State>, request: HttpRequest, body: Option<Json<Value>>) -> HttpResponse {
    state.calls.fetch_add(1, Ordering::SeqCst);
    let _permit = state.gate.acquire().await.unwrap();
    if state.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    if request.headers().get(NODE_KEY_HEADER).is_none_or(|key| key != KEY) {
        return HttpResponse::Unauthorized().finish();
    }
    let body = body.map_or(Value::Null, Json::into_inner);
    HttpResponse::Ok().json(match request.path() {
        "/api/healthz" => json!({ "status": "ok" }),
        "/api/auth/introspect" => introspect(&state, body["token"].as_str().unwrap()),
        "/api/auth/admin-email" => state.admin.lock().unwrap().clone(),
        "/api/auth/resolve-names" => {
            let asked = body["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            let known = asked.filter(|name| name.starts_with("known"));
            json!({ "resolved": known.map(|name| (name, format!("id of {name}"))).collect::<std::collections::BTreeMap<_, _>>() })
        }
        "/api/auth/guilds/north/members" => json!([
            { "id": "u-ada", "name": "Ada", "email": "ada@example.org", "kind": "human" },
            { "id": "u-bot", "name": "Bot", "email": "bot@example.org", "kind": "agent" },
        ]),
        "/api/nodes/register" => json!({
            "nodeId": body["nodeId"], "name": body["name"], "endpoint": body["endpoint"], "status": "active",
            "purpose": null, "open": true,
            "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z",
        }),
        other => panic!("unexpected path {other}"),
    })
}

/// `good…` tokens live until 15 minutes after the start, `short…` ones 30 s, `other…` ones are of another node.
fn introspect(state: &State, token: &str) -> Value {
    let (node, ends) = match token {
        _ if state.revoked.lock().unwrap().iter().any(|revoked| revoked == token) => {
            return json!({ "active": false });
        }
        _ if token.starts_with("good") => ("north", "2027-01-15T08:15:00.000Z"),
        _ if token.starts_with("short") => ("north", "2027-01-15T08:00:30.000Z"),
        _ if token.starts_with("other") => ("south", "2027-01-15T08:15:00.000Z"),
        _ => return json!({ "active": false }),
    };
    json!({
        "active": true, "userId": format!("user of {token}"), "name": "Ada", "kind": "human",
        "guildNodeId": node, "expiresAt": ends,
    })
}
