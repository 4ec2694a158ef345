//! The turn as the use cases move it.

use super::*;
use fabric_domain::model::{AckCause, CommandOutcome, Refusal, Rejection};
use fabric_domain::rules::command::Command;
use fabric_domain::rules::turn::Seat;
use fabric_domain::services::{CommandRequest, RequestKey};

async fn active(guild: &TestGuild, id: &ChannelId) -> Option<String> {
    let turn = guild.guild.turn(&guild.human("alice"), id).await.unwrap();
    turn.state.active().map(ToString::to_string)
}

#[tokio::test]
async fn an_accepted_command_is_answered_with_an_ack_that_wakes_the_next_speaker() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    post(&guild, "alice", &id, "start").await;
    published(&guild).await;
    let outcome = guild
        .guild
        .command(&guild.human("bob"), &id, Command::NoReply, CommandRequest::default(), None)
        .await
        .unwrap();
    let CommandOutcome::Accepted { ack } = outcome else { panic!("{outcome:?}") };
    let (message, plan) = published(&guild).await.remove(0);
    assert_eq!(message, *ack);
    assert_eq!((message.content.as_str(), message.author), ("/ack", UserId::system()));
    let ack = message.ack.expect("what it answers");
    assert_eq!((ack.cause, ack.by), (AckCause::NoReply, "bob".into()));
    assert_eq!(woken(&plan), ["carol:turn"]);
    assert!(skipped(&plan).is_empty());
}

#[tokio::test]
async fn a_silent_speakers_turn_lapses_once_its_time_is_over() {
    let guild = TestGuild::default();
    let settings = SettingsPatch { turn_timeout_seconds: Some(30), ..SettingsPatch::default() };
    let id = channel_with(&guild, ChannelType::Discuss, "alice bob carol", settings).await;
    post(&guild, "alice", &id, "start").await;
    published(&guild).await;
    guild.clock.advance_seconds(29);
    assert_eq!(guild.guild.expire_turns().await.unwrap(), 0);
    guild.clock.advance_seconds(1);
    let (one, two) = tokio::join!(guild.guild.expire_turns(), guild.guild.expire_turns());
    assert_eq!(one.unwrap() + two.unwrap(), 1, "it fires once, on exactly one replica");
    let (message, plan) = published(&guild).await.remove(0);
    let ack = message.ack.expect("what it answers");
    assert_eq!((ack.cause, ack.by.as_str()), (AckCause::Timeout, "bob"));
    assert_eq!(woken(&plan), ["carol:turn"]);
    assert_eq!(active(&guild, &id).await.as_deref(), Some("carol"));
}

#[tokio::test]
async fn a_channel_of_dead_agents_pauses_by_itself() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    post(&guild, "alice", &id, "anybody?").await;
    let mut lapses = 0;
    while active(&guild, &id).await.is_some() {
        guild.clock.advance_seconds(900);
        lapses += guild.guild.expire_turns().await.unwrap();
        assert!(lapses <= 3, "at most |order| passes");
    }
    assert_eq!(lapses, 2, "bob and carol; alice is not asked about her own message");
    guild.clock.advance_seconds(900);
    assert_eq!(guild.guild.expire_turns().await.unwrap(), 0);
}

#[tokio::test]
async fn the_deadline_survives_a_restart_and_a_late_answer_is_a_queue_jump() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    post(&guild, "alice", &id, "start").await;
    let guild = guild.restart();
    guild.clock.advance_seconds(900);
    assert_eq!(guild.guild.expire_turns().await.unwrap(), 1);
    published(&guild).await;
    post(&guild, "bob", &id, "sorry, here I am").await;
    assert_eq!(woken(&published(&guild).await[0].1), ["carol:turn"], "the speaker is woken with it");
}

