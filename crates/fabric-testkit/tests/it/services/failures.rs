//! What the use cases make of failures that the in-memory adapters never have: a store that cannot commit, or asks
//! twice, bytes without room, a Center that goes away in the middle.

use std::sync::Arc;

use fabric_domain::decisions::{ChannelAggregate, ChannelView, CreateChannel, Limits, Post, channels};
use fabric_domain::model::{
    Author, Caller, ChannelId, ChannelType, File, FileId, FileName, GuildId, MediaType, Message, MessageId,
    PostOutcome, Refusal, Shelf, Timestamp, Usage, UserId, UserKind,
};
use fabric_domain::ports::{
    AddFileError, BytesError, CenterError, Draft, MockDraft, MockFileBytes, MockIdentityCenter, MockStore,
    StoreError, UpdateError,
};
use fabric_domain::rules::turn::{Input, Seed};
use fabric_domain::services::{Guild, Health, Ports, ServiceError, Upload};
use fabric_testkit::{NobodyConnected, TestClock, TestIds};
use mockall::Sequence;

/// What a guild of a test stands on; what is not told beforehand must not be called.
#[derive(Default)]
struct Parts {
    store: MockStore,
    files: MockFileBytes,
    center: MockIdentityCenter,
    limits: Limits,
}

impl Parts {
    fn guild(self) -> Guild {
        let ports = Ports {
            store: Arc::new(self.store),
            files: Arc::new(self.files),
            center: Arc::new(self.center),
            connected: Arc::new(NobodyConnected),
            clock: Arc::new(TestClock::default()),
            ids: Arc::new(TestIds::default()),
        };
        Guild::new(GuildId::new("guild"), self.limits, ports)
    }

    /// A Center that answers, and has no admin.
    fn without_admin(mut self) -> Self {
        self.center.expect_admin().returning(|| None);
        self
    }
}

fn alice() -> Caller {
    Caller { user_id: "alice".into(), kind: UserKind::Human }
}

fn room(channel_type: ChannelType, members: &[&str]) -> ChannelAggregate {
    let mut new = CreateChannel::new("room", channel_type);
    new.members = members.iter().map(UserId::new).collect();
    let new = channels::create(&"guild".into(), "room".into(), &"alice".into(), new, Timestamp(0));
    new.into()
}

/// A private channel as somebody comes to it.
fn seen(is_member: bool) -> ChannelView {
    ChannelView { channel: room(ChannelType::General, &[]).channel, turn: None, is_member }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("gone".to_owned())
}

async fn post(guild: &Guild, content: &str) -> Result<PostOutcome, ServiceError> {
    guild.post(&Author::User(alice()), &"room".into(), Post::text(content), None).await
}

fn message(outcome: Result<PostOutcome, ServiceError>) -> Message {
    match outcome {
        Ok(PostOutcome::Message(message)) => *message,
        other => panic!("no message: {other:?}"),
    }
}

#[tokio::test]
async fn a_post_that_could_not_be_committed_is_no_success() {
    let mut parts = Parts::default().without_admin();
    parts.store.expect_update().times(1).returning(|_, decide| {
        decide(&room(ChannelType::General, &[])).expect("a decision");
        Err(UpdateError::Store(unavailable()))
    });
    let outcome = post(&parts.guild(), "hello").await;
    assert!(matches!(outcome, Err(ServiceError::Store(StoreError::Unavailable(_)))), "{outcome:?}");
}

#[tokio::test]
async fn a_store_that_asks_again_gets_the_same_message_in_its_new_place() {
    let mut parts = Parts::default().without_admin();
    parts.store.expect_update().times(1).returning(|_, decide| {
        let mut channel = room(ChannelType::Discuss, &["bob", "carol"]);
        let first = decide(&channel).expect("a decision");
        assert_eq!(decide(&channel), Ok(first.clone()), "nothing but the channel counts");
        // Somebody else was quicker.
        channel.channel.last_seq = channel.channel.last_seq.next();
        let second = decide(&channel).expect("another decision");
        let (one, other) =
            (first.new_message.expect("a message"), second.new_message.clone().expect("a message"));
        assert_eq!((other.id, other.created_at, other.seq), (one.id, one.created_at, one.seq.next()));
        Ok(second)
    });
    assert_eq!(message(post(&parts.guild(), "hello").await).seq.0, 2);
}

