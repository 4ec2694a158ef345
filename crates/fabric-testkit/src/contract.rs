//! What every store promises, as tests (`fabric_domain::ports::store`).
//!
//! A store's own test calls [`store_contract_tests!`](crate::store_contract_tests) with an expression that opens an empty store; the
//! suite below runs on it unchanged.

// The suite is test code: it fails by panicking.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "contract tests panic when the contract is broken"
)]

pub mod bytes;
mod files;
mod hostile;
mod retention;
mod search;
mod wakes;

use std::sync::Arc;
use std::time::Duration;

use fabric_domain::decisions::{ChannelPatch, ChannelSummary, Commit, CreateChannel, Event, Post};
use fabric_domain::model::{
    Author, Caller, ChannelId, Message, PostOutcome, PresenceStatus, Refusal, Seq, SettingsPatch, UserId,
    XType,
};
use fabric_domain::ports::{Scope, SeqRange, Store};
use fabric_domain::services::{RequestKey, ServiceError};

pub use files::*;
pub use hostile::*;
pub use retention::*;
pub use search::*;
pub use wakes::*;

use crate::{Recorder, TestGuild};

/// Generates one `#[tokio::test]` for each promise of the store ports. The argument is an async function
/// that opens an empty store on a publisher: `(Arc<dyn Store>, anything to keep alive)`.
#[macro_export]
macro_rules! store_contract_tests {
    ($open:expr) => {
        $crate::store_contract_tests!(@ $open;
            what_is_written_is_read_again_to_the_letter,
            a_channel_is_listed_for_those_who_may_see_it,
            seq_is_gapless_under_concurrent_writers_on_one_channel,
            seq_is_gapless_under_concurrent_writers_on_many_channels,
            commits_are_published_in_the_order_of_their_versions,
            what_is_committed_is_published_though_the_caller_has_gone,
            a_refused_decision_writes_nothing,
            a_decision_that_panics_harms_nobody_else,
            one_idempotency_key_gives_one_message_even_when_requests_race,
            an_idempotency_key_belongs_to_its_caller,
            an_idempotency_key_with_another_body_is_refused,
            an_edit_keeps_the_former_text,
            a_deleted_message_stays_as_a_tombstone,
            what_was_deleted_is_out_of_sight_at_once_and_erased_after_its_time,
            without_a_retention_time_a_deletion_leaves_no_text,
            erasing_goes_in_batches_and_spares_everything_else,
            pages_are_ascending_whatever_the_bounds,
            a_page_of_long_messages_is_a_shorter_one,
            members_keep_their_order_and_leave_without_a_trace,
            the_turn_survives_a_restart,
            turns_past_their_deadline_are_found,
            a_read_marker_never_moves_back,
            two_first_presence_writes_at_once_both_succeed,
            a_patch_keeps_the_rest,
            a_megabyte_of_hostile_text_comes_back_as_it_went_in,
            users_whose_ids_look_alike_are_different_users,
            idempotency_keys_that_look_alike_are_different_keys,
            the_longest_ids_and_names_fit,
            a_wake_is_owed_until_it_is_settled,
            an_answer_settles_and_a_new_member_is_owed_nothing_of_before,
            a_turn_is_no_debt_of_its_own_but_a_targeted_post_is,
            attachments_are_shown_wherever_the_message_is,
            only_own_files_that_are_kept_can_be_attached,
            a_deleted_message_lets_go_of_its_files,
            files_expire_and_messages_keep_what_they_were,
            a_quota_holds_however_many_come_at_once,
            a_file_is_there_once_and_goes_once,
            a_file_that_is_attached_just_now_is_not_swept,
            without_a_time_to_live_attached_files_stay,
            a_message_is_found_by_its_words_as_soon_as_it_is_acknowledged,
            only_what_one_may_read_is_found,
            a_search_may_be_for_one_channel_and_one_author,
            an_edit_is_found_by_its_new_words_and_a_deletion_by_none,
            pages_of_hits_go_on_where_they_were,
            whatever_is_typed_is_words,
            a_message_of_a_megabyte_is_found,
            a_reader_of_hundreds_of_channels_finds_what_others_do,
            what_is_written_at_once_is_all_found,
        );
    };
    (@ $open:expr; $($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let published = std::sync::Arc::new($crate::Recorder::default());
                let (store, _keep) = $open(std::sync::Arc::clone(&published) as _).await;
                $crate::contract::$name($crate::contract::Opened { store, published }).await;
            }
        )*
    };
}

/// An empty store under test, and what it publishes.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its publisher.
    pub published: Arc<Recorder>,
}

impl Opened {
    fn guild(self) -> TestGuild {
        TestGuild::on(self.store, self.published)
    }
}

