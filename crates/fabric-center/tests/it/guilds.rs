//! Joining, members, names, introspection.

use fabric_api::center::MyGuilds;
use serde_json::json;

use crate::support::{As, TestCenter};

#[tokio::test]
async fn a_user_joins_an_open_guild_and_gets_a_token_for_it() {
    let t = TestCenter::start().await;
    let key = t.node("north").await;
    t.node("south").await;
    let id = t.user("ada@example.org", "Ada").await;
    let session = t.login("ada@example.org").await;
    let who = As::User(&session.access_token);
    assert!(session.guilds.is_empty());

    let joined: MyGuilds = t.post("/auth/me/guilds/join", who, json!({ "nodeId": "north" })).await.read();
    assert_eq!(joined.guilds.len(), 1);
    let again: MyGuilds = t.post("/auth/me/guilds/join", who, json!({ "nodeId": "north" })).await.read();
    assert_eq!(again.guilds, joined.guilds);
    let mine: MyGuilds = t.get("/auth/me/guilds", who).await.read();
    assert_eq!(mine.guilds, joined.guilds);
    for token in [&joined, &again, &mine].map(|answer| &answer.guild_access_tokens[0].token) {
        let seen = t.introspect(&key, token).await;
        assert_eq!(
            (&seen["active"], &seen["userId"], &seen["name"]),
            (&json!(true), &json!(id), &json!("Ada"))
        );
        assert_eq!((&seen["kind"], &seen["guildNodeId"]), (&json!("human"), &json!("north")));
        assert_eq!(seen["expiresAt"], "2027-01-15T08:15:00.000Z");
    }
    t.post("/auth/me/guilds/join", who, json!({ "nodeId": "west" })).await.refused(404, "guild_not_found");
}

#[tokio::test]
async fn a_closed_guild_needs_an_invite() {
    let t = TestCenter::start().await;
    t.center.register_node_with("vault", "Vault", "https://vault.example", Some(false)).await.unwrap();
    let id = t.user("ada@example.org", "Ada").await;
    let session = t.login("ada@example.org").await;
    let who = As::User(&session.access_token);
    let body = json!({ "nodeId": "vault", "inviteCode": "guess" });
    t.post("/auth/me/guilds/join", who, body.clone()).await.refused(403, "invite_required");
    t.center.add_member("vault", &id).await.unwrap();
    assert_eq!(t.post("/auth/me/guilds/join", who, body).await.status, 200, "whoever is in stays in");
}

