//! The schema, forward and back.

use std::sync::Arc;

use fabric_archive::BulkWriter as _;
use fabric_domain::decisions::{CreateChannel, Post};
use fabric_domain::model::{Author, ChannelId, ChannelType, Seq, Timestamp};
use fabric_domain::ports::{ChannelStore, MessageStore, SeqRange};
use fabric_store_seaorm::bulk::SqlBulkWriter;
use fabric_store_seaorm::{SchemaError, SqlStore, migrate};
use fabric_testkit::{Recorder, TestClock, TestGuild};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::databases::Fresh;

on_each_database!(
    the_schema_goes_back_and_forth_with_data_in_place,
    starts_at_once_do_not_collide,
    a_newer_schema_is_refused_and_left_alone,
    an_old_schema_is_refused_when_migrating_is_not_wanted,
    a_migration_that_broke_off_is_run_again,
    a_migration_that_broke_off_before_it_filled_old_rows_fills_them,
    the_mark_of_an_import_that_has_not_ended_is_not_taken_away,
    texts_of_messages_that_an_earlier_version_deleted_are_erased_in_their_time,
    statements_of_the_first_version_go_on_working,
);

/// Every column of the first version, as it writes them.
const FIRST_VERSION: &[&str] = &[
    "INSERT INTO channels (id, guild_id, name, x_type, purpose, is_public, closed, last_seq, created_by, \
     created_at, settings, version, agent_run, turn, turn_deadline) VALUES ('c', 'guild', 'room', 'general', \
     NULL, 1 = 0, 1 = 0, 1, 'alice', 1, \
     '{\"turnTimeoutSeconds\":0,\"offlineGraceSeconds\":0,\"autonomyBudget\":0,\"agentMentions\":\"wake\"}', 1, 0, \
     NULL, NULL)",
    "INSERT INTO channel_members (channel_id, user_id, wake_mapped, position) VALUES ('c', 'alice', 1 = 0, 0)",
    "INSERT INTO messages (id, channel_id, guild_id, seq, author, content, mentions, reply_to, created_at, \
     edited_at, deleted_at, ack) VALUES ('m', 'c', 'guild', 1, 'alice', 'now', '[]', NULL, 1, 2, NULL, NULL)",
    "INSERT INTO message_revisions (message_id, number, content, replaced_at) VALUES ('m', 0, 'before', 2)",
    "INSERT INTO read_markers (channel_id, user_id, seq) VALUES ('c', 'alice', 1)",
    "INSERT INTO presences (user_id, status, source, updated_at) VALUES ('alice', 'busy', NULL, 1)",
    "INSERT INTO idempotency_keys (caller, route, `key`, fingerprint, outcome, created_at) \
     VALUES ('alice', 'POST /', 'k', '', '{}', 1)",
];

async fn open(fresh: &Fresh, sync: bool) -> Result<SqlStore, SchemaError> {
    SqlStore::open(&fresh.url, sync, Arc::new(TestClock::default()), Arc::new(Recorder::default())).await
}

/// Makes a channel with a message in it.
async fn fill(fresh: &Fresh) -> (Arc<SqlStore>, ChannelId) {
    let published = Arc::new(Recorder::default());
    let store = fresh.store(Arc::clone(&published) as _).await;
    let guild = TestGuild::on(Arc::clone(&store) as _, published);
    let alice = guild.human("alice");
    let new =
        CreateChannel { members: vec!["bob".into()], ..CreateChannel::new("room", ChannelType::Discuss) };
    let id = guild.create_channel(&alice, new).await.unwrap().channel.id;
    let post = Post::text("kept");
    guild.guild.post(&Author::User(alice), &id, post, None).await.unwrap();
    (store, id)
}