/// A private channel of alice with bob and carol.
async fn channel(guild: &TestGuild, x_type: XType) -> ChannelId {
    let alice = guild.human("alice");
    created(guild, &alice, x_type, &["bob", "carol"]).await.channel.id
}

async fn created(guild: &TestGuild, creator: &Caller, x_type: XType, members: &[&str]) -> ChannelSummary {
    let new = CreateChannel {
        members: members.iter().map(|id| UserId::new(*id)).collect(),
        purpose: Some("to\tthe letter".to_owned()),
        settings: SettingsPatch { autonomy_budget: Some(7), ..SettingsPatch::default() },
        ..CreateChannel::new("Raum für  Ideen 🧵 ", x_type)
    };
    guild.guild.create_channel(creator, new).await.unwrap()
}

async fn post(guild: &TestGuild, user: &str, channel: &ChannelId, content: &str) -> Message {
    match try_post(guild, user, channel, content, None).await.unwrap() {
        PostOutcome::Message(message) => *message,
        PostOutcome::Command(outcome) => panic!("a command: {outcome:?}"),
    }
}

async fn try_post(
    guild: &TestGuild,
    user: &str,
    channel: &ChannelId,
    content: &str,
    key: Option<&str>,
) -> Result<PostOutcome, ServiceError> {
    let author = Author::User(guild.human(user));
    let key = key.map(|key| RequestKey::parse(key).unwrap());
    guild.guild.post(&author, channel, Post::text(content), key).await
}

async fn all(guild: &TestGuild, channel: &ChannelId) -> Vec<Message> {
    guild.guild.ports().store.page(channel, SeqRange { from: Some(Seq(1)), to: None }, 10_000).await.unwrap()
}

fn assert_gapless(messages: &[Message], expected: usize) {
    let seqs: Vec<u64> = messages.iter().map(|message| message.seq.0).collect();
    assert_eq!(seqs, (1..=expected as u64).collect::<Vec<_>>());
}

/// Text, ids and settings come back as they went in.
pub async fn what_is_written_is_read_again_to_the_letter(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::General).await;
    let long = "ä🧵\u{200b}'\"\\%_`\r\n ".repeat(60_000);
    let mut written = Vec::new();
    for content in ["x", "  spaces  ", "<@bob> 'quoted' \"twice\" \\ %_;--", "👩‍👩‍👧‍👦 \u{202e} e\u{301}", &long]
    {
        written.push(post(&guild, "alice", &id, content).await);
        assert_eq!(written.last().unwrap().content, content);
    }
    assert_eq!(all(&guild, &id).await, written);

    let stored = guild.guild.ports().store.load(&id).await.unwrap().unwrap();
    assert_eq!(stored.channel.name, "Raum für  Ideen 🧵 ");
    assert_eq!(stored.channel.purpose.as_deref(), Some("to\tthe letter"));
    assert_eq!(stored.channel.settings.autonomy_budget, 7);
    assert_eq!(stored.channel.last_seq, Seq(5));
}

/// Public ones and the user's own; ids that differ only in case or trailing space are different users.
pub async fn a_channel_is_listed_for_those_who_may_see_it(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::General).await;
    for (user, listed) in [("alice", 1), ("bob", 1), ("Bob", 0), ("bob ", 0), ("dave", 0)] {
        assert_eq!(guild.guild.channels(&guild.human(user)).await.unwrap().len(), listed, "{user:?}");
    }
    let row = &guild.guild.channels(&guild.human("bob")).await.unwrap()[0];
    assert_eq!((row.channel.id.clone(), row.member_count, row.is_member), (id, 3, true));
}

