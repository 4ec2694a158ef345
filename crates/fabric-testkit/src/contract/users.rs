//! What is kept of users.

use fabric_domain::model::{ChannelType, PresenceStatus, Seq};

use super::{Opened, channel, post};

/// Nor past the newest message.
pub async fn a_read_marker_never_moves_back(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    for n in 0..5 {
        post(&guild, "alice", &id, &n.to_string()).await;
    }
    let bob = guild.human("bob");
    for (seq, unread) in [(3, 2), (1, 2), (4, 1), (99, 0)] {
        guild.guild.mark_read(&bob, &id, Seq(seq)).await.unwrap();
        assert_eq!(guild.guild.channel(&bob, &id).await.unwrap().unread_count, unread, "after {seq}");
    }
    assert_eq!(guild.guild.channel(&guild.human("carol"), &id).await.unwrap().unread_count, 5);
}

/// It was an error once.
pub async fn two_first_presence_writes_at_once_both_succeed(on: Opened) {
    let guild = on.guild();
    let bob = guild.human("bob");
    let set = |status| guild.guild.set_presence(&bob, &bob.user_id, status, None);
    let (one, two) = tokio::join!(set(PresenceStatus::Busy), set(PresenceStatus::Busy));
    one.unwrap();
    two.unwrap();
    let id = channel(&guild, ChannelType::Announce).await;
    let (_, members) = guild.guild.members(&bob, &id).await.unwrap();
    let presence: Vec<_> = members.iter().map(|member| member.presence).collect();
    assert_eq!(presence, [PresenceStatus::Unknown, PresenceStatus::Busy, PresenceStatus::Unknown]);
}
