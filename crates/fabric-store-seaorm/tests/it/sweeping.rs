//! What has had its day is forgotten, however much of it there is.

use std::sync::Arc;

use fabric_domain::ports::Clock;
use fabric_testkit::{Recorder, TestClock};
use sea_orm::{ConnectionTrait, Statement};

use crate::databases::Fresh;

on_each_database!(a_backlog_of_old_keys_and_wakes_is_forgotten_and_the_young_ones_stay);

async fn a_backlog_of_old_keys_and_wakes_is_forgotten_and_the_young_ones_stay(fresh: Fresh) {
    const OLD: i64 = 4_500;
    let store = fresh.store(Arc::new(Recorder::default())).await;
    let db = fresh.connect().await;
    let now = TestClock::default().now().0;
    let week = 7 * 24 * 3_600 * 1_000;
    // Three of each moment, so that a part's end falls among equals; and one that is young.
    let ages = (0..OLD).map(|n| now - week - 1 - n / 3).chain([now]);
    let rows: Vec<(i64, i64)> = (0..).zip(ages).collect();
    for rows in rows.chunks(500) {
        let keys: Vec<String> =
            rows.iter().map(|(n, at)| format!("('alice', 'POST /x', 'key {n}', '', '{{}}', {at})")).collect();
        let keys = format!(
            "INSERT INTO idempotency_keys (caller, route, {}, fingerprint, outcome, created_at) VALUES {}",
            if fresh.url.starts_with("mysql") { "`key`" } else { "\"key\"" },
            keys.join(",")
        );
        let wakes: Vec<String> = rows.iter().map(|(n, at)| format!("('room', {n}, '{{}}', {at})")).collect();
        let wakes =
            format!("INSERT INTO owed_wakes (channel_id, seq, owed, created_at) VALUES {}", wakes.join(","));
        for statement in [keys, wakes] {
            db.execute_unprepared(&statement).await.unwrap();
        }
    }
    store.sweep().await.unwrap();
    for table in ["idempotency_keys", "owed_wakes"] {
        let count = Statement::from_string(
            db.get_database_backend(),
            format!("SELECT COUNT(*), MAX(created_at) FROM {table}"),
        );
        let row = db.query_one_raw(count).await.unwrap().unwrap();
        let left: (i64, i64) = (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
        assert_eq!(left, (1, now), "{table}");
    }
}