async fn race(guild: Arc<TestGuild>, channels: &[ChannelId], writers: usize, each: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..writers {
        let (guild, channel) = (Arc::clone(&guild), channels[writer % channels.len()].clone());
        tasks.spawn(async move {
            for n in 0..each {
                let user = ["alice", "bob", "carol"][(writer + n) % 3];
                post(&guild, user, &channel, &format!("{writer}/{n}")).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// 64 writers on one `discuss` channel.
pub async fn seq_is_gapless_under_concurrent_writers_on_one_channel(on: Opened) {
    let guild = Arc::new(on.guild());
    let id = channel(&guild, XType::Discuss).await;
    race(Arc::clone(&guild), std::slice::from_ref(&id), 64, 8).await;
    let messages = all(&guild, &id).await;
    assert_gapless(&messages, 64 * 8);
    let mut contents: Vec<_> = messages.into_iter().map(|message| message.content).collect();
    contents.sort();
    contents.dedup();
    assert_eq!(contents.len(), 64 * 8, "no message is lost or doubled");
}

/// 64 writers on 64 channels.
pub async fn seq_is_gapless_under_concurrent_writers_on_many_channels(on: Opened) {
    let guild = Arc::new(on.guild());
    let mut ids = Vec::new();
    for _ in 0..64 {
        ids.push(channel(&guild, XType::Discuss).await);
    }
    race(Arc::clone(&guild), &ids, 64, 8).await;
    for id in &ids {
        assert_gapless(&all(&guild, id).await, 8);
    }
}

/// Without gaps, and messages in the order of their seq.
pub async fn commits_are_published_in_the_order_of_their_versions(on: Opened) {
    let guild = Arc::new(on.guild());
    let id = channel(&guild, XType::Discuss).await;
    race(Arc::clone(&guild), std::slice::from_ref(&id), 8, 8).await;
    let commits = guild.published.take();
    let versions: Vec<u64> = commits.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, (1..=65).collect::<Vec<_>>());
    assert_eq!(
        created_seqs(&commits),
        (1..=64).collect::<Vec<_>>(),
        "messages are committed in the order of their seq"
    );
}

/// A client that hangs up takes neither its message nor the message's delivery with it.
pub async fn what_is_committed_is_published_though_the_caller_has_gone(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::General).await;
    guild.published.take();
    for n in 0..20 {
        // Polled once, then dropped.
        let _ = tokio::time::timeout(Duration::ZERO, post(&guild, "alice", &id, &n.to_string())).await;
    }
    let last = post(&guild, "alice", &id, "last").await;
    let stored: Vec<u64> = all(&guild, &id).await.iter().map(|message| message.seq.0).collect();
    let published: Vec<u64> = created_seqs(&guild.published.take());
    assert_eq!(published, stored);
    assert_eq!(last.seq.0, stored.len() as u64);
}

fn created_seqs(commits: &[Commit]) -> Vec<u64> {
    commits
        .iter()
        .flat_map(|commit| &commit.events)
        .filter_map(|event| {
            if let Event::MessageCreated { message, .. } = event { Some(message.seq.0) } else { None }
        })
        .collect()
}

/// Neither a message nor a version nor an event.
pub async fn a_refused_decision_writes_nothing(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::Discuss).await;
    guild.guild.close_channel(&guild.human("bob"), &id).await.unwrap();
    let before = guild.guild.ports().store.load(&id).await.unwrap();
    guild.published.take();
    for user in ["alice", "dave"] {
        let refused = try_post(&guild, user, &id, "late", Some("key")).await.unwrap_err();
        let expected = if user == "alice" { Refusal::ChannelClosed } else { Refusal::ChannelNotFound };
        assert!(matches!(refused, ServiceError::Refused(refusal) if refusal == expected));
    }
    assert_eq!(guild.guild.ports().store.load(&id).await.unwrap(), before);
    assert_eq!(guild.published.take(), []);
}

/// A bug is one request's misfortune.
pub async fn a_decision_that_panics_harms_nobody_else(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::General).await;
    let store = Arc::clone(&guild.guild.ports().store);
    let scope = Scope::channel(&id);
    let failed = tokio::spawn(async move { store.update(scope, Arc::new(|_| panic!("a bug"))).await }).await;
    assert!(!matches!(failed, Ok(Ok(_))), "nothing was decided");
    post(&guild, "alice", &id, "life goes on").await;
}

/// Sixteen at once.
pub async fn one_idempotency_key_gives_one_message_even_when_requests_race(on: Opened) {
    let guild = Arc::new(on.guild());
    let id = channel(&guild, XType::Discuss).await;
    guild.published.take();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (guild, id) = (Arc::clone(&guild), id.clone());
        tasks.spawn(async move { try_post(&guild, "alice", &id, "once", Some("k")).await.unwrap() });
    }
    let mut answers = Vec::new();
    while let Some(answer) = tasks.join_next().await {
        answers.push(answer.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "the same key gives the same answer");
    assert_eq!(all(&guild, &id).await.len(), 1);
    assert_eq!(guild.published.take().len(), 1, "nothing is delivered twice");

    let guild = Arc::into_inner(guild).unwrap().restart();
    let again = try_post(&guild, "alice", &id, "once", Some("k")).await.unwrap();
    assert_eq!(again, answers[0], "the answer survives a restart");
}

/// And to its route: the same key elsewhere is another request.
pub async fn an_idempotency_key_belongs_to_its_caller(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::General).await;
    let other = channel(&guild, XType::General).await;
    for (user, channel) in [("alice", &id), ("bob", &id), ("alice", &other)] {
        try_post(&guild, user, channel, "hi", Some("k")).await.unwrap();
    }
    assert_eq!((all(&guild, &id).await.len(), all(&guild, &other).await.len()), (2, 1));
}

