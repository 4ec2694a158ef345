//! Imports that break off, collide, or find something where nothing should be.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fabric_archive::{BulkError, BulkWriter as _, Record};
use fabric_domain::model::{FileId, Timestamp};
use fabric_domain::ports::{ByteSource, BytesError, Draft, FileBytes, Listing, Publisher};
use fabric_store_seaorm::bulk::{SqlBulkWriter, TABLES};
use fabric_store_seaorm::{SchemaError, SqlStore};
use fabric_testkit::{MemoryBytes, Recorder, TestClock};
use sea_orm::ConnectionTrait;

use super::{export, export_with, import, import_as, no_bytes, parts, rows, unusual, upload, walked};
use crate::databases::{self, Fresh};

on_each_database!(
    what_a_broken_off_import_has_left_is_served_to_nobody_and_imported_anew,
    only_the_later_one_of_two_imports_goes_on,
    an_import_that_was_taken_over_leaves_the_bytes_to_the_one_that_goes_on,
    a_database_that_holds_anything_is_refused_and_left_alone,
);

async fn open(fresh: &Fresh) -> Result<SqlStore, SchemaError> {
    let publisher = Arc::new(Recorder::default()) as Arc<dyn Publisher>;
    SqlStore::open(&fresh.url, true, Arc::new(TestClock::default()), publisher).await
}

async fn what_a_broken_off_import_has_left_is_served_to_nobody_and_imported_anew(fresh: Fresh) {
    let folder = tempfile::tempdir().unwrap();
    let (place, again) = (folder.path().join("archive"), folder.path().join("again"));
    walked("source", &databases::sqlite_at(folder.path()), 3, 200).await;
    export(&databases::sqlite_at(folder.path()), &place).await.unwrap();

    // As one that was killed: some tables are there, some are not, and the mark is.
    import(&fresh, &place).await.unwrap();
    let connection = fresh.connect().await;
    for statement in [
        "DELETE FROM presences",
        "DELETE FROM messages WHERE seq > 5",
        "INSERT INTO unfinished_imports VALUES (1, 99, 0, 7)",
    ] {
        connection.execute_unprepared(statement).await.unwrap();
    }
    let refused = open(&fresh).await.unwrap_err();
    assert!(matches!(refused, SchemaError::Incomplete), "{refused}");
    let refused = export(&fresh, &again).await.unwrap_err();
    assert_eq!(refused.code(), "import_incomplete", "{refused}");
    assert!(!again.exists());

    import(&fresh, &place).await.unwrap();
    open(&fresh).await.unwrap();
    export(&fresh, &again).await.unwrap();
    assert_eq!(parts(&again), parts(&place));
}

async fn only_the_later_one_of_two_imports_goes_on(fresh: Fresh) {
    let presence = |user: &str| {
        Record::Presence(fabric_domain::model::Presence {
            user_id: user.into(),
            status: fabric_domain::model::PresenceStatus::Idle,
            source: None,
            updated_at: Some(Timestamp(5)),
        })
    };
    let mut first = SqlBulkWriter::begin(&fresh.url, true, 10, Timestamp(1)).await.unwrap();
    first.write(presence("first")).await.unwrap();
    let mut second = SqlBulkWriter::begin(&fresh.url, true, 20, Timestamp(1)).await.unwrap();
    let replaced = first.finish().await.unwrap_err();
    assert!(matches!(replaced, BulkError::TakenOver), "{replaced}");
    second.write(presence("second")).await.unwrap();
    second.finish().await.unwrap();
    assert_eq!(rows(&fresh).await, 1);
}

/// Bytes, and an import that begins and ends when a file is to be copied to them.
struct Overtaken {
    bytes: Arc<MemoryBytes>,
    url: String,
    from: PathBuf,
    has_begun: AtomicBool,
}

#[async_trait::async_trait]
impl FileBytes for Overtaken {
    async fn begin(&self, id: &FileId) -> Result<Box<dyn Draft>, BytesError> {
        if !self.has_begun.swap(true, Ordering::Relaxed) {
            let bytes = Arc::clone(&self.bytes) as Arc<dyn FileBytes>;
            import_as(40, &self.url, bytes, &self.from).await.unwrap();
        }
        self.bytes.begin(id).await
    }

    async fn read(&self, id: &FileId, range: Range<u64>) -> Result<Option<Box<dyn ByteSource>>, BytesError> {
        self.bytes.read(id, range).await
    }

