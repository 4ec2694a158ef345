//! Files: rows, sums, and what messages keep.

use bytes::Bytes;
use fabric_domain::decisions::{Event, Limits, Post};
use fabric_domain::model::{
    Attachment, Author, ChannelId, ChannelType, File, FileId, FileName, FileRules, MediaType, Message,
    PostOutcome, Quota, Refusal, Shelf, Timestamp, Usage,
};
use fabric_domain::ports::{AddFileError, SeqRange, Store};
use fabric_domain::services::{RequestKey, ServiceError};

use super::{Opened, channel};
use crate::TestGuild;

/// A file of alice's as the store would be given it.
fn file(id: &str, uploader: &str, size: u64) -> File {
    let at = Timestamp(1_800_000_000_000);
    File {
        id: id.into(),
        name: FileName::sanitise("Plan für 🧵.pdf"),
        mime: MediaType::read("application/pdf"),
        size,
        sha256: "ab".repeat(32),
        uploader: uploader.into(),
        created_at: at,
        shelf: Shelf::Loose(at),
    }
}

async fn uploaded(guild: &TestGuild, user: &str, name: &str) -> File {
    let caller = guild.human(user);
    let (name, mime) = (FileName::sanitise(name), MediaType::read("image/png"));
    let mut upload = guild.guild.begin_upload(&caller, name, mime, 0).await.unwrap();
    upload.write(Bytes::from_static(b"some ")).await.unwrap();
    upload.write(Bytes::from_static(b"bytes")).await.unwrap();
    guild.guild.finish_upload(upload).await.unwrap()
}