#[tokio::test]
async fn without_a_time_out_nobody_is_skipped_and_a_new_one_holds_for_the_running_turn() {
    let guild = TestGuild::default();
    let settings = SettingsPatch { turn_timeout_seconds: Some(0), ..SettingsPatch::default() };
    let id = channel_with(&guild, ChannelType::Discuss, "alice bob carol", settings).await;
    post(&guild, "alice", &id, "start").await;
    guild.clock.advance_seconds(100_000);
    assert_eq!(guild.guild.expire_turns().await.unwrap(), 0);
    let settings = SettingsPatch { turn_timeout_seconds: Some(10), ..SettingsPatch::default() };
    let patch = fabric_domain::decisions::ChannelPatch { settings: Some(settings), ..Default::default() };
    guild.guild.patch_channel(&guild.human("alice"), &id, patch).await.unwrap();
    assert_eq!(guild.guild.expire_turns().await.unwrap(), 1);
}

#[tokio::test]
async fn when_the_speaker_leaves_or_moves_to_bypass_the_guild_wakes_the_successor() {
    for bypass in [false, true] {
        let guild = TestGuild::default();
        let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
        post(&guild, "alice", &id, "start").await;
        published(&guild).await;
        let bob = guild.human("bob");
        if bypass {
            guild.guild.set_seat(&bob, &id, &bob.user_id, Seat::Bypass).await.unwrap();
        } else {
            guild.guild.leave(&bob, &id).await.unwrap();
        }
        let (message, plan) = published(&guild).await.remove(0);
        let expected = if bypass { AckCause::MovedToBypass } else { AckCause::MemberLeft };
        assert_eq!(message.ack.expect("what happened").cause, expected);
        assert_eq!(woken(&plan), ["carol:turn"]);
        assert_eq!(plan.members.contains(&"bob".into()), bypass);
    }
}

#[tokio::test]
async fn leaving_out_of_turn_says_nothing() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    post(&guild, "alice", &id, "start").await;
    published(&guild).await;
    guild.guild.leave(&guild.human("carol"), &id).await.unwrap();
    assert!(published(&guild).await.is_empty());
    assert_eq!(active(&guild, &id).await.as_deref(), Some("bob"));
}

#[tokio::test]
async fn the_message_that_woke_the_speaker_is_remembered_until_the_turn_moves() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    let start = post(&guild, "alice", &id, "start").await;
    let wake_seq = async || guild.guild.turn(&guild.human("alice"), &id).await.unwrap().wake_seq;
    assert_eq!(wake_seq().await, Some(start.seq));
    let jump = post(&guild, "carol", &id, "by the way").await;
    assert_eq!(wake_seq().await, Some(jump.seq), "the speaker was woken again with the queue jump");
    // Asked while it is their turn anyway, bob answers once: nobody is handed the floor that they have just used.
    post(&guild, "carol", &id, "<@bob>?").await;
    let answer = post(&guild, "bob", &id, "yes").await;
    assert_eq!((active(&guild, &id).await.as_deref(), wake_seq().await), (Some("carol"), Some(answer.seq)));
}

async fn command(
    guild: &TestGuild,
    user: &str,
    id: &ChannelId,
    command: Command,
    turn: u64,
) -> CommandOutcome {
    let asked = CommandRequest { turn: Some(turn), ..CommandRequest::default() };
    guild.guild.command(&guild.human(user), id, command, asked, None).await.unwrap()
}

async fn current(guild: &TestGuild, id: &ChannelId) -> u64 {
    guild.guild.turn(&guild.human("alice"), id).await.unwrap().state.turn()
}

fn is_over(outcome: &CommandOutcome) -> bool {
    matches!(outcome, CommandOutcome::Rejected { reason: Rejection::TurnOver })
}

#[tokio::test]
async fn two_people_who_skip_at_once_skip_one() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol dave").await;
    post(&guild, "alice", &id, "start").await;
    let turn = current(&guild, &id).await;
    let (one, two) = tokio::join!(
        command(&guild, "alice", &id, Command::ForceProceed, turn),
        command(&guild, "dave", &id, Command::ForceProceed, turn),
    );
    assert!(is_over(&one) ^ is_over(&two), "{one:?} {two:?}");
    assert_eq!(active(&guild, &id).await.as_deref(), Some("carol"));
}

