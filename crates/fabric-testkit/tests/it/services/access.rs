//! Who may see and do what.

use super::*;
use fabric_domain::decisions::ChannelPatch;
use fabric_domain::model::PresenceStatus;

#[tokio::test]
async fn what_may_not_be_seen_does_not_exist() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::General, "alice bob").await;
    let (mallory, nowhere) = (guild.human("mallory"), ChannelId::new("nowhere"));
    for target in [&id, &nowhere] {
        let guild = &guild.guild;
        assert_eq!(code(guild.channel(&mallory, target).await), "channel_not_found");
        assert_eq!(code(guild.join(&mallory, target).await), "channel_not_found");
        assert_eq!(code(guild.leave(&mallory, target).await), "channel_not_found");
        assert_eq!(code(guild.members(&mallory, target).await), "channel_not_found");
        assert_eq!(
            code(guild.add_members(&mallory, target, vec!["mallory".into()]).await),
            "channel_not_found"
        );
        assert_eq!(code(guild.close_channel(&mallory, target).await), "channel_not_found");
        assert_eq!(
            code(guild.patch_channel(&mallory, target, ChannelPatch::default()).await),
            "channel_not_found"
        );
    }
}

#[tokio::test]
async fn a_triage_may_be_read_by_the_admin_and_other_private_channels_may_not() {
    let guild = TestGuild::default();
    let root = guild.human("root");
    guild.center.set_admin(Some("root"));
    let triage = channel(&guild, ChannelType::Triage, "alice bob").await;
    let general = channel(&guild, ChannelType::General, "alice bob").await;
    guild.guild.channel(&root, &triage).await.expect("readable");
    assert_eq!(code(guild.guild.channel(&root, &general).await), "channel_not_found");
    assert_eq!(code(try_post(&guild, root.clone(), &triage, "hi").await), "not_a_member");
    published(&guild).await;
    post(&guild, "alice", &triage, "help").await;
    let sent = published(&guild).await.remove(0).1;
    assert_eq!(sent.to("root"), Delivery::Observe);
    assert_eq!(sent.plan.outside_observer, Some("root".into()));
    guild.center.set_down(true);
    assert_eq!(code(guild.guild.channel(&root, &triage).await), "channel_not_found", "unreachable: no admin");
}

#[tokio::test]
async fn name_and_settings_are_the_creators_and_the_admins_and_the_purpose_everybodys() {
    let guild = TestGuild::default();
    guild.center.set_admin(Some("root"));
    let id = channel(&guild, ChannelType::General, "alice bob").await;
    let rename = ChannelPatch { name: Some("new".to_owned()), ..ChannelPatch::default() };
    let purpose = ChannelPatch { purpose: Some("why".to_owned()), ..ChannelPatch::default() };
    let patch = async |user: &str, patch: &ChannelPatch| {
        guild.guild.patch_channel(&guild.human(user), &id, patch.clone()).await
    };
    assert_eq!(code(patch("bob", &rename).await), "not_channel_owner");
    assert_eq!(patch("bob", &purpose).await.unwrap().channel.purpose.as_deref(), Some("why"));
    assert_eq!(patch("alice", &rename).await.unwrap().channel.name, "new");
    assert_eq!(patch("root", &rename).await.unwrap().channel.name, "new");
}

#[tokio::test]
async fn any_participant_closes_and_only_the_creator_or_the_admin_reopens() {
    let guild = TestGuild::default();
    guild.center.set_admin(Some("root"));
    let id = channel(&guild, ChannelType::General, "alice bob").await;
    assert!(guild.guild.close_channel(&guild.human("bob"), &id).await.unwrap().channel.closed);
    assert_eq!(code(guild.guild.reopen_channel(&guild.human("bob"), &id).await), "not_channel_owner");
    for user in ["alice", "root"] {
        assert!(!guild.guild.reopen_channel(&guild.human(user), &id).await.unwrap().channel.closed);
        guild.guild.close_channel(&guild.human("bob"), &id).await.unwrap();
    }
}

#[tokio::test]
async fn listeners_and_those_on_duty_become_members() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Custom, "alice bob").await;
    let alice = guild.human("alice");
    guild.human("carol");
    let (_, members) = guild.guild.set_wake_mapping(&alice, &id, vec!["carol".into()]).await.unwrap();
    let mapped: Vec<_> =
        members.iter().map(|view| (view.member.user_id.as_str(), view.member.wake_mapped)).collect();
    assert_eq!(mapped, [("alice", false), ("bob", false), ("carol", true)]);
    assert_eq!(
        code(guild.guild.set_wake_mapping(&guild.human("bob"), &id, Vec::new()).await),
        "not_channel_owner"
    );
    let general = channel(&guild, ChannelType::General, "alice").await;
    assert_eq!(
        code(guild.guild.set_wake_mapping(&alice, &general, Vec::new()).await),
        "wake_mapping_not_supported"
    );
}

#[tokio::test]
async fn a_member_is_removed_by_themselves_the_creator_or_the_admin() {
    let guild = TestGuild::default();
    guild.center.set_admin(Some("root"));
    let id = channel(&guild, ChannelType::General, "alice bob carol dave erin").await;
    let remove =
        async |by: &str, user: &str| guild.guild.remove_member(&guild.human(by), &id, &user.into()).await;
    assert_eq!(code(remove("bob", "carol").await), "not_channel_owner");
    remove("bob", "bob").await.unwrap();
    remove("alice", "carol").await.unwrap();
    remove("root", "dave").await.unwrap();
    assert_eq!(code(remove("alice", "carol").await), "member_not_found");
}

#[tokio::test]
async fn a_presence_is_set_only_by_its_own_user() {
    let guild = TestGuild::default();
    let bob = guild.human("bob");
    let set = |user: &str| {
        let (guild, bob, user) = (&guild.guild, &bob, UserId::new(user));
        async move { guild.set_presence(bob, &user, PresenceStatus::Busy, None).await }
    };
    assert_eq!(code(set("alice").await), "not_your_presence");
    set("bob").await.unwrap();
    assert_eq!(guild.guild.presence(&"bob".into()).await.unwrap().status, PresenceStatus::Busy);
    assert_eq!(guild.guild.presence(&"alice".into()).await.unwrap().status, PresenceStatus::Unknown);
}
