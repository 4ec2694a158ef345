//! What stays in the database, and what does not.

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};
use serde_json::json;

use crate::support::{As, TestCenter};

/// A Center whose database the test can look into.
async fn open() -> (TestCenter, DatabaseConnection, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/center.db", dir.path().display());
    let center = TestCenter::with(|s| s.db_url.clone_from(&url)).await;
    (center, Database::connect(url).await.unwrap(), dir)
}

async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

#[tokio::test]
async fn every_change_leaves_an_audit_row() {
    let (t, db, _dir) = open().await;
    let key = t.node("north").await;
    t.node("north2").await;
    t.center.register_node("north", "Renamed", "http://localhost:7002").await.unwrap();
    t.center.rotate_node_key("north2").await.unwrap();
    t.user("ada@example.org", "Ada").await;
    t.center.set_admin("ada@example.org").await.unwrap();
    t.center.create_api_key("ada@example.org", "laptop").await.unwrap();
    t.center.revoke_api_keys("ada@example.org", None).await.unwrap();
    let session = t.login("ada@example.org").await;
    let who = As::User(&session.access_token);
    for _ in 0..2 {
        t.post("/auth/me/guilds/join", who, json!({ "nodeId": "north" })).await;
    }
    t.patch("/auth/me", who, json!({ "name": "Countess" })).await;
    t.post("/auth/logout", who, json!({})).await;
    let stolen = t.login("ada@example.org").await;
    t.refresh(&stolen).await;
    t.refresh(&stolen).await.refused(401, "invalid_refresh_token");
    t.center.clear_admin().await.unwrap();
    t.center.disable_user("ada@example.org").await.unwrap();
    let new = json!({ "email": "bob@example.org", "password": crate::support::PASSWORD });
    t.post("/auth/register", As::Node(&key), new).await;

    let mut actions = texts(&db, "SELECT action || ' by ' || substr(actor, 1, 5) FROM audit_log").await;
    actions.sort();
    let mut expected = [
        "node.registered by opera",
        "node.registered by opera",
        "node.updated by opera",
        "node.key_rotated by opera",
        "user.created by opera",
        "admin.set by opera",
        "api_key.created by opera",
        "api_key.revoked by opera",
        "session.opened by user:",
        "guild.joined by user:",
        "user.renamed by user:",
        "session.closed by user:",
        "session.opened by user:",
        "session.revoked by anony",
        "admin.cleared by opera",
        "user.disabled by opera",
        "user.created by node:",
    ];
    expected.sort_unstable();
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn expired_sessions_are_deleted_in_time_and_live_ones_are_not() {
    let (t, db, _dir) = open().await;
    t.user("ada@example.org", "Ada").await;
    t.login("ada@example.org").await;
    t.clock.advance(20 * 24 * 60 * 60);
    let live = t.login("ada@example.org").await;
    assert_eq!(texts(&db, "SELECT id FROM sessions").await.len(), 2);
    t.clock.advance(11 * 24 * 60 * 60);
    t.login("ada@example.org").await;
    assert_eq!(texts(&db, "SELECT id FROM sessions").await.len(), 2);
    assert_eq!(texts(&db, "SELECT token_hash FROM refresh_tokens").await.len(), 2);
    assert_eq!(t.refresh(&live).await.status, 200);
}

#[tokio::test]
async fn the_database_has_a_write_ahead_log() {
    let (_t, db, _dir) = open().await;
    assert_eq!(texts(&db, "PRAGMA journal_mode").await, ["wal"]);
}
