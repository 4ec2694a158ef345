//! Wakes are owed until a live socket has got them (spec/2 section 8).

use fabric_domain::decisions::Post;
use fabric_domain::model::{Author, ChannelId, ChannelType, Seq, UserId};
use fabric_domain::ports::SettledWakes;

use super::{Opened, channel, post};
use crate::TestGuild;

/// The owed wakes of a user, as `seq:reason`.
async fn owed(guild: &TestGuild, channel: &ChannelId, user: &str) -> Vec<String> {
    let wakes = guild.store.missed_wakes(channel, &user.into()).await.unwrap();
    wakes.iter().map(|wake| format!("{}:{}", wake.seq, wake.reason.as_str())).collect()
}

async fn settle(guild: &TestGuild, channel: &ChannelId, user: &str, seq: u64) {
    let settled = SettledWakes { channel: channel.clone(), user: user.into(), seq: Seq(seq) };
    guild.store.settle_wakes(vec![settled]).await.unwrap();
}

/// Until they are settled; settling never moves back.
pub async fn a_wake_is_owed_until_it_is_settled(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    for content in ["to all", "<@bob>", "<@carol> <@bob>", "to all again"] {
        post(&guild, "alice", &id, content).await;
    }
    assert_eq!(owed(&guild, &id, "bob").await, ["1:general", "2:mention", "3:mention", "4:general"]);
    assert_eq!(owed(&guild, &id, "carol").await, ["1:general", "3:mention", "4:general"]);
    assert_eq!(
        owed(&guild, &id, "alice").await,
        Vec::<String>::new(),
        "nobody owes an author their own message"
    );
    assert_eq!(owed(&guild, &id, "mallory").await, Vec::<String>::new());
    for seq in [3, 2] {
        settle(&guild, &id, "bob", seq).await;
        assert_eq!(owed(&guild, &id, "bob").await, ["4:general"], "after {seq}");
    }
    settle(&guild, &id, "mallory", 4).await;
    assert_eq!(owed(&guild, &id, "carol").await.len(), 3, "each for themselves");
    let guild = guild.restart();
    assert_eq!(owed(&guild, &id, "bob").await, ["4:general"], "a pending wake survives a restart");
}

/// Whoever has written since needs no reminder; a new member owes nothing to the past.
pub async fn an_answer_settles_and_a_new_member_is_owed_nothing_of_before(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::Dm).await;
    post(&guild, "alice", &id, "one").await;
    post(&guild, "bob", &id, "here").await;
    post(&guild, "alice", &id, "two").await;
    assert_eq!(owed(&guild, &id, "bob").await, ["3:dm"]);
    guild.add_members(&guild.human("alice"), &id, vec!["dave".into()]).await.unwrap();
    assert_eq!(owed(&guild, &id, "dave").await, Vec::<String>::new());
    post(&guild, "alice", &id, "three").await;
    assert_eq!(owed(&guild, &id, "dave").await, ["4:dm"]);
    guild.guild.remove_member(&guild.human("alice"), &id, &"bob".into()).await.unwrap();
    assert_eq!(owed(&guild, &id, "bob").await, Vec::<String>::new(), "who has left is owed nothing");
}

/// A turn is pending by itself; what a system post asks for is so everywhere.
pub async fn a_turn_is_no_pending_wake_of_its_own_but_a_targeted_post_is(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::Discuss).await;
    post(&guild, "alice", &id, "start").await;
    assert_eq!(owed(&guild, &id, "bob").await, Vec::<String>::new());
    let author = Author::System { wakeup: Some(UserId::new("carol")) };
    let notice = Post::text("look");
    guild.guild.post(&author, &id, notice, None).await.unwrap();
    assert_eq!(owed(&guild, &id, "carol").await, ["2:targeted"]);
    assert_eq!(owed(&guild, &id, "bob").await, Vec::<String>::new());
}