/// Step by step to nothing and up again; running what was run changes nothing.
async fn the_schema_goes_back_and_forth_with_data_in_place(fresh: Fresh) {
    let (store, id) = fill(&fresh).await;
    let before = store.load(&id).await.unwrap().unwrap();
    let newest = migrate::up(&fresh.url).await.unwrap();
    assert!(newest.iter().all(|line| line.starts_with("applied")), "{newest:?}");
    assert_eq!(store.load(&id).await.unwrap().unwrap(), before);
    let messages = store.page(&id, SeqRange::default(), 10).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [Seq(1)]);

    // From every earlier version that has channels and messages, they are all there again.
    for steps in 1..newest.len() {
        for _ in 0..steps {
            migrate::down(&fresh.url).await.unwrap();
        }
        assert_eq!(migrate::up(&fresh.url).await.unwrap(), newest);
        assert_eq!(store.load(&id).await.unwrap().unwrap(), before);
        assert_eq!(store.page(&id, SeqRange::default(), 10).await.unwrap(), messages);
    }
    drop(store);

    for left in (0..newest.len()).rev() {
        let lines = migrate::down(&fresh.url).await.unwrap();
        let applied = lines.iter().filter(|line| line.starts_with("applied")).count();
        assert_eq!(applied, left, "{lines:?}");
        assert_eq!(migrate::status(&fresh.url).await.unwrap(), lines);
    }
    assert_eq!(migrate::up(&fresh.url).await.unwrap(), newest);
    let (store, id) = fill(&fresh).await;
    assert_eq!(store.load(&id).await.unwrap().unwrap().channel.last_seq, Seq(1));
}

async fn starts_at_once_do_not_collide(fresh: Fresh) {
    let starts = (0..6).map(|_| open(&fresh, true));
    for store in futures_util::future::join_all(starts).await {
        store.unwrap();
    }
    let lines = migrate::status(&fresh.url).await.unwrap();
    assert!(lines.iter().all(|line| line.starts_with("applied")), "{lines:?}");
}

async fn a_newer_schema_is_refused_and_left_alone(fresh: Fresh) {
    let (store, id) = fill(&fresh).await;
    let before = store.load(&id).await.unwrap();
    let future = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99990101_000001_future', 1)";
    fresh.connect().await.execute_unprepared(future).await.unwrap();
    let told = [
        open(&fresh, true).await.unwrap_err().to_string(),
        open(&fresh, false).await.unwrap_err().to_string(),
        migrate::up(&fresh.url).await.unwrap_err().to_string(),
        migrate::down(&fresh.url).await.unwrap_err().to_string(),
        migrate::status(&fresh.url).await.unwrap_err().to_string(),
    ];
    for message in told {
        assert!(message.contains("newer") && message.contains("m99990101_000001_future"), "{message}");
    }
    assert_eq!(store.load(&id).await.unwrap(), before);
}

async fn an_old_schema_is_refused_when_migrating_is_not_wanted(fresh: Fresh) {
    let refused = open(&fresh, false).await.unwrap_err();
    assert!(matches!(refused, SchemaError::Old(_)), "{refused}");
    open(&fresh, true).await.unwrap();
    open(&fresh, false).await.unwrap();
}

/// Where the schema's changes are no transaction: some tables are there, an index and the record are not.
async fn a_migration_that_broke_off_is_run_again(fresh: Fresh) {
    migrate::up(&fresh.url).await.unwrap();
    let connection = fresh.connect().await;
    for statement in ["DELETE FROM seaql_migrations", "DROP TABLE idempotency_keys", "DROP TABLE messages"] {
        connection.execute_unprepared(statement).await.unwrap();
    }
    let lines = migrate::up(&fresh.url).await.unwrap();
    assert!(lines.iter().all(|line| line.starts_with("applied")), "{lines:?}");
    fill(&fresh).await;

    // Back again, one by one: all is done each time, and the record is still there.
    let last_applied = |lines: &[String]| {
        lines.iter().filter_map(|line| line.strip_prefix("applied  ")).next_back().map(str::to_owned)
    };
    let mut lines = lines;
    while let Some(name) = last_applied(&lines) {
        migrate::down(&fresh.url).await.unwrap();
        let record = format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', 1)");
        connection.execute_unprepared(&record).await.unwrap();
        lines = migrate::down(&fresh.url).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_ne!(last_applied(&lines), Some(name));
    }
    let lines = migrate::up(&fresh.url).await.unwrap();
    assert!(lines.iter().all(|line| line.starts_with("applied")), "{lines:?}");
    fill(&fresh).await;
}

