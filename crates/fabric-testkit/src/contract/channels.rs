//! Channels, their members and their turns.

use std::sync::Arc;

use fabric_domain::decisions::ChannelPatch;
use fabric_domain::model::{ChannelType, Seq};
use fabric_domain::ports::Clock;

use super::{Opened, all, channel, created, post};

/// Text, ids and settings come back as they went in.
pub async fn what_is_written_is_read_again_to_the_letter(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let long = "ä🧵\u{200b}'\"\\%_`\r\n ".repeat(60_000);
    let mut written = Vec::new();
    for content in ["x", "  spaces  ", "<@bob> 'quoted' \"twice\" \\ %_;--", "👩‍👩‍👧‍👦 \u{202e} e\u{301}", &long]
    {
        written.push(post(&guild, "alice", &id, content).await);
        assert_eq!(written.last().unwrap().content, content);
    }
    assert_eq!(all(&guild, &id).await, written);

    let stored = guild.store.load(&id).await.unwrap().unwrap();
    assert_eq!(stored.channel.name, "Raum für  Ideen 🧵 ");
    assert_eq!(stored.channel.purpose.as_deref(), Some("to\tthe letter"));
    assert_eq!(stored.channel.settings.autonomy_budget, 7);
    assert_eq!(stored.channel.last_seq, Seq(5));
}

/// Public ones and the user's own; ids that differ only in case or trailing space are different users.
pub async fn a_channel_is_listed_for_those_who_may_see_it(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    for (user, listed) in [("alice", 1), ("bob", 1), ("Bob", 0), ("bob ", 0), ("dave", 0)] {
        assert_eq!(guild.guild.channels(&guild.human(user)).await.unwrap().len(), listed, "{user:?}");
    }
    let row = &guild.guild.channels(&guild.human("bob")).await.unwrap()[0];
    assert_eq!((row.channel.id.clone(), row.member_count, row.is_member), (id, 3, true));
}

/// Its row and its turn are what a decision sees; whether one is a member is told of the user who asks.
pub async fn a_user_comes_to_a_channel_as_it_is(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::Discuss).await;
    post(&guild, "alice", &id, "hello").await;
    let stored = guild.store.load(&id).await.unwrap().unwrap();
    for (user, is_member) in [("alice", true), ("bob", true), ("Bob", false), ("dave", false)] {
        let view = guild.store.view(&id, &user.into()).await.unwrap().unwrap();
        assert_eq!((&view.channel, &view.turn), (&stored.channel, &stored.turn));
        assert_eq!(view.is_member, is_member, "{user}");
    }
    assert_eq!(guild.store.view(&"none".into(), &"alice".into()).await.unwrap(), None);
}

/// Order of arrival; leaving takes the wake mapping and the place in the turn.
pub async fn members_keep_their_order_and_leave_without_a_trace(on: Opened) {
    let guild = on.guild();
    let alice = guild.human("alice");
    let id = created(&guild, &alice, ChannelType::Triage, &["bob"]).await.channel.id;
    guild.add_members(&alice, &id, vec!["dave".into(), "carol".into()]).await.unwrap();
    guild.human("erin");
    guild.guild.set_wake_mapping(&alice, &id, vec!["bob".into(), "erin".into()]).await.unwrap();
    guild.guild.remove_member(&alice, &id, &"bob".into()).await.unwrap();
    guild.add_members(&alice, &id, vec!["bob".into()]).await.unwrap();
    let stored = guild.store.load(&id).await.unwrap().unwrap();
    let members: Vec<_> = stored.members.iter().map(|m| (m.user_id.as_str(), m.wake_mapped)).collect();
    assert_eq!(
        members,
        [("alice", false), ("dave", false), ("carol", false), ("erin", true), ("bob", false)]
    );
}

/// Frames, round and streak included.
pub async fn the_turn_survives_a_restart(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::Discuss).await;
    post(&guild, "alice", &id, "start").await;
    post(&guild, "bob", &id, "what does <@alice> think?").await;
    let before = guild.store.load(&id).await.unwrap().unwrap().turn.unwrap();
    assert_eq!(before.state.active().unwrap().as_str(), "alice");
    assert_eq!(before.state.frames().len(), 1);
    let guild = guild.restart();
    let after = guild.store.load(&id).await.unwrap().unwrap().turn.unwrap();
    assert_eq!(after, before);
    post(&guild, "alice", &id, "a lot").await;
    let turn = guild.guild.turn(&guild.human("bob"), &id).await.unwrap();
    assert_eq!(turn.state.active().unwrap().as_str(), "bob");
}

/// Whether they are due is a matter of the second; closed and idle channels are never.
pub async fn turns_past_their_deadline_are_found(on: Opened) {
    let guild = on.guild();
    let (first, second) =
        (channel(&guild, ChannelType::Discuss).await, channel(&guild, ChannelType::Work).await);
    let closed = channel(&guild, ChannelType::Discuss).await;
    channel(&guild, ChannelType::Discuss).await;
    for id in [&first, &closed] {
        post(&guild, "alice", id, "start").await;
    }
    guild.clock.advance_seconds(10);
    post(&guild, "alice", &second, "start").await;
    guild.guild.close_channel(&guild.human("alice"), &closed).await.unwrap();
    let store = Arc::clone(&guild.store);
    for (after, due) in [(889, vec![]), (890, vec![first.clone()]), (900, vec![first, second])] {
        let now = guild.clock.now().plus_seconds(after);
        assert_eq!(store.due_turns(now).await.unwrap(), due, "after {after} s");
    }
}

/// A patch of a purpose keeps the rest; kept here because every store must write the whole row.
pub async fn a_patch_keeps_the_rest(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::Discuss).await;
    let patch = ChannelPatch { purpose: Some(String::new()), ..ChannelPatch::default() };
    let row = guild.guild.patch_channel(&guild.human("bob"), &id, patch).await.unwrap();
    assert_eq!((row.channel.purpose, row.channel.settings.autonomy_budget), (None, 7));
    assert!(row.turn.is_some());
}
