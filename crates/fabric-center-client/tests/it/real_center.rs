//! The two speak the same language.

use std::sync::Arc;
use std::time::Duration;

use fabric_api::center::Session;
use fabric_center::{Center, Settings};
use fabric_center_client::{CenterClient, Config};
use fabric_domain::model::UserKind;
use fabric_domain::ports::IdentityCenter as _;
use fabric_serverkit::system::SystemClock;
use serde_json::json;

#[tokio::test]
async fn the_client_understands_the_real_center() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        bind: "127.0.0.1".parse().unwrap(),
        port: 0,
        db_url: format!("sqlite://{}/center.db", dir.path().display()),
        ..Settings::default()
    };
    let center = Center::open(settings).await.unwrap();
    let (server, address) = center.server().unwrap();
    tokio::spawn(server);
    let key =
        center.register_node("nörd ü".replace(' ', "-").as_str(), "N", "http://localhost:1").await.unwrap();
    let node_id = key.node.node_id.clone();
    let user = center.create_user("bot@example.org", "correct horse", Some("Bot")).await.unwrap();
    center.add_member(node_id.as_str(), user.id.as_str()).await.unwrap();
    let api_key = center.create_api_key("bot@example.org", "test").await.unwrap();
    let base = format!("http://{address}/api");
    let mut config = Config::new(base.clone(), key.api_key.unwrap(), node_id);
    config.timeout = Duration::from_secs(30);
    config.admin_patience = Duration::from_secs(30);
    let client = CenterClient::new(config, Arc::new(SystemClock)).unwrap();

    client.check().await.unwrap();
    let node = client.register(Some("Nord"), "https://nord.example").await.unwrap();
    assert_eq!(node.name, "Nord");
    assert_eq!(client.admin().await, None);
    center.set_admin("bot@example.org").await.unwrap();
    client.forget_admin().await;
    assert_eq!(client.admin().await, Some(user.id.clone()));

    let members = client.members().await.unwrap();
    assert_eq!((&members[0].user_id, members[0].kind), (&user.id, UserKind::Agent));
    assert!(members[0].is_active);
    let names = ["bot".to_owned(), "BOT@example.org".to_owned(), "nobody".to_owned()];
    let found = client.resolve_names(&names).await.unwrap();
    assert_eq!((found.len(), &found["bot"]), (2, &user.id));

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let login = http.post(format!("{base}/auth/agent/login")).json(&json!({ "apiKey": api_key }));
    let session: Session = login.send().await.unwrap().json().await.unwrap();
    let identity = client.introspect(&session.guild_access_tokens[0].token).await.unwrap().unwrap();
    assert_eq!((identity.user_id, identity.kind), (user.id, UserKind::Agent));
    assert_eq!(client.introspect(&session.access_token).await.unwrap(), None);

    center.disable_user("bot@example.org").await.unwrap();
    let members = client.members_now().await.unwrap();
    assert_eq!((members[0].name.as_str(), members[0].is_active), (user.name.as_str(), false));
}
