//! Text that databases like to change, and ids that they like to merge.

use std::sync::Arc;

use fabric_domain::decisions::{CreateChannel, Post};
use fabric_domain::model::{Author, ChannelType, PostOutcome, PresenceStatus, Seq, UserId};
use fabric_domain::services::RequestKey;

use super::{Opened, all, channel, post, try_post};

/// Different texts, each pair of which some collation holds for the same: case, accents, composed and
/// decomposed letters, width, ligatures, ignorable characters, trailing and leading spaces.
const LOOK_ALIKES: &[&str] = &[
    "a",
    "A",
    "á",
    "a\u{301}",
    "ａ",
    "a ",
    " a",
    "a  ",
    "a\t",
    "a\u{a0}",
    "a\u{200b}",
    "a\u{ad}",
    "ß",
    "ss",
    "ſs",
    "æ",
    "ae",
    "İ",
    "i",
    "ı",
    "🧵",
    "🧶",
    "1",
    "१",
    "%",
    "_",
    "'",
    "\"",
    "\\",
    "`",
    "a\\",
    "--",
];

/// A megabyte of emoji, quotes, line ends and back slashes comes back as it went in, in a message and in what
/// an edit replaces.
pub async fn a_megabyte_of_hostile_text_comes_back_as_it_went_in(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let unit = "👩‍👩‍👧‍👦\u{202e}e\u{301}'\"\\%_`$1?:x\r\n\t \u{feff}\u{fffd}\u{10ffff} ";
    let long: String = unit.chars().cycle().take(1_000_000).collect();
    let message = post(&guild, "alice", &id, &long).await;
    assert!(message.content == long && all(&guild, &id).await[0].content == long, "it was changed");
    let alice = guild.human("alice");
    guild.guild.edit(&alice, &id, &message.id, "short".to_owned()).await.unwrap();
    let revisions = guild.guild.revisions(&alice, &id, &message.id).await.unwrap();
    assert!(revisions[0].content == long, "it was changed in the revision");
}

/// As members, in presence, in markers, and in the lists that are theirs.
pub async fn users_whose_ids_look_alike_are_different_users(on: Opened) {
    let guild = on.guild();
    let alice = guild.human("alice");
    let id = channel(&guild, ChannelType::General).await;
    let users: Vec<UserId> = LOOK_ALIKES.iter().map(|id| UserId::new(*id)).collect();
    guild.add_members(&alice, &id, users.clone()).await.unwrap();
    post(&guild, "alice", &id, "one").await;
    let stored = guild.store.load(&id).await.unwrap().unwrap();
    let members: Vec<&UserId> = stored.members.iter().skip(3).map(|member| &member.user_id).collect();
    assert_eq!(members, users.iter().collect::<Vec<_>>());

    // Every second one is busy, has read, and leaves.
    for user in users.iter().step_by(2) {
        let caller = guild.human(user.as_str());
        guild.guild.set_presence(&caller, user, PresenceStatus::Busy, None).await.unwrap();
        guild.guild.mark_read(&caller, &id, Seq(1)).await.unwrap();
    }
    for (place, user) in users.iter().enumerate() {
        let caller = guild.human(user.as_str());
        let second = place % 2 == 0;
        let row = guild.guild.channel(&caller, &id).await.unwrap();
        assert_eq!(row.unread_count, u64::from(!second), "{user:?}");
        let presence = guild.store.presence(user).await.unwrap();
        assert_eq!(presence.is_some(), second, "{user:?}");
    }
    for user in users.iter().step_by(2) {
        guild.guild.leave(&guild.human(user.as_str()), &id).await.unwrap();
    }
    for (place, user) in users.iter().enumerate() {
        let listed = guild.guild.channels(&guild.human(user.as_str())).await.unwrap().len();
        assert_eq!(listed, place % 2, "{user:?}");
    }
}

/// Each gives a message of its own, and its own answer again.
pub async fn idempotency_keys_that_look_alike_are_different_keys(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let mut answers = Vec::new();
    for key in LOOK_ALIKES {
        answers.push(try_post(&guild, "alice", &id, key, Some(key)).await.unwrap());
    }
    assert_eq!(all(&guild, &id).await.len(), LOOK_ALIKES.len());
    for (key, answer) in LOOK_ALIKES.iter().zip(&answers) {
        assert_eq!(try_post(&guild, "alice", &id, key, Some(key)).await.unwrap(), *answer, "{key:?}");
    }
    // The longest that there may be.
    let longest = "🧵".repeat(RequestKey::MAX_CHARS);
    let first = try_post(&guild, "alice", &id, "long", Some(&longest)).await.unwrap();
    assert_eq!(try_post(&guild, "alice", &id, "long", Some(&longest)).await.unwrap(), first);
}

/// Eighty characters of four bytes, in every place that an id has; a hundred in a name.
pub async fn the_longest_ids_and_names_fit(on: Opened) {
    let guild = Arc::new(on.guild());
    let user = "🧵".repeat(UserId::MAX_CHARS);
    let caller = guild.human(&user);
    let name = "🧶".repeat(100);
    let new = CreateChannel {
        is_public: true,
        members: vec!["bob".into()],
        purpose: Some("🧶".repeat(10_000)),
        ..CreateChannel::new(name.clone(), ChannelType::Discuss)
    };
    let id = guild.create_channel(&caller, new).await.unwrap().channel.id;
    guild.guild.set_presence(&caller, &caller.user_id, PresenceStatus::Idle, None).await.unwrap();
    let new = Post::text(format!("<@{user}>"));
    let key = RequestKey::parse("k").unwrap();
    let posted = guild.guild.post(&Author::User(guild.human("bob")), &id, new, Some(key)).await.unwrap();
    let PostOutcome::Message(message) = posted else { panic!("not a message") };
    guild.guild.mark_read(&caller, &id, Seq(1)).await.unwrap();

    let stored = guild.store.load(&id).await.unwrap().unwrap();
    assert_eq!(stored.channel.name, name);
    assert_eq!(stored.channel.created_by.as_str(), user);
    assert_eq!(stored.turn.unwrap().state.active().unwrap().as_str(), user);
    assert_eq!(all(&guild, &id).await[0].mentions, [caller.user_id]);
    assert_eq!(all(&guild, &id).await, [*message]);
}
