//! Posting, editing, deleting.

use super::*;
use fabric_domain::model::{AgentMentions, CommandOutcome, Refusal};

#[tokio::test]
async fn names_are_translated_before_anything_is_parsed_or_stored() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::General, "alice bob carol").await;
    guild.human("bob");
    published(&guild).await;
    let message = post(&guild, "alice", &id, "ask <@user.name:bob>, not `<@user.name:bob>`").await;
    assert_eq!(message.content, "ask <@bob>, not `<@user.name:bob>`");
    assert_eq!(woken(&published(&guild).await[0].1), ["bob:mention"]);
}

#[tokio::test]
async fn without_center_a_name_stays_as_typed_and_the_post_succeeds() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Report, "alice bob").await;
    let alice = guild.human("alice");
    guild.center.set_down(true);
    let outcome = try_post(&guild, alice, &id, "ask <@user.name:bob>").await.unwrap();
    assert!(matches!(outcome, PostOutcome::Message(message) if message.content == "ask <@user.name:bob>"));
}

#[tokio::test]
async fn a_closed_channel_refuses_posts_commands_and_system_posts_alike() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob").await;
    let bob = guild.human("bob");
    guild.guild.close_channel(&bob, &id).await.unwrap();
    for content in ["hello", "/no-reply", "/force-proceed"] {
        assert_eq!(code(try_post(&guild, bob.clone(), &id, content).await), "channel_closed", "{content}");
    }
    let system = Author::System { wakeup: None };
    assert_eq!(code(guild.guild.post(&system, &id, text("notice"), None).await), "channel_closed");
    guild.guild.readable(&bob, &id).await.expect("reading stays allowed");
}

#[tokio::test]
async fn who_is_asking_comes_before_whether_it_is_closed() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob").await;
    guild.guild.close_channel(&guild.human("alice"), &id).await.unwrap();
    assert_eq!(code(try_post(&guild, guild.human("mallory"), &id, "hi").await), "channel_not_found");
}

#[tokio::test]
async fn an_agents_mention_is_only_a_word_where_the_channel_says_so() {
    for (setting, expected) in [(AgentMentions::Wake, "carol:mention"), (AgentMentions::Text, "bob:turn")] {
        let guild = TestGuild::default();
        let settings = SettingsPatch { agent_mentions: Some(setting), ..SettingsPatch::default() };
        let id = channel_with(&guild, ChannelType::Discuss, "alice bob carol", settings).await;
        published(&guild).await;
        let agent = guild.agent("alice");
        try_post(&guild, agent, &id, "what does <@carol> think?").await.unwrap();
        let (message, plan) = published(&guild).await.remove(0);
        assert_eq!(woken(&plan), [expected]);
        assert_eq!(message.mentions, [UserId::new("carol")], "the message still names whom it mentions");
    }
}

#[tokio::test]
async fn where_an_agents_mentions_are_words_its_general_message_wakes_everybody() {
    let guild = TestGuild::default();
    let settings = SettingsPatch { agent_mentions: Some(AgentMentions::Text), ..SettingsPatch::default() };
    let id = channel_with(&guild, ChannelType::General, "alice bob carol", settings).await;
    published(&guild).await;
    try_post(&guild, guild.agent("alice"), &id, "<@carol>?").await.unwrap();
    assert_eq!(woken(&published(&guild).await[0].1), ["bob:general", "carol:general"]);
}

#[tokio::test]
async fn an_unknown_name_is_no_mention() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::General, "alice bob").await;
    published(&guild).await;
    let message = post(&guild, "alice", &id, "<@user.name:eve>?").await;
    assert_eq!((message.content.as_str(), message.mentions), ("<@user.name:eve>?", vec![]));
    assert_eq!(woken(&published(&guild).await[0].1), ["bob:general"]);
}

#[tokio::test]
async fn a_humans_message_starts_the_hops_anew_and_system_posts_neither_count_nor_reset() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::General, "alice bob").await;
    let (bot, alice) = (guild.agent("bob"), guild.human("alice"));
    published(&guild).await;
    try_post(&guild, bot.clone(), &id, "one").await.unwrap();
    try_post(&guild, bot.clone(), &id, "two").await.unwrap();
    guild.guild.post(&Author::System { wakeup: None }, &id, text("notice"), None).await.unwrap();
    try_post(&guild, bot, &id, "three").await.unwrap();
    try_post(&guild, alice, &id, "stop").await.unwrap();
    let hops: Vec<u32> = published(&guild).await.iter().map(|(_, sent)| sent.plan.hop).collect();
    assert_eq!(hops, [1, 2, 2, 3, 0]);
}