#[tokio::test]
async fn a_channel_that_cannot_be_written_keeps_no_other_speaker_waiting() {
    let mut parts = Parts::default();
    let due = || Ok(["first", "broken", "last"].map(ChannelId::new).to_vec());
    parts.store.expect_due_turns().times(1).returning(move |_| due());
    parts.store.expect_update().times(3).returning(|scope, decide| {
        if scope.channel.as_str() == "broken" {
            return Err(UpdateError::Store(unavailable()));
        }
        let mut channel = room(ChannelType::Discuss, &["bob"]);
        let turn = channel.turn.as_mut().expect("a turn");
        let input = Input::Message { author: "alice".into(), mentioned: Vec::new(), turn: None };
        turn.state.apply(&input, Seed(1));
        turn.deadline = Some(Timestamp(0));
        let change = decide(&channel).map_err(UpdateError::Refused)?;
        assert!(change.turn.is_some(), "skipped");
        Ok(change)
    });
    let skipped = parts.guild().expire_turns().await;
    assert!(
        matches!(skipped, Err(ServiceError::Store(StoreError::Unavailable(_)))),
        "and it is told: {skipped:?}"
    );
}

#[tokio::test]
async fn a_deletion_holds_though_the_text_could_not_be_erased() {
    let mut parts = Parts::default().without_admin();
    parts.limits.retention_days = 0;
    parts.store.expect_update().times(1).returning(|_, decide| {
        let mut channel = room(ChannelType::General, &[]);
        let written = decided_message(&channel);
        channel.message = Some(written);
        decide(&channel).map_err(UpdateError::Refused)
    });
    parts.store.expect_erase_deleted().times(1).returning(|_| Err(unavailable()));
    let tombstone = parts.guild().delete(&alice(), &"room".into(), &"m".into()).await.expect("deleted");
    assert!(tombstone.deleted_at.is_some() && tombstone.content.is_empty());
}

/// A message of alice's in this channel.
fn decided_message(channel: &ChannelAggregate) -> Message {
    Message {
        id: MessageId::new("m"),
        channel_id: channel.channel.id.clone(),
        guild_id: channel.channel.guild_id.clone(),
        seq: channel.channel.last_seq.next(),
        author: "alice".into(),
        content: "a secret".to_owned(),
        mentions: Vec::new(),
        attachments: Vec::new(),
        reply_to: None,
        created_at: Timestamp(0),
        edited_at: None,
        deleted_at: None,
        ack: None,
    }
}

#[tokio::test]
async fn names_stay_as_typed_when_center_goes_away_before_it_is_asked_for_them() {
    let mut parts = Parts::default().without_admin();
    parts.store.expect_view().returning(|_, _| Ok(Some(seen(true))));
    let gone = || Err(CenterError::Unavailable("gone".to_owned()));
    parts.center.expect_resolve_names().times(1).returning(move |_| gone());
    parts
        .store
        .expect_update()
        .times(1)
        .returning(|_, decide| decide(&room(ChannelType::General, &["bob"])).map_err(UpdateError::Refused));
    let posted = message(post(&parts.guild(), "<@user.name:Bob> look").await);
    assert_eq!(
        (posted.content.as_str(), posted.mentions.as_slice()),
        ("<@user.name:Bob> look", [].as_slice())
    );
}

#[tokio::test]
async fn a_stranger_cannot_have_center_asked_for_names() {
    let mut parts = Parts::default().without_admin();
    parts.store.expect_view().times(1).returning(|_, _| Ok(Some(seen(false))));
    let outcome = post(&parts.guild(), "<@user.name:Bob> look").await;
    assert!(matches!(outcome, Err(ServiceError::Refused(Refusal::ChannelNotFound))), "{outcome:?}");
}

#[tokio::test]
async fn a_bad_token_is_told_from_a_center_that_does_not_answer() {
    let mut parts = Parts::default();
    parts.center.expect_introspect().returning(|token| match token {
        "bad" => Ok(None),
        _ => Err(CenterError::Unavailable("gone".to_owned())),
    });
    let guild = parts.guild();
    assert!(matches!(guild.identify("bad").await, Err(ServiceError::Refused(Refusal::InvalidToken))));
    assert!(matches!(guild.identify("good").await, Err(ServiceError::Center(_))));
}

