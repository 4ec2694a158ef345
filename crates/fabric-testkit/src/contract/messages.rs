//! Messages, their former texts, and pages of them.

use fabric_domain::model::{ChannelType, Seq};
use fabric_domain::ports::SeqRange;

use super::{Opened, all, assert_gapless, channel, post};

/// Oldest first.
pub async fn an_edit_keeps_the_former_text(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let message = post(&guild, "alice", &id, "one").await;
    let alice = guild.human("alice");
    for text in ["two", "three"] {
        guild.clock.advance_seconds(1);
        guild.guild.edit(&alice, &id, &message.id, text.to_owned()).await.unwrap();
    }
    let revisions = guild.guild.revisions(&alice, &id, &message.id).await.unwrap();
    let texts: Vec<_> = revisions.iter().map(|revision| revision.content.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    assert_eq!(all(&guild, &id).await[0].content, "three");
}

/// So seq has no gaps.
pub async fn a_deleted_message_stays_as_a_tombstone(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let first = post(&guild, "alice", &id, "secret <@bob>").await;
    post(&guild, "alice", &id, "next").await;
    guild.guild.delete(&guild.human("alice"), &id, &first.id).await.unwrap();
    let messages = all(&guild, &id).await;
    assert_gapless(&messages, 2);
    assert!(messages[0].deleted_at.is_some());
    assert_eq!((messages[0].content.as_str(), messages[0].mentions.len()), ("", 0));
}

/// Forward from a bound, back from the newest.
pub async fn pages_are_ascending_whatever_the_bounds(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    for n in 1..=9 {
        post(&guild, "alice", &id, &n.to_string()).await;
    }
    let table = [
        (None, None, 3, vec![7, 8, 9]),
        (None, Some(5), 3, vec![3, 4, 5]),
        (Some(2), None, 3, vec![2, 3, 4]),
        (Some(2), Some(3), 9, vec![2, 3]),
        (Some(4), Some(3), 9, vec![]),
        (Some(10), None, 9, vec![]),
        (None, None, 50, (1..=9).collect()),
    ];
    for (from, to, limit, expected) in table {
        let range = SeqRange { from: from.map(Seq), to: to.map(Seq) };
        let page = guild.store.page(&id, range, limit).await.unwrap();
        let seqs: Vec<u64> = page.iter().map(|message| message.seq.0).collect();
        assert_eq!(seqs, expected, "{range:?} limit {limit}");
    }
}

/// Whoever reads slowly must not have hundreds of megabytes held for them.
pub async fn a_page_of_long_messages_is_a_shorter_one(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    for n in 1..=10 {
        post(&guild, "alice", &id, &(n % 10).to_string().repeat(900_000)).await;
    }
    let alice = guild.human("alice");
    // Nine times 900,000 bytes are less than eight megabytes.
    let table =
        [(Some(1), 1..=9, true), (Some(9), 9..=10, false), (Some(10), 10..=10, false), (None, 2..=10, true)];
    for (from, expected, more) in table {
        let range = SeqRange { from: from.map(Seq), to: None };
        let page = guild.guild.messages(&alice, &id, range, 50).await.unwrap();
        let seqs: Vec<u64> = page.messages.iter().map(|message| message.seq.0).collect();
        assert_eq!((seqs, page.has_more), (expected.collect(), more), "{range:?}");
    }
}
