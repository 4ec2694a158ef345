//! Who is active at Center, and who is not any more (spec/2 section 8, spec/3 section 5).

use super::*;
use fabric_domain::model::{AckCause, Refusal, UserKind};

fn unknown<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> Vec<(&'static str, String)> {
    match result {
        Err(ServiceError::Refused(Refusal::UnknownUsers(users))) => {
            users.into_iter().map(|user| (user.field, user.message)).collect()
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn ids_that_center_does_not_know_become_no_members_and_each_is_named() {
    let guild = TestGuild::default();
    let alice = guild.human("alice");
    guild.human("bob");
    guild.human("gone");
    guild.center.revoke("gone");
    let new = |members: &[&str], mapped: &[&str]| CreateChannel {
        members: members.iter().map(|&user| user.into()).collect(),
        wake_mapping: mapped.iter().map(|&user| user.into()).collect(),
        ..CreateChannel::new("room", ChannelType::Triage)
    };
    let refused = guild.guild.create_channel(&alice, new(&["bob", "Bob", "gone"], &["made up"])).await;
    assert_eq!(
        unknown(refused),
        [
            ("memberUserIds", r#""Bob" is no active member of this guild"#.to_owned()),
            ("memberUserIds", r#""gone" is no active member of this guild"#.to_owned()),
            ("onDuty", r#""made up" is no active member of this guild"#.to_owned()),
        ]
    );
    assert!(guild.guild.channels(&alice).await.unwrap().is_empty());
    let id = guild.guild.create_channel(&alice, new(&["bob"], &["alice"])).await.unwrap().channel.id;
    let add = |users: &[&str]| {
        guild.guild.add_members(&alice, &id, users.iter().map(|&user| user.into()).collect())
    };
    assert_eq!(code(add(&["made up"]).await), "unknown_user");
    assert_eq!(code(guild.guild.set_wake_mapping(&alice, &id, vec!["made up".into()]).await), "unknown_user");
    // Who is a member already stays one, whatever Center says.
    guild.center.revoke("bob");
    assert_eq!(add(&["bob", "alice"]).await.unwrap().1.len(), 2);
    assert_eq!(guild.guild.set_wake_mapping(&alice, &id, vec!["bob".into()]).await.unwrap().1.len(), 2);
}

#[tokio::test]
async fn while_center_is_away_nobody_new_is_made_a_member() {
    let guild = TestGuild::default();
    let alice = guild.human("alice");
    guild.human("bob");
    let id = channel(&guild, ChannelType::General, "alice").await;
    guild.center.set_down(true);
    let alone = guild.guild.create_channel(&alice, CreateChannel::new("notes", ChannelType::General)).await;
    assert!(alone.is_ok(), "nobody was to be asked about");
    assert!(matches!(
        guild.guild.add_members(&alice, &id, vec!["bob".into()]).await,
        Err(ServiceError::Center(_))
    ));
    assert!(guild.guild.add_members(&alice, &id, vec!["alice".into()]).await.is_ok());
}

#[tokio::test]
async fn a_speaker_who_is_disabled_is_passed_over_and_everybody_after_them_who_is() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol dave").await;
    post(&guild, "alice", &id, "start").await;
    published(&guild).await;
    for user in ["bob", "carol"] {
        guild.center.revoke(user);
    }
    guild.guild.look_who_is_active().await.unwrap();
    let sent = published(&guild).await;
    let passed: Vec<_> = sent
        .iter()
        .map(|(message, sent)| {
            let ack = message.ack.clone().expect("an /ack");
            (ack.cause, ack.by.to_string(), woken(sent))
        })
        .collect();
    assert_eq!(passed[0].0, AckCause::Inactive);
    assert_eq!(passed[0].1, "bob");
    assert_eq!((passed[1].0, passed[1].1.as_str()), (AckCause::Inactive, "carol"));
    assert_eq!(passed[1].2, ["dave:turn"]);
    assert_eq!(passed.len(), 2);
    guild.guild.look_who_is_active().await.unwrap();
    assert!(published(&guild).await.is_empty(), "once");
}

#[tokio::test]
async fn a_turn_that_comes_to_somebody_disabled_goes_on_at_once() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Work, "alice bob carol").await;
    guild.center.revoke("bob");
    guild.guild.look_who_is_active().await.unwrap();
    post(&guild, "alice", &id, "start").await;
    let turn = guild.guild.turn(&guild.human("alice"), &id).await.unwrap();
    assert_eq!(turn.state.active().map(UserId::as_str), Some("carol"));
    // Nor does a mention hand it to them.
    post(&guild, "carol", &id, "<@bob>?").await;
    let turn = guild.guild.turn(&guild.human("alice"), &id).await.unwrap();
    assert_eq!(turn.state.active().map(UserId::as_str), Some("alice"));
    assert!(turn.state.frames().is_empty());
}

#[tokio::test]
async fn a_channel_of_nobody_but_the_disabled_falls_silent() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    for user in ["bob", "carol"] {
        guild.center.revoke(user);
    }
    guild.guild.look_who_is_active().await.unwrap();
    post(&guild, "alice", &id, "anybody?").await;
    let turn = guild.guild.turn(&guild.human("alice"), &id).await.unwrap();
    assert!(turn.state.is_idle());
}

#[tokio::test]
async fn who_is_disabled_is_not_woken_and_a_mention_of_them_is_only_a_word() {
    let guild = TestGuild::default();
    let general = channel(&guild, ChannelType::General, "alice bob carol").await;
    let dm = channel(&guild, ChannelType::Dm, "alice bob carol").await;
    guild.center.revoke("bob");
    guild.guild.look_who_is_active().await.unwrap();
    published(&guild).await;
    let message = post(&guild, "alice", &general, "<@bob> are you there?").await;
    assert_eq!(message.mentions, ["bob".into()], "it is shown");
    post(&guild, "alice", &general, "<@bob> <@carol>").await;
    post(&guild, "alice", &dm, "you two").await;
    let woken: Vec<_> = published(&guild).await.iter().map(|(_, sent)| woken(sent)).collect();
    assert_eq!(woken, [["carol:general"], ["carol:mention"], ["carol:dm"]]);
}

#[tokio::test]
async fn who_is_disabled_keeps_the_name_and_who_is_back_is_waited_for_again() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob").await;
    guild.center.revoke("bob");
    let alice = guild.human("alice");
    let bob = async || guild.guild.members(&alice, &id).await.unwrap().1.remove(1);
    assert_eq!((bob().await.name.as_deref(), bob().await.active), (Some("bob"), false));
    guild.guild.look_who_is_active().await.unwrap();
    guild.center.add("bob", UserKind::Human);
    guild.guild.look_who_is_active().await.unwrap();
    assert!(bob().await.active);
    post(&guild, "alice", &id, "welcome").await;
    let turn = guild.guild.turn(&alice, &id).await.unwrap();
    assert_eq!(turn.state.active().map(UserId::as_str), Some("bob"));
}
