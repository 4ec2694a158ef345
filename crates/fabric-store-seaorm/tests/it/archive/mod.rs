//! Archives: out of one database and into another, of any kind; and archives that nobody should believe.

mod hostile;
mod interrupted;
mod round_trip;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use fabric_archive::{Archive, ArchiveError, ExportOptions, Part, Summary};
use fabric_domain::decisions::{CreateChannel, Post};
use fabric_domain::model::{
    Author, Caller, ChannelId, ChannelType, FileId, FileName, MediaType, PresenceStatus, Seq, Timestamp,
};
use fabric_domain::ports::{FileBytes, SeqRange};
use fabric_domain::services::RequestKey;
use fabric_store_seaorm::SchemaError;
use fabric_store_seaorm::bulk::{BeginError, SqlBulkReader, SqlBulkWriter};
use fabric_testkit::{MemoryBytes, Recorder, TestClock};
use sea_orm::{ConnectionTrait, Statement};

use crate::databases::Fresh;
use crate::walk::{Side, USERS};

/// What a failed export or import says, and its code.
#[derive(Debug)]
pub(super) struct Refused {
    told: String,
    code: &'static str,
}

impl Refused {
    pub(super) fn code(&self) -> &'static str {
        self.code
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told)
    }
}

macro_rules! refused_by {
    ($($error:ty),*) => {
        $(
            impl From<$error> for Refused {
                fn from(error: $error) -> Self {
                    Self { told: error.to_string(), code: error.code() }
                }
            }
        )*
    };
}

refused_by!(ArchiveError, BeginError, SchemaError);

/// No bytes yet.
pub(super) fn no_bytes() -> Arc<MemoryBytes> {
    Arc::new(MemoryBytes::new(Arc::new(TestClock::default())))
}

/// A guild without files.
pub(super) async fn export(fresh: &Fresh, to: &Path) -> Result<Summary, Refused> {
    export_with(fresh, no_bytes().as_ref(), to).await
}

pub(super) async fn export_with(fresh: &Fresh, bytes: &dyn FileBytes, to: &Path) -> Result<Summary, Refused> {
    let options = ExportOptions { guild: "guild".into(), now: Timestamp(1), program: "a test".to_owned() };
    let reader = SqlBulkReader::open(&fresh.url).await?;
    Ok(fabric_archive::export(reader, to, &options, bytes, &|_| ()).await?)
}

pub(super) async fn import(fresh: &Fresh, from: &Path) -> Result<Summary, Refused> {
    import_with(fresh, no_bytes(), from).await
}

pub(super) async fn import_with(
    fresh: &Fresh,
    bytes: Arc<MemoryBytes>,
    from: &Path,
) -> Result<Summary, Refused> {
    import_as(1, &fresh.url, bytes, from).await
}

/// An import that is told from others by this number.
pub(super) async fn import_as(
    token: u64,
    url: &str,
    bytes: Arc<dyn FileBytes>,
    from: &Path,
) -> Result<Summary, Refused> {
    load("guild", token, url, bytes, from).await
}

/// Of another guild than that of these tests, and without files.
pub(super) async fn import_of(guild: &str, fresh: &Fresh, from: &Path) -> Result<Summary, Refused> {
    load(guild, 1, &fresh.url, no_bytes(), from).await
}

async fn load(
    guild: &str,
    token: u64,
    url: &str,
    bytes: Arc<dyn FileBytes>,
    from: &Path,
) -> Result<Summary, Refused> {
    let archive = Archive::open(from)?.of_guild(&guild.into())?.verify(Arc::new(|_| ())).await?;
    let writer = SqlBulkWriter::begin(url, true, token, Timestamp(1)).await?;
    Ok(archive.load(writer, bytes, Arc::new(|_| ())).await?)
}

/// Uploads a file of so many bytes.
async fn upload(side: &Side, caller: &Caller, name: &str, bytes: usize) -> FileId {
    let name = FileName::sanitise(name);
    let guild = &side.guild.guild;
    let mut upload = guild.begin_upload(caller, name, MediaType::read("image/png"), 0).await.unwrap();
    upload.write(vec![7; bytes].into()).await.unwrap();
    guild.finish_upload(upload).await.unwrap().id
}

