//! Files, and a server that is killed during uploads or has no room: rows and bytes stay together.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use fabric_api::guild::PostMessage;
use fabric_client::GuildClient;
use fabric_client::model::ChannelId;
use fabric_domain::model::{File, FileId};
use fabric_domain::ports::FileStore;
use fabric_store_seaorm::{SqlStore, migrate};
use fabric_testkit::servers;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::report;
use crate::world::{World, patiently};

/// How often the server is killed; `FABRIC_CRASH_ROUNDS` says otherwise for long runs.
const ROUNDS: usize = 4;
/// How many upload at once.
const UPLOADERS: usize = 6;
/// How long the sweep may take to notice.
const SWEPT: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_bytes_survive_a_crash_together_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    crash(&format!("sqlite://{}", folder.path().join("guild.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_bytes_survive_a_crash_together_on_mariadb() {
    crash(&servers::mariadb().url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_bytes_survive_a_crash_together_on_postgres() {
    crash(&servers::postgres().url).await;
}

/// A server that is started on a new database by mistake would take all files for garbage.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_another_database_leaves_the_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    let (right, wrong) = (url("guild.db"), url("wrong.db"));
    let files = folder.path().join("files");
    let mut world = World::start(&right, &right).await;
    world.set("FILE_DIR", files.to_str().expect("a path of text"));
    world.boot();
    world.kill();
    // Databases are told apart by the second that they were made in.
    while migrate::made_at(&right).await.unwrap() == now() {
        sleep(Duration::from_millis(50)).await;
    }
    let said = world.run(&["serve"], &wrong).unwrap_err();
    assert!(said.contains("belongs to another database of this guild"), "{said}");
    let said = world.run(&["export", "--to", "archive"], &wrong).unwrap_err();
    assert!(said.contains("(files_of_another)"), "{said}");
    // With the right one, everything is as it was.
    world.boot();
    world.stop().await;
}

fn now() -> i64 {
    UNIX_EPOCH.elapsed().expect("a clock that is right").as_secs().cast_signed()
}

/// What was acknowledged: the uploader and the content of every file.
type Acknowledged = BTreeMap<FileId, (usize, Vec<u8>)>;

async fn crash(db_url: &str) {
    let rounds = std::env::var("FABRIC_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::start(db_url, db_url).await;
    world.set("FILE_DIR", folder.path().to_str().expect("a path of text"));
    world.boot();
    let channel = world.channel().await;
    let store = world.store().await;
    let (acknowledged, chance, mut rests) = (Arc::<Mutex<Acknowledged>>::default(), RandomState::new(), 0);
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let (done, mut finished) = mpsc::unbounded_channel();
        let mut uploaders = JoinSet::new();
        for n in 0..UPLOADERS {
            let user = world.users[n % world.users.len()].clone();
            let (channel, acknowledged, done) = (channel.clone(), Arc::clone(&acknowledged), done.clone());
            uploaders.spawn(async move { work(&user, &channel, n, &acknowledged, &done).await });
        }
        drop(done);
        // A different moment each time: somewhere in the work that follows so many answers.
        for _ in 0..=chance.hash_one(round) % 20 {
            finished.recv().await.expect("uploads go on");
        }
        world.kill();
        while let Some(done) = uploaders.join_next().await {
            done.expect("an uploader fails only by a broken promise");
        }
        let rows = all(&store).await;
        check(&rows, folder.path(), &acknowledged.lock());
        rests += lying(folder.path()).len() - rows.len();
        age(folder.path());
        world.boot();
        swept(&store, folder.path()).await;
    }
    let count = acknowledged.lock().len();
    report(&format!("{count} files acknowledged; {rests} rests of broken uploads were swept"));
    // All that is there can be read.
    let sample: Vec<_> = acknowledged.lock().clone().into_iter().take(20).collect();
    for (id, (uploader, content)) in sample {
        let downloaded = patiently(|| world.users[uploader % world.users.len()].download(&id)).await;
        let bytes = downloaded.unwrap_or_else(|error| panic!("{id}: {error}\n{}", world.log())).bytes().await;
        assert!(content == bytes.unwrap(), "{id} has other bytes");
    }
    store.close().await.unwrap();
    world.stop().await;
}

/// Uploads, and attaches, until the server is gone.
async fn work(
    user: &GuildClient,
    channel: &ChannelId,
    worker: usize,
    acknowledged: &Mutex<Acknowledged>,
    done: &mpsc::UnboundedSender<()>,
) {
    for n in 0_usize.. {
        let content = format!("{worker}-{n} ").repeat(1 + 9_999 * (n % 4)).into_bytes();
        // Whoever answers that it is too busy is not gone.
        let file = match user.upload("a.txt", "text/plain", &content).await {
            Ok(file) => file,
            Err(error) if error.status().is_some() => {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(_) => return,
        };
        assert_eq!(file.size, content.len() as u64);
        acknowledged.lock().insert(file.id.clone(), (worker, content));
        let post = PostMessage { attachment_ids: vec![file.id], ..PostMessage::default() };
        // Channel members may read it then.
        match user.post(channel, &post, None).await {
            Ok(_) => drop(done.send(())),
            Err(error) if error.status().is_some() => {}
            Err(_) => return,
        }
    }
}

async fn all(store: &SqlStore) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    loop {
        let portion = store.files_after(files.last().map(|file| file.id.clone()), 500).await.unwrap();
        if portion.is_empty() {
            return files;
        }
        files.extend(portion);
    }
}

/// The names in the folder, but for the note whose it is.
fn lying(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// Right after the crash, before any sweep: every row has its bytes, and everything acknowledged has its row.
fn check(rows: &[File], folder: &Path, acknowledged: &Acknowledged) {
    for row in rows {
        let size = fs::metadata(folder.join(row.id.as_str())).map(|data| data.len()).ok();
        assert_eq!(size, Some(row.size), "a row without its bytes: {row:?}");
    }
    for (id, (_, content)) in acknowledged {
        let row = rows.iter().find(|row| row.id == *id);
        assert_eq!(row.map(|row| row.size), Some(content.len() as u64), "{id} was acknowledged and is lost");
        assert!(fs::read(folder.join(id.as_str())).unwrap() == *content, "{id} has other bytes");
    }
}

/// As if hours had gone by: what has no row is garbage now.
fn age(folder: &Path) {
    for name in lying(folder) {
        let file = fs::OpenOptions::new().write(true).open(folder.join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    }
}

/// Waits until there is nothing but the files of the rows, and their sum is right.
async fn swept(store: &SqlStore, folder: &Path) {
    let rows = all(store).await;
    let ids: Vec<String> = rows.iter().map(|row| row.id.as_str().to_owned()).collect();
    let is_clean = async {
        while lying(folder) != ids {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = timeout(SWEPT, is_clean).await.is_ok();
    assert!(in_time, "not swept: {:?}, rows: {ids:?}", lying(folder));
    let usage = store.file_usage(&"nobody".into()).await.unwrap();
    assert_eq!(usage.guild, rows.iter().map(|row| row.size).sum::<u64>());
}

/// Less than the large file.
const BLOCKS: u32 = 4_096;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_room_is_told_so_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("guild.db").display());
    let files = folder.path().join("files");
    let mut world = World::start(&url, &url).await;
    world.set("FILE_DIR", files.to_str().expect("a path of text"));
    world.boot_with_small_files(BLOCKS);
    let user = &world.users[0];
    let large = vec![7; 2 * 512 * BLOCKS as usize];
    for _ in 0..3 {
        let error = user.upload("large.bin", "", &large).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(507), Some("storage_full")), "{error}");
    }
    let small = user.upload("small.bin", "", b"fits").await.unwrap();
    assert_eq!(user.download(&small.id).await.unwrap().bytes().await.unwrap(), b"fits");
    let is_clean = async {
        while lying(&files) != [small.id.as_str()] {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SWEPT, is_clean).await.expect("nothing of the large one stays");
    world.stop().await;
}
