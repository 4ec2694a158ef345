//! Registering, names, the admin.

use fabric_center::Error;
use serde_json::json;

use crate::support::{As, PASSWORD, TestCenter};

#[tokio::test]
async fn nobody_registers_without_a_node_key_unless_registration_is_open() {
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let closed = TestCenter::start().await;
    closed.post("/auth/register", As::Nobody, body.clone()).await.refused(403, "registration_closed");
    closed.post("/auth/register", As::Node("fnk_bad"), body.clone()).await.refused(401, "invalid_node_key");
    let key = closed.node("north").await;
    assert_eq!(closed.post("/auth/register", As::Node(&key), body.clone()).await.status, 201);

    let open = TestCenter::with(|s| s.open_registration = true).await;
    let answer = open.post("/auth/register", As::Nobody, body).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.body["name"], "ada@example.org", "the name is the email when absent");
    assert_eq!(answer.body["kind"], "human");
    open.login("ADA@example.org").await;
}

#[tokio::test]
async fn an_email_is_taken_without_case() {
    let t = TestCenter::with(|s| s.open_registration = true).await;
    t.user("ada@example.org", "Ada").await;
    let body = json!({ "email": "ADA@Example.org", "password": PASSWORD, "name": "Other" });
    t.post("/auth/register", As::Nobody, body).await.refused(409, "email_taken");
    assert!(matches!(t.center.create_user("Ada@example.org", PASSWORD, None).await, Err(Error::EmailTaken)));
    let same = t.center.ensure_user("Ada@example.org", "another password", None).await.unwrap();
    assert_eq!(same.name, "Ada");
}

#[tokio::test]
async fn registering_lists_every_bad_field_and_ignores_unknown_ones() {
    let t = TestCenter::with(|s| s.open_registration = true).await;
    let body = json!({ "email": "nonsense", "password": 7, "name": "\u{7}", "colour": "red" });
    let answer = t.post("/auth/register", As::Nobody, body).await;
    answer.refused(400, "validation_failed");
    let bad: Vec<_> = answer.body["details"].as_array().unwrap().iter().map(|bad| &bad["field"]).collect();
    assert_eq!(bad, ["email", "password", "name"]);
}

#[tokio::test]
async fn users_change_their_own_name() {
    let t = TestCenter::start().await;
    t.user("ada@example.org", "Ada").await;
    let session = t.login("ada@example.org").await;
    let who = As::User(&session.access_token);
    let answer = t.patch("/auth/me", who, json!({ "name": "  Countess  ", "email": "x@y.example" })).await;
    assert_eq!((answer.status, &answer.body["name"]), (200, &json!("Countess")));
    let me = t.get("/auth/me", who).await.body;
    assert_eq!((&me["name"], &me["email"]), (&json!("Countess"), &json!("ada@example.org")));
    t.patch("/auth/me", who, json!({ "name": " " })).await.refused(400, "validation_failed");
    t.patch("/auth/me", As::Nobody, json!({ "name": "x" })).await.refused(401, "missing_bearer_token");
}

#[tokio::test]
async fn there_is_one_admin_at_most() {
    let t = TestCenter::start().await;
    let key = t.node("north").await;
    let ada = t.user("ada@example.org", "Ada").await;
    let bob = t.user("bob@example.org", "Bob").await;
    assert_eq!(t.get("/auth/admin-email", As::Node(&key)).await.body, json!(null));
    t.center.set_admin("ada@example.org").await.unwrap();
    let admin = t.get("/auth/admin-email", As::Node(&key)).await.body;
    assert_eq!(admin, json!({ "email": "ada@example.org", "userId": ada }));

    t.center.set_admin("BOB@example.org").await.unwrap();
    assert_eq!(t.get("/auth/admin-email", As::Node(&key)).await.body["userId"], bob);
    let admins = t.center.list_users().await.unwrap().into_iter().filter(|user| user.admin);
    assert_eq!(admins.map(|user| String::from(user.user.id)).collect::<Vec<_>>(), [bob]);

    assert!(t.center.set_admin("nobody@example.org").await.is_err());
    assert!(t.center.admin().await.unwrap().is_some(), "a failed change changes nothing");
    t.center.disable_user("bob@example.org").await.unwrap();
    assert_eq!(
        t.get("/auth/admin-email", As::Node(&key)).await.body,
        json!(null),
        "a disabled admin has no say"
    );
    assert!(t.center.clear_admin().await.unwrap());
    assert!(!t.center.clear_admin().await.unwrap());
}

#[tokio::test]
async fn only_nodes_ask_for_the_admin() {
    let t = TestCenter::start().await;
    t.user("ada@example.org", "Ada").await;
    let session = t.login("ada@example.org").await;
    t.get("/auth/admin-email", As::Nobody).await.refused(401, "invalid_node_key");
    t.get("/auth/admin-email", As::User(&session.access_token)).await.refused(401, "invalid_node_key");
}

#[tokio::test]
async fn of_many_registrations_of_an_email_at_once_one_succeeds() {
    let t = TestCenter::with(|s| s.open_registration = true).await;
    let all = (0..12).map(|n| {
        let email = if n % 2 == 0 { "ada@example.org" } else { "ADA@example.org" };
        t.post("/auth/register", As::Nobody, json!({ "email": email, "password": PASSWORD }))
    });
    let answers = futures_util::future::join_all(all).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1, "{answers:?}");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.refused(409, "email_taken");
    }
}