/// Every part of an archive, byte for byte.
pub(super) fn parts(folder: &Path) -> BTreeMap<&'static str, String> {
    let read = |part: Part| fs::read_to_string(folder.join(part.file())).expect("a part is text");
    Part::ALL.into_iter().map(|part| (part.name(), read(part))).collect()
}

/// A guild to which much has happened.
pub(super) async fn walked(name: &'static str, fresh: &Fresh, seed: u64, steps: u32) -> Side {
    let published = Arc::new(Recorder::default());
    let store = fresh.store(Arc::clone(&published) as _).await;
    let mut side = Side::new(name, store, published, seed);
    for _ in 0..steps {
        side.step().await;
    }
    side
}

/// How many rows there are in all tables together.
pub(super) async fn rows(fresh: &Fresh) -> i64 {
    let connection = fresh.connect().await;
    let mut count = 0;
    // One row of sums is always there.
    let others = ["unfinished_imports", "file_usage WHERE bytes > 0"];
    for table in fabric_store_seaorm::bulk::TABLES.iter().chain(&others) {
        let query = format!("SELECT COUNT(*) AS count FROM {table}");
        let query = Statement::from_string(connection.get_database_backend(), query);
        let row = connection.query_one_raw(query).await.expect("the table is there").expect("a count");
        count += row.try_get::<i64>("", "count").expect("a number");
    }
    count
}

async fn channel(side: &mut Side, channel_type: ChannelType) -> ChannelId {
    // Lists are by creation, so no two are created at once.
    side.guild.clock.advance_seconds(1);
    let new = CreateChannel {
        members: USERS.iter().map(|user| (*user).into()).collect(),
        purpose: Some("\u{1}\"\\\u{2028} \r\n".to_owned()),
        ..CreateChannel::new("🧶".repeat(100), channel_type)
    };
    let creator = side.guild.human(USERS[0]);
    let id = side.guild.create_channel(&creator, new).await.unwrap().channel.id;
    side.channels.push(id.clone());
    id
}

/// What a walk comes to only by chance: a record of each kind, long texts, and a turn in the middle of nested
/// frames.
pub(super) async fn unusual(side: &mut Side) -> ChannelId {
    let users: Vec<_> = USERS.iter().map(|user| side.guild.human(user)).collect();
    let general = channel(side, ChannelType::General).await;
    // Two that are attached, of which the bytes of one are lost, and one that is not.
    let files = [
        upload(side, &users[0], "🧵 photo.png", 700_000).await,
        upload(side, &users[0], "lost.png", 3).await,
    ];
    upload(side, &users[1], "loose.txt", 1).await;
    side.guild.files.remove(&files[1]).await.unwrap();
    let post = Post { attachments: files.to_vec(), ..Post::text("wakes everybody") };
    let (author, key) = (Author::User(users[0].clone()), RequestKey::parse("🔑").unwrap());
    side.guild.guild.post(&author, &general, post, Some(key)).await.unwrap();
    side.guild.guild.mark_read(&users[0], &general, Seq(1)).await.unwrap();
    let presence = (PresenceStatus::OnCall, Some("ä tool".to_owned()));
    let user = users[5].user_id.clone();
    side.guild.guild.set_presence(&users[5], &user, presence.0, presence.1).await.unwrap();

    let id = channel(side, ChannelType::Discuss).await;
    let long = "wörd 🧵 ".repeat(100_000);
    // The second one mentions two, of whom the first mentions one more: frames upon frames.
    for (author, content) in [(0, long.as_str()), (1, "<@b> <@ç>"), (2, "<@A> <@🧵>"), (0, "`<@a>` \\u0000")]
    {
        let post = Post::text(content);
        side.guild.guild.post(&Author::User(users[author].clone()), &id, post, None).await.unwrap();
    }
    let store = Arc::clone(&side.guild.store);
    let page = store.page(&id, SeqRange::default(), 9).await.unwrap();
    let edited = side.guild.guild.edit(&users[0], &id, &page[0].id, long.replace('w', "W")).await;
    assert!(edited.is_ok(), "{edited:?}");
    id
}