/// Members would be owed nothing, ever.
async fn a_migration_that_broke_off_before_it_filled_old_rows_fills_them(fresh: Fresh) {
    let (store, id) = fill(&fresh).await;
    drop(store);
    while migrate::down(&fresh.url).await.unwrap().iter().filter(|line| line.starts_with("applied")).count()
        > 1
    {}
    let column =
        format!("ALTER TABLE channel_members ADD COLUMN settled_seq BIGINT NOT NULL DEFAULT {}", i64::MAX);
    let connection = fresh.connect().await;
    connection.execute_unprepared(&column).await.unwrap();
    migrate::up(&fresh.url).await.unwrap();
    let query = format!("SELECT settled_seq AS settled FROM channel_members WHERE channel_id = '{id}'");
    let query = Statement::from_string(connection.get_database_backend(), query);
    let rows = connection.query_all_raw(query).await.unwrap();
    let settled: Vec<i64> = rows.iter().map(|row| row.try_get("", "settled").unwrap()).collect();
    assert_eq!(settled, [1, 1]);
}

async fn the_mark_of_an_import_that_has_not_ended_is_not_taken_away(fresh: Fresh) {
    drop(SqlBulkWriter::begin(&fresh.url, true, 1, Timestamp(1)).await.unwrap());
    let before = migrate::status(&fresh.url).await.unwrap();
    let refused = migrate::down(&fresh.url).await.unwrap_err();
    assert!(matches!(refused, SchemaError::Incomplete), "{refused}");
    assert_eq!(migrate::status(&fresh.url).await.unwrap(), before);
    // Going forward does no harm, and the mark is still there.
    assert_eq!(migrate::up(&fresh.url).await.unwrap(), before);
    let refused = open(&fresh, true).await.unwrap_err();
    assert!(matches!(refused, SchemaError::Incomplete), "{refused}");

    SqlBulkWriter::begin(&fresh.url, true, 2, Timestamp(1)).await.unwrap().finish().await.unwrap();
    migrate::down(&fresh.url).await.unwrap();
}

/// The time counts from the deletion, not from the upgrade.
async fn texts_of_messages_that_an_earlier_version_deleted_are_erased_in_their_time(fresh: Fresh) {
    let published = Arc::new(Recorder::default());
    let store = fresh.store(Arc::clone(&published) as _).await;
    let guild = TestGuild::on(Arc::clone(&store) as _, published);
    let (_, id) = fill(&fresh).await;
    let alice = guild.human("alice");
    let message = store.page(&id, SeqRange::default(), 1).await.unwrap().remove(0);
    guild.guild.edit(&alice, &id, &message.id, "edited".to_owned()).await.unwrap();
    guild.guild.delete(&alice, &id, &message.id).await.unwrap();
    while migrate::status(&fresh.url)
        .await
        .unwrap()
        .iter()
        .any(|line| line.contains("applied") && line.contains("retention"))
    {
        migrate::down(&fresh.url).await.unwrap();
    }
    migrate::up(&fresh.url).await.unwrap();
    guild.clock.advance_seconds(30 * 24 * 3_600 - 1);
    assert_eq!(guild.guild.erase_deleted().await.unwrap(), 0);
    guild.clock.advance_seconds(1);
    assert_eq!(guild.guild.erase_deleted().await.unwrap(), 2);
}

/// While one version replaces another, both work under the newer schema (docs/migrations.md).
async fn statements_of_the_first_version_go_on_working(fresh: Fresh) {
    let store = fresh.store(Arc::new(Recorder::default())).await;
    let connection = fresh.connect().await;
    for insert in FIRST_VERSION {
        let quote = if connection.get_database_backend() == DbBackend::MySql { "`" } else { "\"" };
        connection.execute_unprepared(&insert.replace('`', quote)).await.unwrap();
        let (table, columns) = insert["INSERT INTO ".len()..].split_once(" (").unwrap();
        let columns = columns.split(')').next().unwrap().replace('`', quote);
        let select = format!("SELECT {columns} FROM {table}");
        assert_eq!(connection.execute_unprepared(&select).await.map(drop), Ok(()), "{select}");
    }
    let rooms = store.list(&"alice".into()).await.unwrap();
    assert_eq!((rooms.len(), rooms[0].member_count, rooms[0].unread_count), (1, 1, 0));
    let messages = store.page(&"c".into(), SeqRange::default(), 10).await.unwrap();
    assert_eq!(messages[0].content, "now");
    assert_eq!(store.revisions(&messages[0].id).await.unwrap()[0].content, "before");
}
