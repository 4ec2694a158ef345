//! Center is gone, slow, or comes back.

use std::time::Duration;

use fabric_domain::model::UserId;
use fabric_domain::ports::{CenterError, IdentityCenter as _};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::fake::FakeCenter;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn known_tokens_work_through_the_grace_and_unknown_ones_are_unavailable() {
    let mut fake = FakeCenter::start();
    let client = fake.client();
    let known = client.introspect("good").await.unwrap();
    assert!(known.is_some());
    fake.go_down().await;
    assert!(matches!(client.introspect("good-but-new").await, Err(CenterError::Unavailable(_))));
    fake.clock.advance(60 + 5 * 60 - 1);
    assert_eq!(client.introspect("good").await.unwrap(), known);
    fake.clock.advance(1);
    assert!(matches!(client.introspect("good").await, Err(CenterError::Unavailable(_))));

    fake.come_back().await;
    fake.clock.advance(5);
    assert_eq!(client.introspect("good").await.unwrap(), known);
}

#[tokio::test]
async fn the_grace_does_not_make_a_token_live_longer_than_it_says() {
    let mut fake = FakeCenter::start();
    let client = fake.client();
    assert!(client.introspect("short").await.unwrap().is_some());
    fake.go_down().await;
    fake.clock.advance(29);
    assert!(client.introspect("short").await.unwrap().is_some());
    fake.clock.advance(1);
    assert!(matches!(client.introspect("short").await, Err(CenterError::Unavailable(_))));
}

#[tokio::test]
async fn a_refused_token_is_not_let_in_by_an_outage() {
    let mut fake = FakeCenter::start();
    let client = fake.client();
    assert_eq!(client.introspect("nonsense").await.unwrap(), None);
    fake.go_down().await;
    fake.clock.advance(5);
    assert!(matches!(client.introspect("nonsense").await, Err(CenterError::Unavailable(_))));
}

#[tokio::test]
async fn a_dead_center_is_left_alone_and_found_again() {
    let fake = FakeCenter::start();
    let client = fake.client();
    fake.state.failing.store(usize::MAX, std::sync::atomic::Ordering::SeqCst);
    for n in 0..20 {
        assert!(client.introspect(&format!("good {n}")).await.is_err());
    }
    assert_eq!(fake.calls(), 6, "three calls of two attempts each, then none");
    fake.clock.advance(5);
    for n in 0..20 {
        assert!(client.introspect(&format!("good {n}")).await.is_err());
    }
    assert_eq!(fake.calls(), 2, "one call to see whether it is back");
    assert!(client.check().await.is_err());

    fake.state.failing.store(0, std::sync::atomic::Ordering::SeqCst);
    fake.clock.advance(5);
    for n in 0..20 {
        assert!(client.introspect(&format!("good {n}")).await.unwrap().is_some());
    }
    assert_eq!(fake.calls(), 20);
    assert!(client.check().await.is_ok());
}

#[tokio::test]
async fn a_center_that_does_not_answer_costs_no_more_than_the_time_limit() {
    let fake = FakeCenter::start();
    let client = fake.client_with(|config| config.timeout = Duration::from_millis(100));
    let permits = fake.state.gate.forget_permits(usize::MAX);
    let limit = Duration::from_secs(5);
    let lookup = tokio::time::timeout(limit, client.introspect("good")).await.expect("a time limit");
    assert!(matches!(lookup, Err(CenterError::Unavailable(_))));
    fake.state.gate.add_permits(permits);
}

#[tokio::test]
async fn known_names_are_still_resolved_and_nothing_known_is_an_error() {
    let mut fake = FakeCenter::start();
    let client = fake.client();
    client.resolve_names(&names(&["known ada"])).await.unwrap();
    fake.go_down().await;
    fake.clock.advance(5 * 60);
    let found = client.resolve_names(&names(&["known ada", "known bob"])).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found["known ada"], UserId::new("id of known ada"));
    assert!(client.resolve_names(&names(&["known bob"])).await.is_err());
    fake.clock.advance(5 * 60);
    assert!(client.resolve_names(&names(&["known ada"])).await.is_err());
}

#[tokio::test]
async fn without_center_there_is_no_admin_and_that_is_not_remembered() {
    let mut fake = FakeCenter::start();
    *fake.state.admin.lock().unwrap() = json!({ "email": "ada@example.org", "userId": "u-ada" });
    let client = fake.client_with(|config| config.breaker_failures = 100);
    fake.go_down().await;
    assert_eq!(client.admin().await, None);
    fake.come_back().await;
    assert_eq!(client.admin().await, Some(UserId::new("u-ada")));
}

#[tokio::test]
async fn members_are_known_through_the_grace() {
    let mut fake = FakeCenter::start();
    let client = fake.client();
    client.members().await.unwrap();
    fake.go_down().await;
    fake.clock.advance(15 + 5 * 60 - 1);
    assert_eq!(client.members().await.unwrap().len(), 2);
    fake.clock.advance(1);
    assert!(client.members().await.is_err());
}

#[tokio::test]
async fn a_node_registers_as_soon_as_center_is_there() {
    let mut fake = FakeCenter::start();
    fake.go_down().await;
    let client = fake.client_with(|config| {
        config.breaker_failures = u32::MAX;
        config.register_pause = Duration::from_millis(1);
        config.register_pause_most = Duration::from_millis(5);
    });
    let registering = client.register_in_background(Some("North"), "http://localhost:7002");
    assert!(client.register(Some("North"), "http://localhost:7002").await.is_err());
    assert!(!registering.is_finished());
    fake.come_back().await;
    tokio::time::timeout(Duration::from_secs(20), registering).await.expect("it registers").unwrap();
    assert!(fake.calls() >= 1);
}

#[tokio::test]
async fn nobody_waits_for_a_center_that_hangs_to_hear_who_the_admin_is() {
    let fake = FakeCenter::start();
    *fake.state.admin.lock().unwrap() = json!({ "email": "ada@example.org", "userId": "u-ada" });
    let client = fake.client_with(|config| {
        config.admin_patience = Duration::from_millis(20);
        config.timeout = Duration::from_mins(1);
    });
    fake.state.gate.forget_permits(Semaphore::MAX_PERMITS);
    assert_eq!(client.admin().await, None);
    assert_eq!(client.admin().await, None);
    fake.state.gate.add_permits(1);
    // What was asked is answered after all, for those who come later, and once for all of them.
    while client.admin().await.is_none() {}
    assert_eq!(fake.calls(), 1);
}