async fn post(
    guild: &TestGuild,
    user: &str,
    channel: &ChannelId,
    files: &[&File],
    key: Option<&str>,
) -> Result<Message, ServiceError> {
    let post = Post { attachments: files.iter().map(|file| file.id.clone()).collect(), ..Post::default() };
    let key = key.map(|key| RequestKey::parse(key).unwrap());
    match guild.guild.post(&Author::User(guild.human(user)), channel, post, key).await? {
        PostOutcome::Message(message) => Ok(*message),
        PostOutcome::Command(outcome) => panic!("a command: {outcome:?}"),
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> &'static str {
    match result {
        Err(ServiceError::Refused(refusal)) => refusal.code(),
        other => panic!("not refused: {other:?}"),
    }
}

fn names(message: &Message) -> Vec<&str> {
    message.attachments.iter().map(|kept| kept.name.as_str()).collect()
}

/// Page, single message, event, and the answer to a retry: everywhere the same, in the order of the post.
pub async fn attachments_are_shown_wherever_the_message_is(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let (b, a) = (uploaded(&guild, "alice", "b.png").await, uploaded(&guild, "alice", "a.png").await);
    guild.published.take();
    let posted = post(&guild, "alice", &id, &[&b, &a], Some("k")).await.unwrap();
    assert_eq!(names(&posted), ["b.png", "a.png"]);
    assert_eq!(posted.attachments[0], b.attachment());
    let events: Vec<Event> = guild.published.take().into_iter().flat_map(|commit| commit.events).collect();
    assert!(matches!(&events[0], Event::MessageCreated { message, .. } if *message == posted), "{events:?}");
    let store = &guild.store;
    assert_eq!(store.message(&id, &posted.id).await.unwrap().as_ref(), Some(&posted));
    assert_eq!(store.page(&id, SeqRange::default(), 10).await.unwrap(), std::slice::from_ref(&posted));
    assert_eq!(post(&guild, "alice", &id, &[&b, &a], Some("k")).await.unwrap(), posted);
    // Other files are another request.
    assert_eq!(code(post(&guild, "alice", &id, &[&b], Some("k")).await), "idempotency_key_reused");

    let edited = guild.guild.edit(&guild.human("alice"), &id, &posted.id, "now with words".to_owned()).await;
    assert_eq!(edited.unwrap().attachments, posted.attachments);
    let stored = store.message(&id, &posted.id).await.unwrap().unwrap();
    assert_eq!((stored.content.as_str(), &stored.attachments), ("now with words", &posted.attachments));
    assert_eq!(store.channels_of_file(&a.id).await.unwrap(), [id]);
}

/// Unknown, somebody else's, expired, twice, too many; and a refused post leaves the files as they were.
pub async fn only_own_files_that_are_kept_can_be_attached(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let (own, other) = (uploaded(&guild, "alice", "own").await, uploaded(&guild, "bob", "other").await);
    let store = std::sync::Arc::clone(&guild.store);
    let unknown = file("nowhere", "alice", 1);
    let twelve: Vec<File> =
        (0..=FileRules::MAX_ATTACHMENTS).map(|n| file(&format!("n{n}"), "alice", 1)).collect();
    for files in [vec![&own, &other], vec![&unknown], vec![&own, &own], twelve.iter().collect()] {
        assert_eq!(code(post(&guild, "alice", &id, &files, None).await), "validation_failed");
    }
    for id in ["", "a b", "nul\0", &"x".repeat(200)] {
        let strange = file(id, "alice", 1);
        let refused =
            post(&guild, "alice", &channel(&guild, ChannelType::General).await, &[&strange], None).await;
        assert_eq!(code(refused), "validation_failed");
    }
    assert_eq!(code(post(&guild, "alice", &id, &[], None).await), "validation_failed");
    assert_eq!(store.file(&own.id).await.unwrap(), Some(own.clone()));
    guild.clock.advance_seconds(i64::try_from(FileRules::LOOSE.as_secs()).unwrap() + 1);
    assert_eq!(code(post(&guild, "alice", &id, &[&own], None).await), "validation_failed");
}

/// Nobody reads through a deleted message, and its files are loose again, unless another message has them.
pub async fn a_deleted_message_lets_go_of_its_files(on: Opened) {
    let guild = on.guild();
    let (alice, bob) = (guild.human("alice"), guild.human("bob"));
    let (one, two) =
        (channel(&guild, ChannelType::General).await, channel(&guild, ChannelType::General).await);
    let (both, single) = (uploaded(&guild, "alice", "both").await, uploaded(&guild, "alice", "once").await);
    assert_eq!(code(guild.guild.file(&bob, &both.id).await), "file_not_found");
    let first = post(&guild, "alice", &one, &[&both, &single], None).await.unwrap();
    post(&guild, "alice", &two, &[&both], None).await.unwrap();
    guild.guild.file(&bob, &both.id).await.unwrap();
    guild.guild.file(&bob, &single.id).await.unwrap();
    assert_eq!(code(guild.guild.file(&guild.human("mallory"), &both.id).await), "file_not_found");

    guild.clock.advance_seconds(60);
    let tombstone = guild.guild.delete(&alice, &one, &first.id).await.unwrap();
    assert_eq!(tombstone.attachments, []);
    let store = &guild.store;
    assert_eq!(store.page(&one, SeqRange::default(), 10).await.unwrap()[0].attachments, []);
    assert_eq!(store.channels_of_file(&both.id).await.unwrap(), [two]);
    guild.guild.file(&bob, &both.id).await.unwrap();
    assert_eq!(code(guild.guild.file(&bob, &single.id).await), "file_not_found");
    // Their uploader has a day to think again.
    let loose = guild.guild.file(&alice, &single.id).await.unwrap();
    assert_eq!(Some(loose.shelf), tombstone.deleted_at.map(Shelf::Loose));
    assert!(matches!(guild.guild.file(&alice, &both.id).await.unwrap().shelf, Shelf::Attached(_)));
}

/// Loose files go after a day, attached ones after their time; messages keep name and size.
pub async fn files_expire_and_messages_keep_what_they_were(on: Opened) {
    let guild = on.guild();
    let bob = guild.human("bob");
    let id = channel(&guild, ChannelType::General).await;
    let (loose, attached) =
        (uploaded(&guild, "alice", "loose").await, uploaded(&guild, "alice", "kept").await);
    let posted = post(&guild, "alice", &id, &[&attached], None).await.unwrap();
    guild.clock.advance_seconds(i64::try_from(FileRules::LOOSE.as_secs()).unwrap());
    assert_eq!(guild.guild.expire_files().await.unwrap().expired, 0);
    guild.clock.advance_seconds(1);
    assert_eq!(code(guild.guild.file(&guild.human("alice"), &loose.id).await), "file_expired");
    assert_eq!(guild.guild.expire_files().await.unwrap().expired, 1);
    let store = std::sync::Arc::clone(&guild.store);
    assert_eq!(store.file(&loose.id).await.unwrap(), None);
    guild.guild.file(&bob, &attached.id).await.unwrap();

    guild.clock.advance_seconds(7 * 24 * 3_600);
    assert_eq!(code(guild.guild.file(&bob, &attached.id).await), "file_expired");
    assert_eq!(guild.guild.expire_files().await.unwrap().expired, 1);
    assert_eq!(code(guild.guild.file(&bob, &attached.id).await), "file_expired");
    assert_eq!(code(guild.guild.file(&guild.human("mallory"), &attached.id).await), "file_not_found");
    assert_eq!(store.message(&id, &posted.id).await.unwrap().unwrap().attachments, [attached.attachment()]);
    assert_eq!(store.file_usage(&"alice".into()).await.unwrap(), Usage::default());
    assert_eq!(guild.files.size(&attached.id).await.unwrap(), None);
}

/// Of many at once as many get in as there is room for, and the sums are those of the rows.
pub async fn a_quota_holds_however_many_come_at_once(on: Opened) {
    let store = on.store;
    let quota = Quota { guild: 100, user: 30 };
    let mut tasks = Vec::new();
    for n in 0..40 {
        let store = std::sync::Arc::clone(&store);
        let file = file(&format!("f{n:02}"), ["alice", "bob", "carol", "dave", "eve"][n % 5], 7);
        tasks.push(tokio::spawn(async move { store.add_file(&file, quota).await }));
    }
    let mut added = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => added += 1,
            Err(AddFileError::Refused(Refusal::GuildQuotaExceeded | Refusal::UserQuotaExceeded)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(added, 14, "a hundred bytes are fourteen times seven");
    let usage = store.file_usage(&"alice".into()).await.unwrap();
    assert!(usage.guild == 98 && usage.user <= 30 && usage.user % 7 == 0, "{usage:?}");
    for file in all(&store).await {
        store.remove_file(&file).await.unwrap();
    }
    assert_eq!(store.file_usage(&"alice".into()).await.unwrap(), Usage::default());
}

async fn all(store: &std::sync::Arc<dyn Store>) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    loop {
        let portion = store.files_after(files.last().map(|file| file.id.clone()), 3).await.unwrap();
        if portion.is_empty() {
            return files;
        }
        files.extend(portion);
    }
}

/// What is written is read again; twice is once; removed is what was seen, and nothing newer.
pub async fn a_file_is_there_once_and_goes_once(on: Opened) {
    let store = on.store;
    let quota = Quota::default();
    let one = file(&"ä".repeat(80), "alice", u64::try_from(i64::MAX / 4).unwrap());
    for file in [&one, &file("b", "bob", 2), &one, &file("a", "alice", 1)] {
        store.add_file(file, quota).await.unwrap();
    }
    assert_eq!(store.file(&one.id).await.unwrap(), Some(one.clone()));
    let usage = store.file_usage(&"alice".into()).await.unwrap();
    assert_eq!(usage, Usage { guild: one.size + 3, user: one.size + 1 });
    let ids: Vec<FileId> = all(&store).await.into_iter().map(|file| file.id).collect();
    assert_eq!(ids, ["a".into(), "b".into(), one.id.clone()]);
    let known = store.known_files(&["a".into(), "x".into()]).await.unwrap();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), ["a".into()]);
    assert!(store.known_files(&[]).await.unwrap().is_empty());

    let at = one.created_at;
    let newer = File { shelf: Shelf::Attached(at), ..one.clone() };
    store.remove_file(&newer).await.unwrap();
    assert_eq!(store.file(&one.id).await.unwrap(), Some(one.clone()));
    for _ in 0..2 {
        store.remove_file(&one).await.unwrap();
        assert_eq!(store.file(&one.id).await.unwrap(), None);
        assert_eq!(store.file_usage(&"alice".into()).await.unwrap(), Usage { guild: 3, user: 1 });
    }
    let before = |now: Timestamp| store.expired_files(now, None, 10);
    assert_eq!(before(at).await.unwrap(), []);
    assert_eq!(before(Timestamp(at.0 + 1)).await.unwrap().len(), 2);
    assert_eq!(store.expired_files(Timestamp(at.0 + 1), Some(at), 1).await.unwrap().len(), 1);
}