#[tokio::test]
async fn a_guild_is_ready_when_both_answer() {
    for (store, center) in [(true, true), (true, false), (false, true)] {
        let mut parts = Parts::default();
        parts.store.expect_ping().returning(move || if store { Ok(()) } else { Err(unavailable()) });
        parts.center.expect_members().returning(move || {
            if center { Ok([].into()) } else { Err(CenterError::Unavailable("gone".to_owned())) }
        });
        let health = parts.guild().health().await;
        assert_eq!(health, Health { store, center });
        assert_eq!(health.is_ready(), store && center);
    }
}

/// A draft that takes everything, and then is complete, or not.
fn draft(complete: Result<(), BytesError>) -> Box<dyn Draft> {
    let mut draft = MockDraft::new();
    draft.expect_write().returning(|_| Ok(()));
    draft.expect_complete().return_once(move || complete);
    Box::new(draft)
}

/// Uploads three bytes; `add` is what the store says to the row.
async fn upload(mut parts: Parts, complete: Result<(), BytesError>) -> Result<File, ServiceError> {
    parts.store.expect_file_usage().returning(|_| Ok(Usage::default()));
    parts.files.expect_begin().return_once(move |_| Ok(draft(complete)));
    let guild = parts.guild();
    let begun = guild.begin_upload(&alice(), FileName::sanitise("a.txt"), MediaType::default(), 3).await;
    let mut upload: Upload = begun.expect("begun");
    upload.write("abc".into()).await.expect("written");
    guild.finish_upload(upload).await
}

#[tokio::test]
async fn bytes_without_room_get_no_row() {
    // `add_file` is not expected, and so must not be called.
    let outcome = upload(Parts::default(), Err(BytesError::Full("no space".to_owned()))).await;
    assert!(matches!(outcome, Err(ServiceError::Files(BytesError::Full(_)))), "{outcome:?}");
}

#[tokio::test]
async fn a_refused_row_takes_its_bytes_with_it_and_one_that_may_be_there_keeps_them() {
    let mut refused = Parts::default();
    let refuse = || Err(AddFileError::Refused(Refusal::GuildQuotaExceeded));
    refused.store.expect_add_file().times(1).returning(move |_, _| refuse());
    refused.files.expect_remove().times(1).returning(|_| Ok(()));
    let outcome = upload(refused, Ok(())).await;
    assert!(matches!(outcome, Err(ServiceError::Refused(Refusal::GuildQuotaExceeded))), "{outcome:?}");

    let mut unknown = Parts::default();
    unknown.store.expect_add_file().times(1).returning(|_, _| Err(AddFileError::Store(unavailable())));
    unknown.files.expect_remove().never();
    let outcome = upload(unknown, Ok(())).await;
    assert!(matches!(outcome, Err(ServiceError::Store(StoreError::Unavailable(_)))), "{outcome:?}");
}

#[tokio::test]
async fn a_file_loses_its_row_before_its_bytes_and_keeps_them_when_the_row_stays() {
    let expired = |id: &str| File {
        id: FileId::new(id),
        name: FileName::sanitise("a.txt"),
        mime: MediaType::default(),
        size: 3,
        sha256: String::new(),
        uploader: "alice".into(),
        created_at: Timestamp(0),
        shelf: Shelf::Loose(Timestamp(0)),
    };
    let mut parts = Parts::default();
    let mut order = Sequence::new();
    let files = vec![expired("gone"), expired("kept")];
    parts.store.expect_expired_files().times(1).in_sequence(&mut order).return_once(move |_, _, _| Ok(files));
    parts.store.expect_remove_file().times(1).in_sequence(&mut order).returning(|_| Ok(()));
    parts.store.expect_file().times(1).in_sequence(&mut order).returning(|_| Ok(None));
    parts.files.expect_remove().times(1).in_sequence(&mut order).returning(|_| Ok(()));
    // The second row cannot be removed: its bytes stay, and the sweep says why.
    parts.store.expect_remove_file().times(1).in_sequence(&mut order).returning(|_| Err(unavailable()));
    let swept = parts.guild().expire_files().await;
    assert!(matches!(swept, Err(ServiceError::Store(StoreError::Unavailable(_)))), "{swept:?}");
}