#[tokio::test]
async fn a_system_post_wakes_whom_it_is_meant_for_and_moves_no_turn() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    post(&guild, "alice", &id, "start").await;
    let before = guild.guild.turn(&guild.human("alice"), &id).await.unwrap();
    published(&guild).await;
    let system = Author::System { wakeup: Some("carol".into()) };
    for content in ["look", "/force-proceed"] {
        let outcome = guild.guild.post(&system, &id, text(content), None).await.unwrap();
        assert!(matches!(outcome, PostOutcome::Message(message) if message.content == content), "{content}");
    }
    for (_, plan) in published(&guild).await {
        assert_eq!(woken(&plan), ["carol:targeted"]);
    }
    assert_eq!(guild.guild.turn(&guild.human("alice"), &id).await.unwrap(), before);
}

#[tokio::test]
async fn a_reply_must_answer_a_message_of_this_channel() {
    let guild = TestGuild::default();
    let (here, there) = (
        channel(&guild, ChannelType::General, "alice").await,
        channel(&guild, ChannelType::General, "alice").await,
    );
    let alice = Author::User(guild.human("alice"));
    let other = post(&guild, "alice", &there, "elsewhere").await;
    let reply = |to: &Message| Post { reply_to: Some(to.id.clone()), ..Post::text("yes") };
    assert_eq!(code(guild.guild.post(&alice, &here, reply(&other), None).await), "validation_failed");
    guild.guild.post(&alice, &there, reply(&other), None).await.expect("a reply");
}

#[tokio::test]
async fn empty_and_overlong_texts_are_refused() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::General, "alice").await;
    for content in [String::new(), " \n\t".to_owned(), "x".repeat(1_000_001)] {
        assert_eq!(code(try_post(&guild, guild.human("alice"), &id, &content).await), "validation_failed");
    }
    // Characters count, not bytes.
    try_post(&guild, guild.human("alice"), &id, &"ä".repeat(1_000_000)).await.expect("just so much");
}

#[tokio::test]
async fn only_the_author_edits_and_only_inside_the_window() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::General, "alice bob").await;
    let message = post(&guild, "bob", &id, "tpyo").await;
    let (alice, bob) = (guild.human("alice"), guild.human("bob"));
    let edit = |caller| guild.guild.edit(caller, &id, &message.id, "typo".to_owned());
    assert_eq!(code(edit(&alice).await), "not_message_author");
    guild.clock.advance_seconds(900);
    assert_eq!(edit(&bob).await.unwrap().content, "typo");
    guild.clock.advance_seconds(1);
    assert_eq!(
        code(guild.guild.edit(&bob, &id, &message.id, "more".to_owned()).await),
        "edit_window_expired"
    );
}

#[tokio::test]
async fn an_edit_wakes_nobody_and_moves_no_turn() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    let message = post(&guild, "alice", &id, "start").await;
    let before = guild.guild.turn(&guild.human("alice"), &id).await.unwrap();
    published(&guild).await;
    guild.guild.edit(&guild.human("alice"), &id, &message.id, "start, <@carol>".to_owned()).await.unwrap();
    assert!(published(&guild).await.is_empty());
    assert_eq!(guild.guild.turn(&guild.human("alice"), &id).await.unwrap(), before);
}

#[tokio::test]
async fn a_message_is_deleted_by_its_author_the_creator_or_the_admin() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::General, "alice bob carol").await;
    guild.center.set_admin(Some("root"));
    for (user, allowed) in [("bob", true), ("alice", true), ("root", true), ("carol", false)] {
        let message = post(&guild, "bob", &id, "oops").await;
        let deleted = guild.guild.delete(&guild.human(user), &id, &message.id).await;
        if allowed {
            assert!(deleted.unwrap().deleted_at.is_some(), "{user}");
        } else {
            assert_eq!(code(deleted), "not_allowed_to_delete", "{user}");
        }
    }
    let message = post(&guild, "bob", &id, "oops").await;
    assert_eq!(
        code(guild.guild.delete(&guild.human("mallory"), &id, &message.id).await),
        "channel_not_found"
    );
}

#[tokio::test]
async fn a_rejected_command_stores_and_delivers_nothing() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    post(&guild, "alice", &id, "start").await;
    guild.published.take();
    let outcome = try_post(&guild, guild.human("carol"), &id, "/no-reply").await.unwrap();
    let PostOutcome::Command(CommandOutcome::Rejected { reason }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(reason.code(), "not_current_speaker");
    assert_eq!(guild.published.take(), []);
    assert!(matches!(
        guild.guild.turn(&guild.human("mallory"), &id).await,
        Err(ServiceError::Refused(Refusal::ChannelNotFound))
    ));
}

#[tokio::test]
async fn a_text_has_at_most_a_hundred_names_and_the_rest_stays_as_typed() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::General, "alice").await;
    for n in 0..102 {
        guild.human(&format!("u{n}"));
    }
    let typed: Vec<String> = (0..102).map(|n| format!("<@user.name:u{n}>")).collect();
    let message = post(&guild, "alice", &id, &typed.join(" ")).await;
    let stored: Vec<&str> = message.content.split(' ').collect();
    assert_eq!(stored[..2], ["<@u0>", "<@u1>"]);
    assert_eq!(stored[99..], ["<@u99>", "<@user.name:u100>", "<@user.name:u101>"]);
}
