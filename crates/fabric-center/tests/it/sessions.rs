//! Signing in, refreshing, signing out.

use std::time::Duration;

use fabric_api::center::{Session, UserKind};
use sea_orm::{ConnectionTrait, Database, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use serde_json::json;

use crate::support::{As, PASSWORD, TestCenter};

#[tokio::test]
async fn login_gives_a_session_with_guilds_and_their_tokens() {
    let t = TestCenter::start().await;
    let key = t.node("north").await;
    let id = t.user("Ada@Example.org", "Ada").await;
    t.center.add_member("north", &id).await.unwrap();

    let session = t.login("aDA@example.ORG").await;
    assert_eq!(session.user.id.as_str(), id);
    assert_eq!((session.user.email.as_str(), session.user.name.as_str()), ("Ada@Example.org", "Ada"));
    assert_eq!(session.user.kind, UserKind::Human);
    assert_eq!(session.guilds.len(), 1);
    assert_eq!(session.guilds[0].endpoint, "http://localhost:7002");
    assert_eq!(session.guild_access_tokens[0].guild_node_id.as_str(), "north");
    let seen = t.introspect(&key, &session.guild_access_tokens[0].token).await;
    assert_eq!(seen["userId"], id);

    let me = t.get("/auth/me", As::User(&session.access_token)).await;
    assert_eq!(me.body["email"], "Ada@Example.org");
}

#[tokio::test]
async fn an_unknown_email_gets_the_same_answer_as_a_wrong_password() {
    let t = TestCenter::start().await;
    t.user("ada@example.org", "Ada").await;
    t.user("bob@example.org", "Bob").await;
    t.center.disable_user("bob@example.org").await.unwrap();
    let mut answers = Vec::new();
    for (email, password) in [
        ("ada@example.org", "not her password"),
        ("nobody@example.org", PASSWORD),
        ("bob@example.org", PASSWORD),
        ("not an email", "x"),
    ] {
        let mut answer =
            t.post("/auth/login", As::Nobody, json!({ "email": email, "password": password })).await;
        answer.refused(401, "invalid_credentials");
        answer.body["requestId"].take();
        answers.push(answer.body);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn an_agent_signs_in_with_a_key_and_is_an_agent() {
    let t = TestCenter::start().await;
    let node = t.node("north").await;
    let id = t.user("bot@example.org", "Bot").await;
    t.center.add_member("north", &id).await.unwrap();
    let key = t.center.create_api_key("bot@example.org", "test").await.unwrap();
    assert!(key.starts_with("fak_"));

    let session: Session = t.post("/auth/agent/login", As::Nobody, json!({ "apiKey": key })).await.read();
    assert_eq!(session.user.kind, UserKind::Agent);
    assert_eq!(t.introspect(&node, &session.guild_access_tokens[0].token).await["kind"], "agent");
    // The same user with a password is a person.
    assert_eq!(t.login("bot@example.org").await.user.kind, UserKind::Human);
}

#[tokio::test]
async fn a_bad_or_revoked_key_is_401_and_the_end_of_a_key_ends_its_sessions() {
    let t = TestCenter::start().await;
    let node = t.node("north").await;
    let id = t.user("bot@example.org", "Bot").await;
    t.center.add_member("north", &id).await.unwrap();
    let key = t.center.create_api_key("bot@example.org", "test").await.unwrap();
    let login = |key: String| {
        let t = &t;
        async move { t.post("/auth/agent/login", As::Nobody, json!({ "apiKey": key })).await }
    };
    login("fak_nonsense".to_owned()).await.refused(401, "invalid_credentials");
    let session: Session = login(key.clone()).await.read();
    let person = t.login("bot@example.org").await;

    assert_eq!(t.center.revoke_api_keys("bot@example.org", Some("test")).await.unwrap(), 1);
    login(key).await.refused(401, "invalid_credentials");
    t.refresh(&session).await.refused(401, "invalid_refresh_token");
    t.get("/auth/me", As::User(&session.access_token)).await.refused(401, "invalid_token");
    assert_eq!(t.introspect(&node, &session.guild_access_tokens[0].token).await, json!({ "active": false }));
    assert_eq!(t.refresh(&person).await.status, 200);
}

#[tokio::test]
async fn refresh_tokens_rotate() {
    let t = TestCenter::start().await;
    t.user("ada@example.org", "Ada").await;
    let mut session = t.login("ada@example.org").await;
    for _ in 0..3 {
        let next: Session = t.refresh(&session).await.read();
        assert_ne!(next.refresh_token, session.refresh_token);
        session = next;
    }
    assert_eq!(t.get("/auth/me", As::User(&session.access_token)).await.status, 200);
}

#[tokio::test]
async fn reuse_of_a_spent_refresh_token_ends_its_family_and_other_devices_live_on() {
    let t = TestCenter::start().await;
    t.user("ada@example.org", "Ada").await;
    let stolen = t.login("ada@example.org").await;
    let phone = t.login("ada@example.org").await;
    let newest: Session = t.refresh(&stolen).await.read();

    t.refresh(&stolen).await.refused(401, "invalid_refresh_token");
    t.refresh(&newest).await.refused(401, "invalid_refresh_token");
    t.get("/auth/me", As::User(&newest.access_token)).await.refused(401, "invalid_token");
    let phone: Session = t.refresh(&phone).await.read();
    assert_eq!(t.get("/auth/me", As::User(&phone.access_token)).await.status, 200);
}

#[tokio::test]
async fn of_two_uses_of_a_refresh_token_at_once_one_is_the_second() {
    let t = TestCenter::start().await;
    t.user("ada@example.org", "Ada").await;
    let session = t.login("ada@example.org").await;
    let (one, other) = tokio::join!(t.refresh(&session), t.refresh(&session));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn tokens_end_when_they_say() {
    let t = TestCenter::start().await;
    let node = t.node("north").await;
    let session = t.member("north", "ada@example.org", "Ada").await;
    let guild_token = &session.guild_access_tokens[0].token;
    t.clock.advance(15 * 60 - 1);
    assert_eq!(t.get("/auth/me", As::User(&session.access_token)).await.status, 200);
    assert_eq!(t.introspect(&node, guild_token).await["active"], true);
    t.clock.advance(1);
    t.get("/auth/me", As::User(&session.access_token)).await.refused(401, "invalid_token");
    assert_eq!(t.introspect(&node, guild_token).await, json!({ "active": false }));

    t.clock.advance(30 * 24 * 60 * 60 - 15 * 60 - 1);
    let session: Session = t.refresh(&session).await.read();
    t.clock.advance(30 * 24 * 60 * 60);
    t.refresh(&session).await.refused(401, "invalid_refresh_token");
}

#[tokio::test]
async fn logout_ends_the_session_and_no_other() {
    let t = TestCenter::start().await;
    let node = t.node("north").await;
    let phone = t.member("north", "ada@example.org", "Ada").await;
    let laptop = t.login("ada@example.org").await;
    let answer = t.post("/auth/logout", As::User(&phone.access_token), json!({})).await;
    assert_eq!(answer.status, 204);
    t.get("/auth/me", As::User(&phone.access_token)).await.refused(401, "invalid_token");
    t.refresh(&phone).await.refused(401, "invalid_refresh_token");
    assert_eq!(t.introspect(&node, &phone.guild_access_tokens[0].token).await["active"], false);
    assert_eq!(t.get("/auth/me", As::User(&laptop.access_token)).await.status, 200);
}

#[tokio::test]
async fn a_disabled_user_is_out() {
    let t = TestCenter::start().await;
    let node = t.node("north").await;
    let session = t.member("north", "ada@example.org", "Ada").await;
    let key = t.center.create_api_key("ada@example.org", "k").await.unwrap();
    t.center.disable_user("ADA@example.org").await.unwrap();

    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    t.post("/auth/login", As::Nobody, login).await.refused(401, "invalid_credentials");
    t.post("/auth/agent/login", As::Nobody, json!({ "apiKey": key }))
        .await
        .refused(401, "invalid_credentials");
    t.refresh(&session).await.refused(401, "invalid_refresh_token");
    t.get("/auth/me", As::User(&session.access_token)).await.refused(401, "invalid_token");
    assert_eq!(t.introspect(&node, &session.guild_access_tokens[0].token).await["active"], false);
    // Only the node still hears the name, which is in what they wrote.
    let listed = t.get("/auth/guilds/north/members", As::Node(&node)).await.body;
    assert_eq!((listed[0]["name"].as_str(), listed[0]["active"].as_bool()), (Some("Ada"), Some(false)));
    let other = t.member("north", "bob@example.org", "Bob").await;
    let listed = t.get("/auth/guilds/north/members", As::User(&other.access_token)).await.body;
    assert_eq!(listed.as_array().unwrap().iter().map(|member| &member["name"]).collect::<Vec<_>>(), ["Bob"]);
}

#[tokio::test]
async fn too_many_attempts_for_one_account_are_429_and_others_sign_in() {
    let t = TestCenter::with(|s| s.logins_per_minute_per_account = 2).await;
    t.user("ada@example.org", "Ada").await;
    t.user("bob@example.org", "Bob").await;
    let wrong = json!({ "email": "ada@example.org", "password": "wrong wrong" });
    for _ in 0..2 {
        t.post("/auth/login", As::Nobody, wrong.clone()).await.refused(401, "invalid_credentials");
    }
    t.post("/auth/login", As::Nobody, wrong).await.refused(429, "rate_limited");
    let response = t
        .request(reqwest::Method::POST, "/api/auth/login", As::Nobody)
        .json(&json!({ "email": "ADA@example.org", "password": PASSWORD }))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "30");
    t.login("bob@example.org").await;
    t.clock.advance(30);
    t.login("ada@example.org").await;
}

#[tokio::test]
async fn fifty_agents_and_people_a_minute_from_one_address_are_no_attack() {
    let t = TestCenter::start().await;
    t.user("bot@example.org", "Bot").await;
    for n in 0..50 {
        let key = t.center.create_api_key("bot@example.org", &n.to_string()).await.unwrap();
        let answer = t.post("/auth/agent/login", As::Nobody, json!({ "apiKey": key })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let db_url = format!("sqlite://{}/center.db", dir.path().display());
    let first = TestCenter::with(|s| s.db_url.clone_from(&db_url)).await;
    first.user("ada@example.org", "Ada").await;
    let session = first.login("ada@example.org").await;
    let second = TestCenter::with(|s| s.db_url = db_url).await;
    assert_eq!(second.get("/auth/me", As::User(&session.access_token)).await.status, 200);
    assert_eq!(second.refresh(&session).await.status, 200);
}

/// A leaked key that signs in again and again is just the one that is revoked.
#[tokio::test]
async fn a_key_that_is_revoked_while_it_signs_in_opens_no_session() {
    let t = TestCenter::start().await;
    t.user("bot@example.org", "Bot").await;
    let key = t.center.create_api_key("bot@example.org", "laptop").await.unwrap();
    let revoking = Database::connect(t.database()).await.unwrap();
    let revoking = revoking
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await
        .unwrap();
    // The sign-in waits for the lock; whether it has read the key before or reads it later, it must not matter.
    let sign_in = async { t.post("/auth/agent/login", As::Nobody, json!({ "apiKey": key })).await };
    let revoke = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        revoking.execute_unprepared("UPDATE api_keys SET revoked_at = 1").await.unwrap();
        revoking.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(sign_in, revoke);
    answer.refused(401, "invalid_credentials");
}
