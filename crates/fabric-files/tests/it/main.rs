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

/// As the server makes them.
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[test]
fn a_folder_with_anything_else_in_it_is_not_taken() {
    for stranger in
        ["Makefile", "LICENSE", "backup-2026", "passwd", "README.txt", "half.part", &ID.to_uppercase()]
    {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ID), "ours").unwrap();
        fs::write(folder.path().join(stranger), "theirs").unwrap();
        for refused in [
            files(&folder).belong_to(1_000).unwrap_err(),
            files(&folder).hand_over_to(1_000).unwrap_err(),
            files(&folder).is_ours_or_free().unwrap_err(),
        ] {
            assert!(matches!(refused, FolderError::NotOurs { .. }), "{refused}");
            assert!(refused.to_string().contains(stranger), "{refused}");
            assert_eq!(refused.code(), "files_of_another");
        }
        // Nothing was noted, so the next start says the same.
        assert!(!folder.path().join(".fabric-guild").exists());
    }
}

#[test]
fn a_folder_that_has_lost_its_note_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    for name in [ID, &format!("{ID}.part"), ".hidden"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    // Of a file system of its own.
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    files(&folder).belong_to(1_000).unwrap();
    // Once it is ours, a note of somebody's does not keep the guild from starting.
    fs::write(folder.path().join("README"), "a note").unwrap();
    files(&folder).belong_to(1_000).unwrap();
    files(&folder).hand_over_to(2_000).unwrap();
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
    for name in ["README.txt", "Makefile", "LICENSE", "backup-2026", "passwd", "0192", &ID.replace('-', "0")]
    {
        fs::write(folder.path().join(name), "theirs").unwrap();
    }
    fs::create_dir(folder.path().join(ID)).unwrap();
    assert_eq!(bytes.list().await.unwrap().next().await.unwrap(), []);
}