/// A file and the sweep: whichever comes first, the other sees it.
pub async fn a_file_that_is_attached_just_now_is_not_swept(on: Opened) {
    let guild = on.guild();
    let id = channel(&guild, ChannelType::General).await;
    let seen = uploaded(&guild, "alice", "late").await;
    post(&guild, "alice", &id, &[&seen], None).await.unwrap();
    let store = &guild.store;
    store.remove_file(&seen).await.unwrap();
    let kept: Option<Attachment> = store.file(&seen.id).await.unwrap().map(|file| file.attachment());
    assert_eq!(kept, Some(seen.attachment()));
}

/// For ever is for ever.
pub async fn without_a_time_to_live_attached_files_stay(on: Opened) {
    let files = FileRules { ttl_days: 0, ..FileRules::default() };
    let guild = on.guild();
    let bytes = std::sync::Arc::clone(&guild.files);
    let guild = guild.keeping(bytes, Limits { files, ..Limits::default() });
    let id = channel(&guild, ChannelType::General).await;
    let kept = uploaded(&guild, "alice", "kept").await;
    post(&guild, "alice", &id, &[&kept], None).await.unwrap();
    guild.clock.advance_seconds(100 * 365 * 24 * 3_600);
    assert_eq!(guild.guild.expire_files().await.unwrap().expired, 0);
    guild.guild.file(&guild.human("bob"), &kept.id).await.unwrap();
}
