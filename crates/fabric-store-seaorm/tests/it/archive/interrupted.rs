//! Imports that break off, collide, or find something where nothing should be.

use std::fs;
use std::sync::Arc;

use fabric_domain::model::Timestamp;
use fabric_domain::ports::Publisher;
use fabric_store_seaorm::bulk::{BulkError, BulkLoad, TABLES};
use fabric_store_seaorm::{SchemaError, SqlStore};
use fabric_testkit::{Recorder, TestClock};
use sea_orm::ConnectionTrait;

use super::{export, import, parts, rows, unusual, walked};
use crate::databases::{self, Fresh};

on_each_database!(
    what_a_broken_off_import_has_left_is_served_to_nobody_and_imported_anew,
    only_the_later_one_of_two_imports_goes_on,
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
    let presence = |user: &str| fabric_domain::model::Presence {
        user_id: user.into(),
        status: fabric_domain::model::PresenceStatus::Idle,
        source: None,
        updated_at: Some(Timestamp(5)),
    };
    let mut first = BulkLoad::begin(&fresh.url, true, 10, Timestamp(1)).await.unwrap();
    first.presence(&presence("first")).await.unwrap();
    let mut second = BulkLoad::begin(&fresh.url, true, 20, Timestamp(1)).await.unwrap();
    let replaced = first.finish().await.unwrap_err();
    assert!(matches!(replaced, BulkError::TakenOver), "{replaced}");
    second.presence(&presence("second")).await.unwrap();
    second.finish().await.unwrap();
    assert_eq!(rows(&fresh).await, 1);
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
