//! The folder keeps the contract of every place for bytes, and what is special about a disk.

use std::fs;
use std::sync::Arc;

use fabric_domain::model::GuildId;
use fabric_domain::ports::FileBytes;
use fabric_files::{DiskFiles, FolderError};
use tempfile::TempDir;

#[expect(clippy::unused_async, reason = "opening another place may wait")]
async fn open() -> (Arc<dyn FileBytes>, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    (Arc::new(files(&folder)), folder)
}

fn files(folder: &TempDir) -> DiskFiles {
    DiskFiles::open(folder.path(), &GuildId::new("north")).expect("the folder opens")
}

fabric_testkit::file_bytes_contract_tests!(open);

#[test]
fn a_folder_belongs_to_one_guild() {
    let folder = tempfile::tempdir().unwrap();
    files(&folder).belong_to(1_000).unwrap();
    files(&folder);
    let refused = DiskFiles::open(folder.path(), &GuildId::new("south")).unwrap_err();
    assert!(matches!(&refused, FolderError::OfAnother { owner, .. } if owner == "north"), "{refused}");
}

#[test]
fn a_folder_belongs_to_one_database_until_the_guild_moves() {
    let folder = tempfile::tempdir().unwrap();
    files(&folder).belong_to(1_000).unwrap();
    files(&folder).belong_to(1_000).unwrap();
    let refused = files(&folder).belong_to(2_000).unwrap_err();
    assert!(matches!(refused, FolderError::OfAnotherDatabase { .. }), "{refused}");
    files(&folder).hand_over_to(2_000).unwrap();
    files(&folder).belong_to(2_000).unwrap();
    files(&folder).belong_to(1_000).unwrap_err();
    DiskFiles::open(folder.path(), &GuildId::new("south")).unwrap_err();

    // One that nothing but the guild is known of.
    fs::write(folder.path().join(".fabric-guild"), "north\n").unwrap();
    files(&folder).belong_to(1_000).unwrap();
    files(&folder).belong_to(2_000).unwrap_err();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let refused = DiskFiles::open(&file.join("files"), &GuildId::new("north")).unwrap_err().to_string();
    assert!(refused.contains("files"), "{refused}");
}

#[tokio::test]
async fn ids_cannot_climb_out_of_the_folder() {
    let (bytes, folder) = open().await;
    let secret = folder.path().parent().unwrap().join(format!("fabric-secret-{}", std::process::id()));
    fs::write(&secret, "secret").unwrap();
    let climbing = format!("../{}", secret.file_name().unwrap().to_str().unwrap());
    for id in [climbing.as_str(), "..", ".", "", "a/b", ".fabric-guild", "a.part", "a\0b"] {
        assert!(bytes.read(&id.into(), 0..1).await.unwrap().is_none(), "{id:?}");
        assert_eq!(bytes.size(&id.into()).await.unwrap(), None, "{id:?}");
        assert!(bytes.begin(&id.into()).await.is_err(), "{id:?}");
        bytes.remove(&id.into()).await.unwrap();
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    fs::remove_file(&secret).unwrap();
}

#[tokio::test]
async fn what_others_put_there_is_left_alone() {
    let (bytes, folder) = open().await;
    fs::write(folder.path().join("README.txt"), "a note").unwrap();
    fs::create_dir(folder.path().join("0192")).unwrap();
    assert_eq!(bytes.list().await.unwrap().next().await.unwrap(), []);
}
