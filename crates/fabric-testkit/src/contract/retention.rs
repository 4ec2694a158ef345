//! What was deleted is erased for good after its time.

use fabric_domain::decisions::Limits;
use fabric_domain::model::{ChannelType, Message};
use fabric_domain::ports::{Clock, ERASED_AT_ONCE};

use super::{ChannelId, Opened, all, channel, post};
use crate::TestGuild;

const DAY: i64 = 24 * 3_600;

async fn edit(guild: &TestGuild, channel: &ChannelId, message: &Message, content: &str) {
    guild.guild.edit(&guild.human("alice"), channel, &message.id, content.to_owned()).await.unwrap();
}

async fn delete(guild: &TestGuild, channel: &ChannelId, message: &Message) {
    guild.guild.delete(&guild.human("alice"), channel, &message.id).await.unwrap();
}

/// What the store still has of a message, whoever may see it.
async fn kept(guild: &TestGuild, message: &Message) -> Vec<String> {
    let revisions = guild.store.revisions(&message.id).await.unwrap();
    revisions.into_iter().map(|revision| revision.content).collect()
}

/// Readers get nothing from the moment of the deletion on; what is stored goes after the retention time, to
/// the second.
pub async fn what_was_deleted_is_out_of_sight_at_once_and_erased_after_its_time(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let (first, second) =
        (post(&guild, "alice", &id, "one").await, post(&guild, "alice", &id, "never edited").await);
    edit(&guild, &id, &first, "two").await;
    delete(&guild, &id, &first).await;
    let bob = guild.human("bob");
    assert_eq!(guild.guild.revisions(&bob, &id, &first.id).await.unwrap(), []);
    assert_eq!(all(&guild, &id).await[0].content, "");
    assert_eq!(kept(&guild, &first).await, ["one", "two"]);

    guild.clock.advance_seconds(DAY);
    delete(&guild, &id, &second).await;
    guild.clock.advance_seconds(29 * DAY - 1);
    assert_eq!(guild.guild.erase_deleted().await.unwrap(), 0);
    assert_eq!(kept(&guild, &first).await, ["one", "two"]);
    guild.clock.advance_seconds(1);
    assert_eq!(guild.guild.erase_deleted().await.unwrap(), 2);
    assert_eq!((kept(&guild, &first).await.len(), kept(&guild, &second).await.len()), (0, 1));

    // Deleting again begins nothing anew.
    delete(&guild, &id, &first).await;
    delete(&guild, &id, &second).await;
    guild.clock.advance_seconds(DAY);
    let guild = guild.restart();
    assert_eq!(guild.guild.erase_deleted().await.unwrap(), 1);
    assert_eq!(kept(&guild, &second).await.len(), 0);
    assert_eq!(guild.guild.erase_deleted().await.unwrap(), 0);
    assert_eq!(all(&guild, &id).await.len(), 2, "the tombstones stay");
}

/// Neither the last text nor former ones.
pub async fn without_a_retention_time_a_deletion_leaves_no_text(on: Opened) {
    let limits = Limits { retention_days: 0, ..Limits::default() };
    let guild = TestGuild::limited(on.store, on.published, limits);
    let id = channel(&guild, ChannelType::General).await;
    let (first, second) = (post(&guild, "alice", &id, "one").await, post(&guild, "alice", &id, "1").await);
    edit(&guild, &id, &first, "two").await;
    edit(&guild, &id, &second, "2").await;
    delete(&guild, &id, &first).await;
    assert_eq!(kept(&guild, &first).await.len(), 0);
    assert_eq!(kept(&guild, &second).await, ["1"]);
}

/// The clock may be far ahead: what was not deleted stays with its history.
pub async fn erasing_goes_in_batches_and_spares_everything_else(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let (doomed, spared) = (post(&guild, "alice", &id, "0").await, post(&guild, "alice", &id, "a").await);
    for n in 1..=ERASED_AT_ONCE {
        edit(&guild, &id, &doomed, &n.to_string()).await;
    }
    edit(&guild, &id, &spared, "b").await;
    delete(&guild, &id, &doomed).await;
    guild.clock.advance_seconds(10_000 * DAY);
    let store = &guild.store;
    let until = guild.clock.now();
    assert_eq!(store.erase_deleted(until).await.unwrap(), ERASED_AT_ONCE);
    assert_eq!(guild.guild.erase_deleted().await.unwrap(), 1);
    assert_eq!(kept(&guild, &doomed).await.len(), 0);
    assert_eq!(kept(&guild, &spared).await, ["a"]);
    assert_eq!(all(&guild, &id).await[1].content, "b");
}