#[tokio::test]
async fn a_late_answer_never_ends_a_later_turn() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    post(&guild, "alice", &id, "start").await;
    let bobs = current(&guild, &id).await;
    command(&guild, "alice", &id, Command::ForceProceed, bobs).await;
    post(&guild, "carol", &id, "<@bob>, are you there?").await;
    assert_eq!(active(&guild, &id).await.as_deref(), Some("bob"));
    published(&guild).await;

    let late = Post { turn: Some(bobs), ..text("sorry, I was thinking") };
    guild.guild.post(&Author::User(guild.human("bob")), &id, late, None).await.unwrap();
    let (_, plan) = published(&guild).await.remove(0);
    assert!(woken(&plan).is_empty(), "bob has been woken for his turn, and nobody else has it");
    assert_eq!(active(&guild, &id).await.as_deref(), Some("bob"), "his place is not used up");

    for (content, turn) in [("/no-reply", bobs), ("/force-proceed", bobs)] {
        let typed = Post { turn: Some(turn), ..text(content) };
        let outcome = guild.guild.post(&Author::User(guild.human("bob")), &id, typed, None).await.unwrap();
        assert!(matches!(&outcome, PostOutcome::Command(outcome) if is_over(outcome)), "{outcome:?}");
    }
    let now = current(&guild, &id).await;
    let answer = Post { turn: Some(now), ..text("yes") };
    guild.guild.post(&Author::User(guild.human("bob")), &id, answer, None).await.unwrap();
    assert_eq!(active(&guild, &id).await.as_deref(), Some("carol"));
}

#[tokio::test]
async fn a_key_with_another_turn_is_another_request() {
    let guild = TestGuild::default();
    let id = channel(&guild, ChannelType::Discuss, "alice bob carol").await;
    post(&guild, "alice", &id, "start").await;
    let turn = current(&guild, &id).await;
    let ask = |turn| {
        let post = Post { turn, ..text("my view") };
        let key = RequestKey::parse("k").ok();
        let author = Author::User(guild.human("bob"));
        let (guild, id) = (&guild, &id);
        async move { guild.guild.post(&author, id, post, key).await }
    };
    let first = ask(Some(turn)).await.unwrap();
    assert_eq!(ask(Some(turn)).await.unwrap(), first, "the same answer again");
    for other in [Some(turn + 1), None] {
        let refused = ask(other).await.unwrap_err();
        assert!(matches!(refused, ServiceError::Refused(Refusal::IdempotencyKeyReused)), "{refused:?}");
    }
}

#[tokio::test]
async fn reopening_begins_the_running_turn_anew_and_wakes_its_speaker() {
    let guild = TestGuild::default();
    let settings = SettingsPatch { turn_timeout_seconds: Some(30), ..SettingsPatch::default() };
    let id = channel_with(&guild, ChannelType::Discuss, "alice bob carol", settings).await;
    post(&guild, "alice", &id, "start").await;
    guild.guild.close_channel(&guild.human("alice"), &id).await.unwrap();
    // Carol's turn comes while nobody can write, so no message wakes her.
    guild.guild.leave(&guild.human("bob"), &id).await.unwrap();
    published(&guild).await;
    guild.clock.advance_seconds(3_600);
    guild.guild.reopen_channel(&guild.human("alice"), &id).await.unwrap();
    let (message, plan) = published(&guild).await.remove(0);
    let ack = message.ack.expect("what happened");
    assert_eq!((ack.cause, ack.by.as_str()), (AckCause::Reopened, "alice"));
    assert_eq!(woken(&plan), ["carol:turn"]);
    assert_eq!(guild.guild.expire_turns().await.unwrap(), 0, "the time counts from now on");
    let turn = guild.guild.turn(&guild.human("alice"), &id).await.unwrap();
    assert_eq!(turn.wake_seq, Some(message.seq));

    // Reopening an open channel, or one in which it is nobody's turn, says nothing.
    guild.guild.reopen_channel(&guild.human("alice"), &id).await.unwrap();
    let quiet = channel(&guild, ChannelType::Discuss, "alice bob").await;
    guild.guild.close_channel(&guild.human("alice"), &quiet).await.unwrap();
    guild.guild.reopen_channel(&guild.human("alice"), &quiet).await.unwrap();
    assert!(published(&guild).await.is_empty());
}
