//! What every store promises, as tests (`fabric_domain::ports::store`).
//!
//! A store's own test calls [`store_contract_tests!`](crate::store_contract_tests) with an expression that opens an
//! empty store; the suite below runs on it unchanged.

// The suite is test code: it fails by panicking.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "contract tests panic when the contract is broken"
)]

pub mod bytes;
mod channels;
mod commits;
mod files;
mod hostile;
mod messages;
mod retention;
mod search;
mod users;
mod wakes;

use std::sync::Arc;

use fabric_domain::decisions::{ChannelSummary, CreateChannel, Post};
use fabric_domain::model::{
    Author, Caller, ChannelId, ChannelType, Message, PostOutcome, Seq, SettingsPatch, UserId,
};
use fabric_domain::ports::{SeqRange, Store};
use fabric_domain::services::{RequestKey, ServiceError};

pub use channels::*;
pub use commits::*;
pub use files::*;
pub use hostile::*;
pub use messages::*;
pub use retention::*;
pub use search::*;
pub use users::*;
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
            a_user_comes_to_a_channel_as_it_is,
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
            a_turn_is_no_pending_wake_of_its_own_but_a_targeted_post_is,
            attachments_are_shown_wherever_the_message_is,
            only_own_files_that_are_kept_can_be_attached,
            a_deleted_message_lets_go_of_its_files,
            files_expire_and_messages_keep_what_they_were,
            a_quota_holds_however_many_come_at_once,
            a_file_is_there_once_and_goes_once,
            a_file_that_is_attached_just_now_is_not_swept,
            without_a_time_to_live_attached_files_stay,
        );
        $crate::search_contract_tests!($open);
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

/// The part of [`store_contract_tests!`](crate::store_contract_tests) that is about searching, for stores which have
/// more than one state to be searched in.
#[macro_export]
macro_rules! search_contract_tests {
    ($open:expr) => {
        $crate::store_contract_tests!(@ $open;
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
async fn channel(guild: &TestGuild, channel_type: ChannelType) -> ChannelId {
    let alice = guild.human("alice");
    created(guild, &alice, channel_type, &["bob", "carol"]).await.channel.id
}

async fn created(
    guild: &TestGuild,
    creator: &Caller,
    channel_type: ChannelType,
    members: &[&str],
) -> ChannelSummary {
    let new = CreateChannel {
        members: members.iter().map(|id| UserId::new(*id)).collect(),
        purpose: Some("to\tthe letter".to_owned()),
        settings: SettingsPatch { autonomy_budget: Some(7), ..SettingsPatch::default() },
        ..CreateChannel::new("Raum für  Ideen 🧵 ", channel_type)
    };
    guild.create_channel(creator, new).await.unwrap()
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
    guild.store.page(channel, SeqRange { from: Some(Seq(1)), to: None }, 10_000).await.unwrap()
}

fn assert_gapless(messages: &[Message], expected: usize) {
    let seqs: Vec<u64> = messages.iter().map(|message| message.seq.0).collect();
    assert_eq!(seqs, (1..=expected as u64).collect::<Vec<_>>());
}