#[tokio::test]
async fn a_token_of_another_node_is_inactive() {
    let t = TestCenter::start().await;
    let north = t.node("north").await;
    let south = t.node("south").await;
    let session = t.member("north", "ada@example.org", "Ada").await;
    let token = &session.guild_access_tokens[0].token;
    assert_eq!(t.introspect(&north, token).await["active"], true);
    assert_eq!(t.introspect(&south, token).await, json!({ "active": false }));
    // An access token is no guild token, and the other way round.
    assert_eq!(t.introspect(&north, &session.access_token).await, json!({ "active": false }));
    t.get("/auth/me", As::User(token)).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn introspection_is_for_nodes_only() {
    let t = TestCenter::start().await;
    t.node("north").await;
    let session = t.member("north", "ada@example.org", "Ada").await;
    let body = json!({ "token": session.guild_access_tokens[0].token });
    for who in [As::Nobody, As::User(&session.access_token), As::Node("fnk_wrong"), As::Node("")] {
        t.post("/auth/introspect", who, body.clone()).await.refused(401, "invalid_node_key");
    }
}

#[tokio::test]
async fn introspection_tells_the_name_as_it_is_now() {
    let t = TestCenter::start().await;
    let key = t.node("north").await;
    let session = t.member("north", "ada@example.org", "Ada").await;
    t.patch("/auth/me", As::User(&session.access_token), json!({ "name": "Countess" })).await;
    assert_eq!(t.introspect(&key, &session.guild_access_tokens[0].token).await["name"], "Countess");
}

#[tokio::test]
async fn emails_of_members_are_for_the_node_and_the_admin() {
    let t = TestCenter::start().await;
    let (north, south) = (t.node("north").await, t.node("south").await);
    let ada = t.member("north", "ada@example.org", "Ada").await;
    t.member("north", "bot@example.org", "Bot").await;
    t.center.create_api_key("bot@example.org", "k").await.unwrap();
    t.user("eve@example.org", "Eve").await;
    let eve = t.login("eve@example.org").await;
    let members = "/auth/guilds/north/members";

    let by_node = t.get(members, As::Node(&north)).await.body;
    assert_eq!(by_node[0]["email"], "ada@example.org");
    assert_eq!((&by_node[0]["kind"], &by_node[1]["kind"]), (&json!("human"), &json!("agent")));
    let by_member = t.get(members, As::User(&ada.access_token)).await.body;
    assert_eq!(by_member.as_array().unwrap().len(), 2);
    assert!(by_member[0].get("email").is_none(), "{by_member}");
    assert_eq!(by_member[0]["name"], "Ada");

    // Outsiders do not learn whether there is such a guild.
    t.get(members, As::User(&eve.access_token)).await.refused(404, "guild_not_found");
    t.get("/auth/guilds/none/members", As::User(&eve.access_token)).await.refused(404, "guild_not_found");
    t.get(members, As::Node(&south)).await.refused(404, "guild_not_found");
    t.get(members, As::Nobody).await.refused(401, "missing_bearer_token");

    t.center.set_admin("eve@example.org").await.unwrap();
    assert_eq!(t.get(members, As::User(&eve.access_token)).await.body[0]["email"], "ada@example.org");
}

#[tokio::test]
async fn names_are_resolved_among_members_and_ambiguous_or_unknown_ones_are_absent() {
    let t = TestCenter::start().await;
    let (north, south) = (t.node("north").await, t.node("south").await);
    let ada = t.member("north", "ada@example.org", "Ada").await;
    t.member("north", "sam1@example.org", "Sam").await;
    let sam2 = t.member("north", "sam2@example.org", "Sam").await;
    let kim = t.member("north", "kim@example.org", "Kim").await;
    t.member("north", "kim2@example.org", "KIM").await;
    t.member("south", "zoe@example.org", "Zoe").await;
    let names = ["ada", "Sam", "SAM2@example.org", "Kim", "kim", "Zoe", "nobody", ""];
    let body = json!({ "nodeId": "north", "names": names });

    let expected = json!({ "resolved": {
        "ada": ada.user.id, "SAM2@example.org": sam2.user.id, "Kim": kim.user.id,
    } });
    assert_eq!(t.post("/auth/resolve-names", As::Node(&north), body.clone()).await.body, expected);
    assert_eq!(t.post("/auth/resolve-names", As::User(&ada.access_token), body.clone()).await.body, expected);
    t.post("/auth/resolve-names", As::Node(&south), body.clone()).await.refused(404, "guild_not_found");
    t.post("/auth/resolve-names", As::Nobody, body).await.refused(401, "missing_bearer_token");
}

#[tokio::test]
async fn a_name_that_is_anothers_email_is_ambiguous() {
    let t = TestCenter::start().await;
    let key = t.node("north").await;
    t.member("north", "ada@example.org", "Ada").await;
    t.member("north", "eve@example.org", "ada@example.org").await;
    let body = json!({ "nodeId": "north", "names": ["ada@example.org"] });
    assert_eq!(t.post("/auth/resolve-names", As::Node(&key), body).await.body, json!({ "resolved": {} }));
}

#[tokio::test]
async fn too_many_names_are_refused() {
    let t = TestCenter::start().await;
    let key = t.node("north").await;
    let body = json!({ "nodeId": "north", "names": vec!["x"; 201] });
    t.post("/auth/resolve-names", As::Node(&key), body).await.refused(400, "validation_failed");
}
