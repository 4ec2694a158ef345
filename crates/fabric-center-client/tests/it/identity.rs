//! What is asked, what is remembered, and for how long.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use fabric_center_client::{BuildError, CenterClient, Config};
use fabric_domain::model::{Timestamp, UserId, UserKind};
use fabric_domain::ports::{CenterError, IdentityCenter as _};
use serde_json::json;

use crate::fake::{FakeCenter, START};

#[tokio::test]
async fn a_token_is_asked_about_once_a_minute() {
    let fake = FakeCenter::start();
    let client = fake.client();
    let identity = client.introspect("good").await.unwrap().unwrap();
    assert_eq!(identity.user_id, UserId::new("user of good"));
    assert_eq!((identity.name.as_str(), identity.kind), ("Ada", UserKind::Human));
    assert_eq!(identity.expires_at, Timestamp(START + 15 * 60 * 1_000));
    fake.clock.advance(59);
    assert_eq!(client.introspect("good").await.unwrap(), Some(identity));
    assert_eq!(fake.calls(), 1);
    fake.clock.advance(1);
    client.introspect("good").await.unwrap().unwrap();
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn a_revoked_user_is_out_within_a_minute() {
    let fake = FakeCenter::start();
    let client = fake.client();
    client.introspect("good").await.unwrap().unwrap();
    fake.state.revoked.lock().unwrap().push("good".to_owned());
    fake.clock.advance(60);
    assert_eq!(client.introspect("good").await.unwrap(), None);
}

#[tokio::test]
async fn a_token_is_not_remembered_past_its_own_end() {
    let fake = FakeCenter::start();
    let client = fake.client();
    client.introspect("short").await.unwrap().unwrap();
    fake.state.revoked.lock().unwrap().push("short".to_owned());
    fake.clock.advance(30);
    assert_eq!(client.introspect("short").await.unwrap(), None);
    assert_eq!(fake.calls(), 2);
}

#[tokio::test]
async fn a_refused_token_is_remembered_for_five_seconds() {
    let fake = FakeCenter::start();
    let client = fake.client();
    for _ in 0..3 {
        assert_eq!(client.introspect("nonsense").await.unwrap(), None);
    }
    fake.clock.advance(4);
    assert_eq!(client.introspect("nonsense").await.unwrap(), None);
    assert_eq!(fake.calls(), 1);
    fake.clock.advance(1);
    assert_eq!(client.introspect("nonsense").await.unwrap(), None);
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn a_token_of_another_node_is_refused_whatever_center_says() {
    let fake = FakeCenter::start();
    assert_eq!(fake.client().introspect("other").await.unwrap(), None);
}

#[tokio::test]
async fn what_can_be_no_token_is_refused_without_asking() {
    let fake = FakeCenter::start();
    let client = fake.client();
    assert_eq!(client.introspect("").await.unwrap(), None);
    assert_eq!(client.introspect(&"good".repeat(10_000)).await.unwrap(), None);
    assert_eq!(fake.calls(), 0);
}

#[tokio::test]
async fn lookups_of_one_token_at_once_are_one_call() {
    let fake = FakeCenter::start();
    let client = fake.client();
    let permits = fake.state.gate.forget_permits(usize::MAX);
    let lookups: Vec<_> = (0..50)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.introspect(if n == 0 { "good-other" } else { "good" }).await })
        })
        .collect();
    // All have started once a request for each of the two tokens has arrived: they are polled in order.
    let mut arrived = 0;
    while arrived < 2 {
        arrived += fake.calls();
        tokio::task::yield_now().await;
    }
    fake.state.gate.add_permits(permits);
    for lookup in lookups {
        assert!(lookup.await.unwrap().unwrap().is_some());
    }
    assert_eq!(fake.calls(), 0);
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_take_the_others_along() {
    let fake = FakeCenter::start();
    let client = fake.client();
    let permits = fake.state.gate.forget_permits(usize::MAX);
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.introspect("good").await }
    });
    while fake.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn(async move { client.introspect("good").await });
    tokio::task::yield_now().await;
    first.abort();
    fake.state.gate.add_permits(permits);
    assert!(second.await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn names_are_remembered_as_long_as_members_and_unknown_ones_for_five_seconds() {
    let fake = FakeCenter::start();
    let client = fake.client();
    let names = ["known ada", "nobody", "known ada"].map(str::to_owned);
    let expected = HashMap::from([("known ada".to_owned(), UserId::new("id of known ada"))]);
    assert_eq!(client.resolve_names(&names).await.unwrap(), expected);
    assert_eq!(client.resolve_names(&names).await.unwrap(), expected);
    assert_eq!(fake.calls(), 1);
    fake.clock.advance(5);
    assert_eq!(client.resolve_names(&names[..1]).await.unwrap(), expected);
    assert_eq!(fake.calls(), 0);
    assert_eq!(client.resolve_names(&names).await.unwrap(), expected);
    assert_eq!(fake.calls(), 1);
    fake.clock.advance(10);
    assert_eq!(client.resolve_names(&names[..1]).await.unwrap(), expected);
    assert_eq!(fake.calls(), 1);
    assert_eq!(client.resolve_names(&[]).await.unwrap(), HashMap::new());
    assert_eq!(fake.calls(), 0);
}

#[tokio::test]
async fn many_names_are_asked_for_in_bodies_that_center_takes() {
    let fake = FakeCenter::start();
    let names: Vec<String> = (0..120).map(|n| format!("known {n}")).collect();
    assert_eq!(fake.client().resolve_names(&names).await.unwrap().len(), 120);
    assert_eq!(fake.calls(), 3);
}

#[tokio::test]
async fn the_admin_is_remembered_for_a_day_and_forgotten_when_told() {
    let fake = FakeCenter::start();
    let client = fake.client();
    assert_eq!(client.admin().await, None);
    *fake.state.admin.lock().unwrap() = json!({ "email": "ada@example.org", "userId": "u-ada" });
    assert_eq!(client.admin().await, None, "for a minute");
    fake.clock.advance(60);
    assert_eq!(client.admin().await, Some(UserId::new("u-ada")));
    assert_eq!(fake.calls(), 2);

    *fake.state.admin.lock().unwrap() = json!({ "email": "bob@example.org", "userId": "u-bob" });
    fake.clock.advance(24 * 60 * 60 - 1);
    assert_eq!(client.admin().await, Some(UserId::new("u-ada")));
    client.forget_admin().await;
    assert_eq!(client.admin().await, Some(UserId::new("u-bob")));
    fake.clock.advance(24 * 60 * 60);
    assert_eq!(client.admin().await, Some(UserId::new("u-bob")));
    assert_eq!(fake.calls(), 2);
}

#[tokio::test]
async fn members_are_remembered_briefly() {
    let fake = FakeCenter::start();
    let client = fake.client();
    let members = client.members().await.unwrap();
    assert_eq!(members.len(), 2);
    assert_eq!((members[1].user_id.as_str(), members[1].kind), ("u-bot", UserKind::Agent));
    client.members().await.unwrap();
    assert_eq!(fake.calls(), 1);
    fake.clock.advance(15);
    client.members().await.unwrap();
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn members_are_asked_for_anew_when_they_are_to_be_those_of_now() {
    let mut fake = FakeCenter::start();
    let client = fake.client();
    for _ in 0..2 {
        client.members_now().await.unwrap();
        assert_eq!(fake.calls(), 1);
    }
    client.members().await.unwrap();
    assert_eq!(fake.calls(), 0);
    // Better what was known than nothing.
    fake.go_down().await;
    assert_eq!(client.members_now().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_wrong_node_key_is_no_reason_to_let_anybody_in_or_to_try_twice() {
    let fake = FakeCenter::start();
    let client = fake.client_with(|config| config.api_key = "fnk_wrong".into());
    let error = client.introspect("good").await.unwrap_err();
    assert_eq!(error, CenterError::Unavailable("it answered 401 Unauthorized".to_owned()));
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn a_single_failure_is_not_noticed() {
    let fake = FakeCenter::start();
    fake.state.failing.store(1, Ordering::SeqCst);
    assert!(fake.client().introspect("good").await.unwrap().is_some());
    assert_eq!(fake.calls(), 2);
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_and_secrets_do_not_show() {
    let fake = FakeCenter::start();
    for url in ["", "localhost", "ftp://localhost"] {
        let config = Config::new(url, "fnk_hush", "north");
        assert!(!format!("{config:?}").contains("hush"));
        assert!(matches!(CenterClient::new(config, fake.clock.clone()), Err(BuildError::BaseUrl)), "{url}");
    }
    let config = Config::new("http://localhost", "a\nb", "north");
    assert!(matches!(CenterClient::new(config, fake.clock.clone()), Err(BuildError::ApiKey)));
    assert!(!format!("{:?}", fake.client()).contains("fnk"));
}
