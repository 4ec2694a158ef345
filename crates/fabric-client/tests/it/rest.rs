//! REST: tokens that stay fresh, errors that say what they are.

use std::time::Duration;

use fabric_client::model::ChannelId;
use fabric_client::{Center, Error, GuildClient, SearchIn, Timeouts};
use serde_json::json;

use crate::fake::{Fake, error, guilds, session};

#[tokio::test]
async fn an_error_answer_is_typed() {
    let fake = Fake::start(|_, _| Some(error(409, "channel_closed"))).await;
    let guild = GuildClient::with_token(&fake.url, "g".into(), "t").unwrap();
    let error = guild.channel(&"c".into()).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(409), Some("channel_closed")));
    let Error::Api(api) = error else { panic!("{error:?}") };
    assert_eq!(api.request_id.as_deref(), Some("r-1"));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_a_timeout() {
    let fake = Fake::start(|_, _| None).await;
    let timeouts = Timeouts::default().with_answer(Duration::from_millis(50));
    let center = Center::with_timeouts(&fake.url, timeouts).unwrap();
    let error = center.login("a@example.test", "secret").await.unwrap_err();
    assert!(matches!(error, Error::Timeout) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_a_network_error_without_secrets() {
    let center = Center::new("http://127.0.0.1:1").unwrap();
    let error = center.agent_login("fak_secret").await.unwrap_err();
    assert!(matches!(error, Error::Network(_)), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("fak_secret"));
}

#[tokio::test]
async fn a_refused_guild_token_is_replaced_once() {
    let fake = Fake::start(|url, request| {
        Some(match request.route.as_str() {
            "POST /auth/agent/login" => (200, session(url, "a", "old")),
            "GET /auth/me/guilds" => (200, guilds(url, "new")),
            _ if request.bearer.as_deref() == Some("new") => (200, json!([])),
            _ => error(401, "unauthorized"),
        })
    })
    .await;
    let session = Center::new(&fake.url).unwrap().agent_login("fak_1").await.unwrap();
    let guild = session.guild(&"g".into()).unwrap();
    assert_eq!(guild.channels().await.unwrap(), []);
    guild.channels().await.unwrap();
    assert_eq!(fake.asked("GET /auth/me/guilds").len(), 1);
    assert_eq!(fake.asked("GET /channels?guildId=g").len(), 3);
}

#[tokio::test]
async fn a_search_says_what_is_wanted_and_where() {
    let fake = Fake::start(|_, _| Some((200, json!({ "hits": [], "hasMore": false })))).await;
    let guild = GuildClient::with_token(&fake.url, "g".into(), "t").unwrap();
    let within = SearchIn { author: Some("a&b".into()), limit: Some(5), ..SearchIn::default() };
    let page = guild.search("caf\u{e9}* #1", &within).await.unwrap();
    assert!(page.hits.is_empty() && !page.has_more);
    assert_eq!(fake.asked("GET /search?q=caf%C3%A9*+%231&authorUserId=a%26b&limit=5").len(), 1);
}

#[tokio::test]
async fn many_calls_at_once_spend_a_refresh_token_once() {
    let fake = Fake::start(|url, request| {
        Some(match request.route.as_str() {
            "POST /auth/login" => (200, session(url, "old", "t")),
            "POST /auth/refresh" => (200, session(url, "new", "t")),
            "GET /auth/me/guilds" if request.bearer.as_deref() == Some("new") => (200, guilds(url, "t")),
            _ => error(401, "unauthorized"),
        })
    })
    .await;
    let session = Center::new(&fake.url).unwrap().login("me@example.test", "secret").await.unwrap();
    let (a, b, c) =
        tokio::join!(session.refresh_guilds(), session.refresh_guilds(), session.refresh_guilds());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let refreshed = fake.asked("POST /auth/refresh");
    assert_eq!(refreshed.len(), 1);
    assert_eq!(refreshed[0].body, json!({"refreshToken": "refresh-old"}));
}

#[tokio::test]
async fn an_agent_signs_in_again_when_its_session_is_over() {
    let fake = Fake::start(|url, request| {
        Some(match request.route.as_str() {
            "POST /auth/agent/login" => (200, session(url, "a", "t")),
            "POST /auth/refresh" => error(401, "invalid_refresh_token"),
            _ => (200, json!({"id": "me", "email": "e", "name": "n", "kind": "agent"})),
        })
    })
    .await;
    let session = Center::new(&fake.url).unwrap().agent_login("fak_1").await.unwrap();
    session.refresh().await.unwrap();
    assert_eq!(fake.asked("POST /auth/agent/login").len(), 2);
    assert_eq!(session.me().await.unwrap().name, "n");
}

#[tokio::test]
async fn a_guild_that_was_not_joined_is_no_guild_of_the_session() {
    let fake = Fake::start(|url, _| Some((200, session(url, "a", "t")))).await;
    let session = Center::new(&fake.url).unwrap().agent_login("fak_1").await.unwrap();
    assert!(matches!(session.guild(&"other".into()), Err(Error::NotInGuild(_))));
}

#[tokio::test]
async fn an_answer_that_is_not_fabric_is_said_so() {
    let fake = Fake::start(|_, _| Some((200, json!("hello")))).await;
    let guild = GuildClient::with_token(&fake.url, "g".into(), "t").unwrap();
    let error = guild.turn(&ChannelId::from("c")).await.unwrap_err();
    assert!(matches!(error, Error::UnexpectedAnswer { .. }), "{error:?}");
}
