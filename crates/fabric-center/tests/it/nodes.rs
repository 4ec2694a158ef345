//! Registering guild nodes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{As, TestCenter, answer};

fn node(id: &str) -> Value {
    json!({ "nodeId": id, "name": "North", "endpoint": "http://localhost:7002" })
}

#[tokio::test]
async fn registration_gives_the_key_only_once() {
    let t = TestCenter::with(|s| s.loopback_registration = true).await;
    let first = t.post("/nodes/register", As::Nobody, node("north")).await;
    assert_eq!(first.status, 201);
    let key = first.body["apiKey"].as_str().unwrap();
    assert!(key.starts_with("fnk_"));
    assert_eq!(first.body["createdAt"], "2027-01-15T08:00:00.000Z");

    for who in [As::Nobody, As::Node(key)] {
        let again = t.post("/nodes/register", who, node("north")).await;
        assert_eq!(again.status, 200);
        assert!(again.body.get("apiKey").is_none(), "{again:?}");
        assert_eq!(again.body["nodeId"], "north");
    }
    // The key goes on to work.
    assert_eq!(t.get("/nodes", As::Node(key)).await.body.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_the_setting_nobody_registers_a_node_without_a_key() {
    let t = TestCenter::start().await;
    t.post("/nodes/register", As::Nobody, node("north")).await.refused(401, "invalid_node_key");
}

#[tokio::test]
async fn the_node_key_may_come_as_a_bearer_token() {
    let t = TestCenter::start().await;
    let key = t.node("north").await;
    assert_eq!(t.get("/nodes", As::User(&key)).await.status, 200);
    assert_eq!(t.introspect(&key, "nonsense").await, json!({ "active": false }));
}

#[tokio::test]
async fn a_node_speaks_for_itself_and_vouches_for_new_ones() {
    let t = TestCenter::start().await;
    let (north, _) = (t.node("north").await, t.node("south").await);
    let moved = json!({ "nodeId": "north", "name": "N", "endpoint": "https://north.example/" });
    let answer = t.post("/nodes/register", As::Node(&north), moved).await;
    assert_eq!((answer.status, &answer.body["endpoint"]), (200, &json!("https://north.example")));
    t.post("/nodes/register", As::Node(&north), node("south")).await.refused(403, "forbidden");
    let vouched = t.post("/nodes/register", As::Node(&north), node("west")).await;
    assert!(vouched.status == 201 && vouched.body["apiKey"].is_string(), "{vouched:?}");
}

#[tokio::test]
async fn a_browser_page_or_a_proxy_on_this_machine_is_not_a_local_program() {
    let t = TestCenter::with(|s| s.loopback_registration = true).await;
    for (header, value) in [("origin", "https://evil.example"), ("x-forwarded-for", "203.0.113.7")] {
        let request = t.request(Method::POST, "/api/nodes/register", As::Nobody).header(header, value);
        let response = request.json(&node("north")).send().await.unwrap();
        answer(response).await.refused(401, "invalid_node_key");
    }
    t.post("/nodes/register", As::Node("fnk_wrong"), node("north")).await.refused(401, "invalid_node_key");
}

#[tokio::test]
async fn a_node_id_has_up_to_80_characters() {
    let t = TestCenter::with(|s| s.loopback_registration = true).await;
    let long = "n".repeat(80);
    let answer = t.post("/nodes/register", As::Nobody, node(&long)).await;
    let key = answer.body["apiKey"].as_str().unwrap().to_owned();
    let session = t.member(&long, "ada@example.org", "Ada").await;
    assert_eq!(t.introspect(&key, &session.guild_access_tokens[0].token).await["guildNodeId"], long);
    let members = t.get(&format!("/auth/guilds/{long}/members"), As::Node(&key)).await;
    assert_eq!(members.body.as_array().unwrap().len(), 1);

    let answer = t.post("/nodes/register", As::Nobody, node(&"n".repeat(81))).await;
    answer.refused(400, "validation_failed");
}

#[tokio::test]
async fn a_rotated_key_ends_the_former_one() {
    let t = TestCenter::start().await;
    let old = t.node("north").await;
    let new = t.center.rotate_node_key("north").await.unwrap();
    t.get("/nodes", As::Node(&old)).await.refused(401, "invalid_node_key");
    assert_eq!(t.get("/nodes", As::Node(&new)).await.status, 200);
    assert!(t.center.rotate_node_key("none").await.is_err());
}

#[tokio::test]
async fn nodes_are_listed_for_nodes_and_the_admin() {
    let t = TestCenter::start().await;
    t.node("north").await;
    t.user("ada@example.org", "Ada").await;
    let session = t.login("ada@example.org").await;
    t.get("/nodes", As::Nobody).await.refused(401, "missing_bearer_token");
    t.get("/nodes", As::User(&session.access_token)).await.refused(403, "forbidden");
    t.center.set_admin("ada@example.org").await.unwrap();
    let listed = t.get("/nodes", As::User(&session.access_token)).await.body;
    assert_eq!((&listed[0]["nodeId"], &listed[0]["status"]), (&json!("north"), &json!("active")));
    assert!(!listed.to_string().contains("fnk_"));
}

#[tokio::test]
async fn of_many_first_registrations_at_once_one_gets_the_key() {
    let t = TestCenter::with(|s| s.loopback_registration = true).await;
    let all = (0..16).map(|_| t.post("/nodes/register", As::Nobody, node("north")));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.body.get("apiKey").is_some()).count(), 1);
}