/// 422, and nothing written.
pub async fn an_idempotency_key_with_another_body_is_refused(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::General).await;
    try_post(&guild, "alice", &id, "first", Some("k")).await.unwrap();
    let refused = try_post(&guild, "alice", &id, "second", Some("k")).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Refused(Refusal::IdempotencyKeyReused)));
    assert_eq!(all(&guild, &id).await.len(), 1);
}

/// Oldest first.
pub async fn an_edit_keeps_the_former_text(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::General).await;
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
    let id = channel(&guild, XType::General).await;
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
    let id = channel(&guild, XType::General).await;
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
        let page = guild.guild.ports().store.page(&id, range, limit).await.unwrap();
        let seqs: Vec<u64> = page.iter().map(|message| message.seq.0).collect();
        assert_eq!(seqs, expected, "{range:?} limit {limit}");
    }
}

/// Whoever reads slowly must not have hundreds of megabytes held for them.
pub async fn a_page_of_long_messages_is_a_shorter_one(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::General).await;
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

/// Order of arrival; leaving takes the wake mapping and the place in the turn.
pub async fn members_keep_their_order_and_leave_without_a_trace(on: Opened) {
    let guild = on.guild();
    let alice = guild.human("alice");
    let id = created(&guild, &alice, XType::Triage, &["bob"]).await.channel.id;
    guild.guild.add_members(&alice, &id, vec!["dave".into(), "carol".into()]).await.unwrap();
    guild.guild.set_wake_mapping(&alice, &id, vec!["bob".into(), "erin".into()]).await.unwrap();
    guild.guild.remove_member(&alice, &id, &"bob".into()).await.unwrap();
    guild.guild.add_members(&alice, &id, vec!["bob".into()]).await.unwrap();
    let stored = guild.guild.ports().store.load(&id).await.unwrap().unwrap();
    let members: Vec<_> = stored.members.iter().map(|m| (m.user_id.as_str(), m.wake_mapped)).collect();
    assert_eq!(
        members,
        [("alice", false), ("dave", false), ("carol", false), ("erin", true), ("bob", false)]
    );
}

/// Frames, round and streak included.
pub async fn the_turn_survives_a_restart(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::Discuss).await;
    post(&guild, "alice", &id, "start").await;
    post(&guild, "bob", &id, "what does <@alice> think?").await;
    let before = guild.guild.ports().store.load(&id).await.unwrap().unwrap().turn.unwrap();
    assert_eq!(before.state.active().unwrap().as_str(), "alice");
    assert_eq!(before.state.frames().len(), 1);
    let guild = guild.restart();
    let after = guild.guild.ports().store.load(&id).await.unwrap().unwrap().turn.unwrap();
    assert_eq!(after, before);
    post(&guild, "alice", &id, "a lot").await;
    let turn = guild.guild.turn(&guild.human("bob"), &id).await.unwrap();
    assert_eq!(turn.state.active().unwrap().as_str(), "bob");
}

/// Whether they are due is a matter of the second; closed and idle channels are never.
pub async fn turns_past_their_deadline_are_found(on: Opened) {
    let guild = on.guild();
    let (first, second) = (channel(&guild, XType::Discuss).await, channel(&guild, XType::Work).await);
    let closed = channel(&guild, XType::Discuss).await;
    channel(&guild, XType::Discuss).await;
    for id in [&first, &closed] {
        post(&guild, "alice", id, "start").await;
    }
    guild.clock.advance_seconds(10);
    post(&guild, "alice", &second, "start").await;
    guild.guild.close_channel(&guild.human("alice"), &closed).await.unwrap();
    let store = Arc::clone(&guild.guild.ports().store);
    for (after, due) in [(889, vec![]), (890, vec![first.clone()]), (900, vec![first, second])] {
        let now = guild.guild.ports().clock.now().plus_seconds(after);
        assert_eq!(store.due_turns(now).await.unwrap(), due, "after {after} s");
    }
}

/// Nor past the newest message.
pub async fn a_read_marker_never_moves_back(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::General).await;
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
    let id = channel(&guild, XType::Announce).await;
    let stored = guild.guild.ports().store.load(&id).await.unwrap().unwrap();
    let presence: Vec<_> = stored.members.iter().map(|member| member.presence).collect();
    assert_eq!(presence, [PresenceStatus::Unknown, PresenceStatus::Busy, PresenceStatus::Unknown]);
}

/// A patch of a purpose keeps the rest; kept here because every store must write the whole row.
pub async fn a_patch_keeps_the_rest(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, XType::Discuss).await;
    let patch = ChannelPatch { purpose: Some(String::new()), ..ChannelPatch::default() };
    let row = guild.guild.patch_channel(&guild.human("bob"), &id, patch).await.unwrap();
    assert_eq!((row.channel.purpose, row.channel.settings.autonomy_budget), (None, 7));
    assert!(row.turn.is_some());
}