    async fn size(&self, id: &FileId) -> Result<Option<u64>, BytesError> {
        self.bytes.size(id).await
    }

    async fn remove(&self, id: &FileId) -> Result<(), BytesError> {
        self.bytes.remove(id).await
    }

    async fn list(&self) -> Result<Box<dyn Listing>, BytesError> {
        self.bytes.list().await
    }
}

async fn an_import_that_was_taken_over_leaves_the_bytes_to_the_one_that_goes_on(fresh: Fresh) {
    let (source, folder) = (databases::sqlite(), tempfile::tempdir().unwrap());
    let place = folder.path().join("archive");
    // Little enough that the first one has written nothing yet: the other one would wait for it.
    let side = walked("source", &source, 3, 0).await;
    upload(&side, &side.guild.human("a"), "photo.png", 700_000).await;
    let files = Arc::clone(&side.guild.files);
    export_with(&source, files.as_ref(), &place).await.unwrap();

    let bytes = no_bytes();
    let (url, from, has_begun) = (fresh.url.clone(), place.clone(), AtomicBool::new(false));
    let overtaken = Overtaken { bytes: Arc::clone(&bytes), url, from, has_begun };
    let refused = import_as(20, &fresh.url, Arc::new(overtaken), &place).await;
    assert_eq!(refused.unwrap_err().code(), "import_taken_over");

    let again = folder.path().join("again");
    export_with(&fresh, bytes.as_ref(), &again).await.unwrap();
    assert_eq!(parts(&again)["files"], parts(&place)["files"]);
}

async fn a_database_that_holds_anything_is_refused_and_left_alone(fresh: Fresh) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("archive");
    let source = databases::sqlite();
    walked("source", &source, 3, 30).await;
    export(&source, &place).await.unwrap();

    let mut side = walked("target", &fresh, 4, 200).await;
    unusual(&mut side).await;
    let (before, again) = (folder.path().join("before"), folder.path().join("after"));
    export(&fresh, &before).await.unwrap();
    // Whichever table it is in.
    for kept in TABLES {
        let connection = fresh.connect().await;
        let refused = import(&fresh, &place).await.unwrap_err();
        assert_eq!(refused.code(), "database_not_empty", "{kept}: {refused}");
        if kept == &TABLES[0] {
            export(&fresh, &again).await.unwrap();
            assert_eq!(parts(&again), parts(&before));
        }
        // The rest still holds something, until the last table is empty too.
        connection.execute_unprepared(&format!("DELETE FROM {kept}")).await.unwrap();
    }
    import(&fresh, &place).await.unwrap();
}

#[tokio::test]
async fn an_export_overwrites_nothing_and_leaves_nothing_when_it_fails() {
    let (fresh, folder) = (databases::sqlite(), tempfile::tempdir().unwrap());
    let (place, partial) = (folder.path().join("archive"), folder.path().join("archive.partial"));
    // There is no database, and looking makes none.
    let refused = export(&fresh, &place).await.unwrap_err();
    assert_eq!(refused.code(), "storage_unavailable", "{refused}");
    let refused = export(&fresh, &place).await.unwrap_err();
    assert_eq!(refused.code(), "storage_unavailable", "{refused}");

    let side = walked("source", &fresh, 3, 100).await;
    fs::create_dir(&place).unwrap();
    fs::write(place.join("something"), "else").unwrap();
    let refused = export(&fresh, &place).await.unwrap_err();
    assert_eq!(refused.code(), "target_not_empty", "{refused}");
    assert_eq!(fs::read_to_string(place.join("something")).unwrap(), "else");
    fs::remove_dir_all(&place).unwrap();

    fs::create_dir(&partial).unwrap();
    let refused = export(&fresh, &place).await.unwrap_err();
    assert_eq!(refused.code(), "target_busy", "{refused}");
    fs::remove_dir(&partial).unwrap();

    // A message that is gone: no archive without it pretends to be whole.
    let connection = fresh.connect().await;
    let gone = format!("DELETE FROM messages WHERE seq = 2 AND channel_id = '{}'", side.busiest().await);
    connection.execute_unprepared(&gone).await.unwrap();
    let refused = export(&fresh, &place).await.unwrap_err();
    assert_eq!(refused.code(), "database_inconsistent", "{refused}");
    assert!(!place.exists() && !partial.exists());
}
